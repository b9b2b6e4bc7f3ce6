"""Erasures in a process of the API: their requests, and a thread that does the work, in one process at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import redis

from recommender.erasure.audit import AuditLog
from recommender.erasure.book import ErasureBook, ErasureStatus
from recommender.erasure.export import Sources, export
from recommender.erasure.secret import Secret
from recommender.erasure.worker import Eraser
from recommender.eventlog import EventLog, LogUnavailable, open_event_log
from recommender.folder_lock import FolderInUse
from recommender.installation import Installation, resolve_redis_url
from recommender.settings import Settings
from recommender.store import FeastFeatures

_LOOK_EVERY_S = 0.5
_AGAIN_AFTER_S = 2.0
_LATER_AGAIN_S = 30.0

_log = logging.getLogger(__name__)


def _closing(pieces: Iterator[bytes], log: EventLog) -> Iterator[bytes]:
    try:
        yield from pieces
    finally:
        log.close()


class _Ended(Exception):
    """The process ends; another one, or the next start, goes on."""


class Erasures:
    """Made with the process; the thread is started with it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._installation = Installation(settings.data_dir)
        self._redis = redis.Redis.from_url(resolve_redis_url(settings), socket_timeout=10.0, socket_connect_timeout=2.0)
        self.book = ErasureBook(self._redis)
        self.audit = AuditLog(self._installation.audit_path, Secret(self._installation.secret_path))
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._features: FeastFeatures | None = None
        self._thread = threading.Thread(target=self._run, name="erasures", daemon=True)

    def start(self) -> None:
        """Begin the work."""
        self._thread.start()

    def close(self) -> None:
        """End the work where it is, and free the connections."""
        self._ending.set()
        self._thread.join(timeout=10.0)
        if self._features is not None:
            self._features.close()
        self._redis.close()

    def request(self, user_id: str, key_id: str) -> ErasureStatus:
        """Note that a user is to be erased; return how far that is.

        Raises:
            RedisError: it cannot be noted.
        """
        status, is_new = self.book.open(user_id, key_id)
        if is_new:
            self.audit.note("erasure_requested", user_id, key_id=key_id, erasure_id=status.erasure_id)
        return status

    def export(self, user_id: str, key_id: str) -> Iterator[bytes]:
        """Return what is held of a user, piece by piece.

        Raises:
            RedisError: it cannot be read; likewise `LogUnavailable`.
        """
        with self._lock:
            features = self._features = self._features or FeastFeatures.open(self._settings)
        log = open_event_log(self._settings)  # of its own: not every log may be read by several threads
        try:
            pieces = export(user_id, Sources(self._redis, log, features, self._installation.history_dir))
            self.audit.note("export", user_id, key_id=key_id)
        except BaseException:
            log.close()
            raise
        return _closing(pieces, log)

    def _run(self) -> None:
        log: EventLog | None = None
        while not self._ending.is_set():
            try:
                log = log or open_event_log(self._settings)
                worked = Eraser(self._settings, self._redis, log, self._rest).work()
                self._ending.wait(0.0 if worked else _LOOK_EVERY_S)
            except _Ended:
                break
            except (redis.RedisError, LogUnavailable, FolderInUse) as error:
                _log.warning("erasures: %s; trying again", type(error).__name__)
                self._ending.wait(_AGAIN_AFTER_S)
            except Exception as error:  # whatever it is, users wait to be erased
                _log.error("erasures: unexpected %s; trying again", type(error).__name__)
                self._ending.wait(_LATER_AGAIN_S)
        if log is not None:
            log.close()

    def _rest(self, seconds: float) -> None:
        if self._ending.wait(seconds):
            raise _Ended
