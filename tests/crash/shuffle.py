"""A real file whose events arrive out of order, some very late and some twice; then everything is compared.

``python -m tests.crash.shuffle --seed 1``. Each event comes up to ten minutes after its time, one in a hundred an hour
after it, and one in twenty again at some later place.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from recommender.embedded_redis import redis_of
from recommender.eventlog import open_event_log, record_of
from recommender.events import decode_event
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.repository import apply
from tests.conftest import free_port
from tests.crash.verdict import Verdict, judge, shown
from tests.integration.recount import MINUTE, Seen, read_taobao
from tests.integration.stream import Stream

_DELAY_S, _LONG_DELAY_S = 10 * MINUTE, 60 * MINUTE
_LONG_SHARE, _TWICE_SHARE = 0.01, 0.05
_ALLOWED_LATENESS_S = 30 * MINUTE
_REMEMBERED = 1_024
_AT_ONCE = 1_000


class Arrivals(NamedTuple):
    """What an independent reading of the rules says of events in their order of arrival."""

    counted: list[Seen]
    late: list[Seen]
    repeated: int


class Outcome(NamedTuple):
    """What the stream made of them."""

    verdict: Verdict
    late: int
    """As the stream's own metric counts."""
    repeated: int


def shuffle(events: Sequence[Seen], seed: int) -> list[Seen]:
    """Return the events in the order in which they arrive, some of them twice."""
    chance = random.Random(seed)
    arriving = []
    for seen in events:
        delay_s = _LONG_DELAY_S if chance.random() < _LONG_SHARE else chance.uniform(0.0, _DELAY_S)
        arriving.append((seen.t + delay_s, chance.random(), seen))
    last = max(at for at, _, _ in arriving)
    again = [
        (chance.uniform(at, last), chance.random(), seen) for at, _, seen in arriving if chance.random() < _TWICE_SHARE
    ]
    return [seen for _, _, seen in sorted(arriving + again)]


def read_by_the_rules(arriving: Iterable[Seen]) -> Arrivals:
    """Tell which events count by docs/features.md: by session, which is the user here, in the order of arrival."""
    remembered: dict[str, deque[str]] = {}
    latest: dict[str, int] = {}
    arrivals = Arrivals([], [], 0)
    repeated = 0
    for seen in arriving:
        ids = remembered.setdefault(seen.user, deque(maxlen=_REMEMBERED))
        if seen.id in ids:
            repeated += 1
            continue
        ids.append(seen.id)
        newest = latest[seen.user] = max(latest.get(seen.user, 0), seen.t)
        (arrivals.late if newest - seen.t > _ALLOWED_LATENESS_S else arrivals.counted).append(seen)
    return arrivals._replace(repeated=repeated)


def of_busy_users(events: Sequence[Seen], most: int) -> list[Seen]:
    """Return about so many events, all those of the users who have the most."""
    chosen: set[str] = set()
    left = most
    for user, count in Counter(seen.user for seen in events).most_common():
        if left < count:
            break
        chosen.add(user)
        left -= count
    return [seen for seen in events if seen.user in chosen]


def run(settings: Settings, arriving: Sequence[Seen], drained_within_s: float) -> Outcome:
    """Send events to an applied installation in this order, let the stream complete them, and judge.

    Args:
        settings: of an empty installation whose Redis runs.
        arriving: the events in their order of arrival.
        drained_within_s: how long the stream may take.
    """
    apply(settings)
    log = open_event_log(settings)
    for start in range(0, len(arriving), _AT_ONCE):
        log.append([record_of(decode_event(payload(seen))) for seen in arriving[start : start + _AT_ONCE]])
    log.close()
    port = free_port()
    variables = {"BYTEWAX_DATAFLOW_API_ENABLED": "1", "BYTEWAX_DATAFLOW_API_PORT": str(port)}
    variables |= {"BYTEWAX_DATAFLOW_API_CACHE_PATH": str(settings.data_dir)}
    stream = Stream(settings, variables)
    stream.start()
    try:
        stream.wait_until_drained(drained_within_s)
        counts = _counts(port)
    finally:
        stream.kill()
    arrivals = read_by_the_rules(arriving)
    features = FeastFeatures.open(settings)
    try:
        verdict = judge(features, Installation(settings.data_dir).history_dir, arrivals.counted, arrivals.late)
    finally:
        features.close()
    verdict.note("late events counted", [] if counts["late"] == len(arrivals.late) else [counts["late"]])
    verdict.note("repeated events counted", [] if counts["duplicates"] == arrivals.repeated else [counts["duplicates"]])
    return Outcome(verdict, counts["late"], counts["duplicates"])


