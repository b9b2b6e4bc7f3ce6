"""What became of the rows of a data set: the counts, and the file of those that were refused."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from recommender.loaders import BadRow, Loaded, LoadedEvent

DONE, FAILED, INTERRUPTED = 0, 1, 130
"""Exit codes of a load."""
MOST_REASONS = 200
OTHER_REASONS = "other reasons"
_VALUE = re.compile(r"; got .*?(?= \| [\w.]+: | \| and \d+ more$|$)", re.DOTALL)
_QUOTED_TAG = re.compile(r"Input tag '.*?' found")


def rule_of(reason: str) -> str:
    """Return a reason without the values in it, so that equal faults count together."""
    return _QUOTED_TAG.sub("Input tag found", _VALUE.sub("", reason))


def limited(rows: Iterator[Loaded], limit: int | None) -> Iterator[Loaded]:
    """Yield up to ``limit`` rows, and the catalogue events beside them."""
    count = 0
    if limit is not None and limit < 1:
        return
    for loaded in rows:
        yield loaded
        count += isinstance(loaded, BadRow) or not loaded.beside
        if count == limit:
            return


class LoadReport:
    """Counts rows as their fate is known. A context manager; it closes the file of refused rows.

    Args:
        dataset: name of the format.
        file: what is loaded.
        rejects_dir: where the refused rows go, into a file that is made with the first of them.
    """

    def __init__(self, dataset: str, file: Path, rejects_dir: Path) -> None:
        self.rows = self.bad_rows = 0
        self.accepted = self.rejected = 0
        self.catalogue_accepted = self.catalogue_rejected = 0
        self.reasons: Counter[str] = Counter()
        self.rejects_path: Path | None = None
        self._dataset = dataset
        self._file = file
        self._rejects_dir = rejects_dir
        self._rejects: TextIO | None = None
        self._started = time.monotonic()

    def __enter__(self) -> LoadReport:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._rejects is None or self.rejects_path is None:
            return
        self._rejects.close()
        if self.rejects_path.stat().st_size == 0:  # interrupted, or the disk is full
            self.rejects_path.unlink()
            self.rejects_path = None

    def read(self, loaded: Loaded) -> bool:
        """Note that a row was read; return whether it is an event, which is yet to be sent."""
        if isinstance(loaded, BadRow):
            self.rows += 1
            self.bad_rows += 1
            self.rejected += 1
            self._refuse(loaded, loaded.reason, {"row": loaded.text})
            return False
        self.rows += not loaded.beside
        return True

    def settle(self, loaded: LoadedEvent, reason: str | None) -> None:
        """Note what became of an event: None when it was accepted, else why it was not."""
        if loaded.beside:
            self.catalogue_accepted += reason is None
            self.catalogue_rejected += reason is not None
        else:
            self.accepted += reason is None
            self.rejected += reason is not None
        if reason is not None:
            self._refuse(loaded, reason, {"event": loaded.event})

    def _refuse(self, loaded: Loaded, reason: str, content: dict[str, Any]) -> None:
        rule = rule_of(reason)
        if rule not in self.reasons and len(self.reasons) >= MOST_REASONS:
            rule = OTHER_REASONS
        self.reasons[rule] += 1
        if self._rejects is None:
            self._rejects = self._open_rejects()
        line = {"file": loaded.file, "line_number": loaded.line_number, "reason": reason, **content}
        self._rejects.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _open_rejects(self) -> TextIO:
        self._rejects_dir.mkdir(parents=True, exist_ok=True)
        stem = f"{self._dataset}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        number = 1
        while True:
            path = self._rejects_dir / (f"{stem}.jsonl" if number == 1 else f"{stem}-{number}.jsonl")
            try:
                file = path.open("x", encoding="utf-8", buffering=1)  # line by line: a kill leaves what was refused
            except FileExistsError:
                number += 1
                continue
            self.rejects_path = path
            return file

    def refused_all(self) -> str:
        """Return one line about a load of which nothing was accepted; empty when something was, or nothing was sent."""
        if self.accepted or self.catalogue_accepted or not self.reasons:
            return ""
        rejected = self.rejected + self.catalogue_rejected
        reason, count = self.reasons.most_common(1)[0]
        return f"{self._file}: at least one row must be accepted; got {rejected:,} rejected ({count:,} x {reason})"

    def summary(self) -> dict[str, Any]:
        """Return the counts. Rows that were read but not yet settled are in ``rows`` alone."""
        seconds = time.monotonic() - self._started
        sent = self.accepted + self.rejected
        catalogue_sent = self.catalogue_accepted + self.catalogue_rejected
        return {
            "dataset": self._dataset,
            "file": str(self._file),
            "rows": self.rows,
            "sent": sent,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "bad_rows": self.bad_rows,
            "catalogue": {
                "sent": catalogue_sent,
                "accepted": self.catalogue_accepted,
                "rejected": self.catalogue_rejected,
            },
            "reasons": dict(self.reasons.most_common()),
            "seconds": round(seconds, 3),
            "events_per_second": round((sent + catalogue_sent) / seconds, 1) if seconds > 0 else 0.0,
            "rejects_file": str(self.rejects_path) if self.rejects_path else None,
        }
