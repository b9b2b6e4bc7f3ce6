"""The lock of a folder: one supervisor, one command on a stopped installation, one change of models at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK_FILE = "lock"
_LOOK_EVERY_S = 0.02


class FolderInUse(RuntimeError):
    """Another process works with the data folder."""


@contextmanager
def lock_folder(data_dir: Path, purpose: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the data folder for this process; the kernel lets go of it when the process ends, however it ends.

    It is held against other threads of this process too.

    Args:
        data_dir: the folder; made if it is missing.
        purpose: what it is held for, for the message that another process shows, such as ``liveshelf up``.
        wait_s: how long to wait for whoever holds it [s].

    Raises:
        FolderInUse: another process holds it; the text names its pid and purpose.
    """
    deadline = time.monotonic() + wait_s
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = os.open(data_dir / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while not _taken(lock):
            if time.monotonic() >= deadline:
                holder = os.pread(lock, 200, 0).decode("utf-8", "replace").strip() or "another process"
                raise FolderInUse(f"{data_dir}: another process holds this data folder; got {holder}")
            time.sleep(_LOOK_EVERY_S)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"pid {os.getpid()} ({purpose})\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
