"""The learner as a process: ``python -m recommender.learning``."""

from __future__ import annotations

import os

# It has a share of one processor; must be set before NumPy and LightFM are loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import logging
import signal
import threading
from types import FrameType

from prometheus_client import start_http_server

from recommender.eventlog import open_event_log
from recommender.learning.learner import Learner, Stopped
from recommender.settings import Settings

_NICENESS = 15
"""Whoever answers requests comes first, then who computes features."""


def main() -> None:
    """Learn until SIGTERM or SIGINT."""
    settings = Settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(_NICENESS)
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    def rest(seconds: float) -> None:
        if asked.wait(seconds):
            raise Stopped

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    if settings.learn_metrics_port:
        start_http_server(settings.learn_metrics_port, addr=settings.learn_metrics_host)
    log = open_event_log(settings)
    try:
        Learner(settings, log, rest).run()
    except Stopped:
        logging.getLogger(__name__).info("learning: ends")
    finally:
        log.close()


if __name__ == "__main__":
    main()
