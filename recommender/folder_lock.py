"""The lock of a data folder: one supervisor, or one command on a stopped installation, at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK_FILE = "lock"


class FolderInUse(RuntimeError):
    """Another process works with the data folder."""


@contextmanager
def lock_folder(data_dir: Path, purpose: str) -> Iterator[None]:
    """Hold the data folder for this process; the kernel lets go of it when the process ends, however it ends.

    Args:
        data_dir: the data folder; made if it is missing.
        purpose: what it is held for, for the message that another process shows, such as ``liveshelf up``.

    Raises:
        FolderInUse: another process holds it; the text names its pid and purpose.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = os.open(data_dir / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 200, 0).decode("utf-8", "replace").strip() or "another process"
            raise FolderInUse(f"{data_dir}: another process holds this data folder; got {holder}") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"pid {os.getpid()} ({purpose})\n".encode(), 0)
        yield
    finally:
        os.close(lock)
