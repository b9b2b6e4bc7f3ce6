"""The web server around the service."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

from api.app import create_app
from recommender.settings import Settings

_SWITCH_INTERVAL_S = 0.0001
"""How long a background thread that computes may keep the interpreter from a waiting request."""
_GRACE_S = 10
_KEEP_ALIVE_S = 75
"""Longer than proxies and clients keep an idle connection, so that it is not closed under a request of theirs."""


def serve(settings: Settings) -> None:
    """Run the service until it gets SIGINT or SIGTERM; requests under way are answered first."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=log_config(settings.log_level),
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )


def log_config(level: str) -> dict[str, Any]:
    """Return the logging settings: one line each on standard error, never the content of a request."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {"feast": {"level": "WARNING"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
    }
