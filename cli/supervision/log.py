"""The log file of a supervised process, and the lines in it that should be seen in the terminal."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import deque
from pathlib import Path

_ALARM = re.compile(r"\b(ERROR|CRITICAL|FATAL)\b|^\w*(\.\w+)*(Error|Exception): |^\w+(\.\w+)*\.[A-Z]\w+: |^# ")
_MOST_BYTES = 20 * 1024 * 1024
_MOST_ALARMS = 5
_ALARM_WINDOW_S = 10.0
_LINE_LENGTH = 400


class ProcessLog:
    """A growing file; beyond 20 MiB it is moved to ``<name>.log.1`` and begun anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._read_to = path.stat().st_size
        self._shown_at: deque[float] = deque(maxlen=_MOST_ALARMS)

    def new_alarms(self) -> list[str]:
        """Return the lines since the last call that tell of errors, at most five in ten seconds."""
        alarms = [line for line in self._new_lines() if _ALARM.search(line)]
        shown = []
        for alarm in alarms:
            now = time.monotonic()
            if len(self._shown_at) == _MOST_ALARMS and now - self._shown_at[0] < _ALARM_WINDOW_S:
                break
            self._shown_at.append(now)
            shown.append(alarm[:_LINE_LENGTH])
        return shown

    def tail(self, lines: int = 20) -> list[str]:
        """Return the last lines."""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 65_536))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]

    def _new_lines(self) -> list[str]:
        size = self.path.stat().st_size
        if size <= self._read_to:
            return []
        with self.path.open("rb") as file:
            file.seek(self._read_to)
            new = file.read(size - self._read_to)
        complete = new[: new.rfind(b"\n") + 1]
        self._read_to += len(complete)
        if self._read_to > _MOST_BYTES:
            self._begin_anew()
        return complete.decode("utf-8", "replace").splitlines()

    def _begin_anew(self) -> None:
        """Truncate in place: the process appends to this very file."""
        shutil.copyfile(self.path, self.path.with_name(self.path.name + ".1"))
        os.truncate(self.path, 0)
        self._read_to = 0
