"""Saving states beside the flow's work: threads write and wait for the disk, a barrier waits for the threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_THREADS = 4


class Saver:
    """Runs the saves of a process. No epoch may be complete before ``complete`` has returned."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="saver")
        self._running: set[Future[None]] = set()
        self._lock = threading.Lock()

    def save(self, work: Callable[[], None]) -> Future[None]:
        """Start a save."""
        started = self._threads.submit(work)
        with self._lock:
            self._running.add(started)
        return started

    def complete(self) -> None:
        """Return once all saves started so far are durable; raise what one of them has raised."""
        with self._lock:
            running = list(self._running)
        for save in running:
            save.result()
        with self._lock:
            self._running.difference_update(running)