def payload(seen: Seen) -> bytes:
    """Return the event that says this, as JSON."""
    event: dict[str, Any] = {
        "event_id": seen.id,
        "kind": seen.kind,
        "event_time": datetime.fromtimestamp(seen.t, UTC).isoformat(),
        "user_id": seen.user,
        "item_id": seen.item,
        "category": [seen.category],
    }
    if seen.kind == "purchase":
        event["order_id"] = f"{seen.user}-{seen.t}"
    return json.dumps(event).encode()


def _counts(port: int) -> dict[str, int]:
    """Read the stream's own metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = {}
    for name in ("late", "duplicates"):
        values = [line.split()[-1] for line in lines if line.startswith(f"liveshelf_stream_{name}_total")]
        found[name] = sum(int(float(value)) for value in values)
    return found


def main() -> int:
    """Run it on a whole file; return 0 when nothing differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.shuffle", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=20_171_126)
    parser.add_argument("--rows", type=int, help="about so many events, of the busiest users; all without it")
    parser.add_argument("--file", type=Path, help="a taobao file; that of LIVESHELF_DATA without it")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    options = parser.parse_args()
    if options.file is None and not os.environ.get("LIVESHELF_DATA"):
        parser.error("needs the taobao file: set LIVESHELF_DATA to the folder of data sets, or give --file")
    file = options.file or Path(os.environ["LIVESHELF_DATA"]) / "taobao" / "UserBehavior.csv.gz"
    events = read_taobao(file)
    arriving = shuffle(of_busy_users(events, options.rows) if options.rows else events, options.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="liveshelf-shuffle-") as folder:
        settings = Settings(data_dir=Path(folder) / "data", redis_fsync="everysec")
        with redis_of(settings, "shuffle test") as redis_url:
            outcome = run(settings.model_copy(update={"redis_url": redis_url}), arriving, 600.0)
    for line in shown(outcome.verdict):
        sys.stderr.write(f"shuffle test: {line}\n")
    _print(_report(options.seed, arriving, outcome) | {"seconds": round(time.monotonic() - began)}, options.json)
    return 0 if outcome.verdict.passed else 1


def _report(seed: int, arriving: Sequence[Seen], outcome: Outcome) -> dict[str, Any]:
    arrivals = read_by_the_rules(arriving)
    out_of_order = sum(b.t < a.t for a, b in pairwise(arriving))
    return {
        "seed": seed,
        "arrivals": len(arriving),
        "arrivals_older_than_the_one_before": out_of_order,
        "repeated": {"stream": outcome.repeated, "recount": arrivals.repeated},
        "late": {"stream": outcome.late, "recount": len(arrivals.late)},
        "counted": len(arrivals.counted),
        "rows_compared": outcome.verdict.rows_compared,
        "history_rows": outcome.verdict.history_rows,
        "lost": outcome.verdict.lost,
        "doubled": outcome.verdict.doubled,
        "differences": len(outcome.verdict.differences),
        "passed": outcome.verdict.passed,
    }


def _print(report: dict[str, Any], as_json: bool) -> None:
    text = json.dumps(report) if as_json else "\n".join(f"{name}: {value}" for name, value in report.items())
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
