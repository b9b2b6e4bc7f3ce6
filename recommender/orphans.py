"""Processes that do not outlive the one that has started them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def tie_to_this_process(orphan_signal: signal.Signals) -> Callable[[], None] | None:
    """Return a ``preexec_fn`` by which a child gets a signal when this process dies; None where the kernel cannot."""
    if sys.platform != "linux":
        return None
    parent, libc = os.getpid(), ctypes.CDLL(None)

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(orphan_signal))
        if os.getppid() != parent:
            os._exit(1)

    return tie
