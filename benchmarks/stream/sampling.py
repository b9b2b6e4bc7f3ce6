"""Which Python functions the CPU time is in, by samples of the main thread's stack; without slowing it by much."""

from __future__ import annotations

import signal
from collections import Counter
from types import CodeType, FrameType
from typing import Any

_EVERY_S = 0.002


class Sampler:
    """Takes a sample each time that the process has used another 2 ms of CPU. To be used in the main thread.

    What a C or Rust function uses counts for the Python function that has called it.
    """

    def __init__(self) -> None:
        self._samples = 0
        self._own: Counter[CodeType] = Counter()
        self._within: Counter[CodeType] = Counter()

    def start(self) -> None:
        """Begin."""
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)

    def stop(self) -> None:
        """End."""
        signal.setitimer(signal.ITIMER_PROF, 0.0)

    def functions(self, most: int = 40) -> list[dict[str, Any]]:
        """Return the functions with the largest shares of the samples: alone, and with all that they call."""
        return [
            {
                "function": _name(code),
                "own_share": round(self._own[code] / self._samples, 4),
                "share": round(count / self._samples, 4),
            }
            for code, count in sorted(self._within.items(), key=lambda item: (-self._own[item[0]], -item[1]))[:most]
        ]

    def _take(self, number: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self._samples += 1
        self._own[frame.f_code] += 1
        within = set()
        while frame is not None:
            within.add(frame.f_code)
            frame = frame.f_back
        self._within.update(within)


def _name(code: CodeType) -> str:
    parts = code.co_filename.split("site-packages/")[-1].split("/")
    return f"{'/'.join(parts[-3:])}:{code.co_qualname}"
