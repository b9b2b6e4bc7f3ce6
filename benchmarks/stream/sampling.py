"""Which Python functions the CPU time is in, by samples of the stacks of all threads; without slowing them by much."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import defaultdict
from types import CodeType, FrameType
from typing import Any

_EVERY_S = 0.004


class Sampler:
    """Looks at all threads each time that the process has used another 4 ms of CPU. Started in the main thread.

    Each thread's function is charged with what the thread has used since the sample before. What a C or Rust function
    uses counts for the Python function that has called it.
    """

    def __init__(self) -> None:
        self._used: dict[int, float] = {}
        self._thread = threading.get_ident()
        self._own: defaultdict[CodeType, float] = defaultdict(float)
        self._within: defaultdict[CodeType, float] = defaultdict(float)
        self._total = 0.0

    def start(self) -> None:
        """Begin."""
        self._used = {thread: _cpu_s(thread) for thread in sys._current_frames()}
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)

    def stop(self) -> None:
        """End."""
        signal.setitimer(signal.ITIMER_PROF, 0.0)

    def functions(self, most: int = 60) -> list[dict[str, Any]]:
        """Return the functions with the largest shares of the CPU time: alone, and with all that they call."""
        largest = sorted(self._within, key=lambda code: (-self._own[code], -self._within[code]))[:most]
        return [
            {
                "function": _name(code),
                "own_share": round(self._own[code] / self._total, 4),
                "share": round(self._within[code] / self._total, 4),
            }
            for code in largest
            if self._total
        ]

    def _take(self, number: int, _interrupted: FrameType | None) -> None:
        for thread, frame in sys._current_frames().items():
            used = _cpu_s(thread)
            spent = used - self._used.get(thread, used)
            self._used[thread] = used
            if spent > 0.0:
                self._charge(frame, spent)
        self._used[self._thread] = _cpu_s(self._thread)  # what looking has taken counts for nobody

    def _charge(self, frame: FrameType | None, spent: float) -> None:
        if frame is not None and frame.f_code is Sampler._take.__code__:
            frame = frame.f_back
        if frame is None:
            return
        self._total += spent
        self._own[frame.f_code] += spent
        within = set()
        while frame is not None:
            within.add(frame.f_code)
            frame = frame.f_back
        for code in within:
            self._within[code] += spent


def _cpu_s(thread: int) -> float:
    """Return the CPU time of a thread that runs Python code [s]."""
    return time.clock_gettime(time.pthread_getcpuclockid(thread))


def _name(code: CodeType) -> str:
    parts = code.co_filename.split("site-packages/")[-1].split("/")
    return f"{'/'.join(parts[-3:])}:{code.co_qualname}"
