"""The web server around the service."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI

from api import shared_metrics
from api.app import create_app
from api.backend import Backend
from recommender.installation import Installation
from recommender.settings import Settings

_SWITCH_INTERVAL_S = 0.0001
"""How long a background thread that computes may keep the interpreter from a waiting request."""
_GRACE_S = 10
_KEEP_ALIVE_S = 75
"""Longer than proxies and clients keep an idle connection, so that it is not closed under a request of theirs."""
_LOOK_EVERY_S = 0.05
_BACKLOG = 2048


def serve(settings: Settings) -> None:
    """Run the service until it gets SIGINT or SIGTERM; requests under way are answered first."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    if settings.api_process:
        shared_metrics.share(Installation(settings.data_dir).metrics_dir, settings.api_process)
        _serve_as_one_of_several(settings)
    else:
        shared_metrics.keep_apart()
        uvicorn.run(create_app(settings), host=settings.host, port=settings.port, **_options(settings))


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "log_config": log_config(settings.log_level),
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # nothing asks who the client is, or by which scheme it came
        "timeout_keep_alive": _KEEP_ALIVE_S,
        "timeout_graceful_shutdown": _GRACE_S,
        "backlog": _BACKLOG,
    }


def _serve_as_one_of_several(settings: Settings) -> None:
    """Serve on a port that other processes serve on too, once warm, and from the start on a private one."""
    app = create_app(settings)
    config = uvicorn.Config(app, host="127.0.0.1", port=settings.api_private_port, **_options(settings))
    private = _Server(config)
    public = _Server(uvicorn.Config(app, lifespan="off", **_options(settings)))
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve_both(app, private, public, settings))
    if not private.started:
        sys.exit(1)


async def _serve_both(app: FastAPI, private: _Server, public: _Server, settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    serving = asyncio.create_task(private.serve())
    stopped = asyncio.create_task(stopping.wait())
    while not private.started and not serving.done():
        await asyncio.sleep(_LOOK_EVERY_S)
    if private.started:
        backend: Backend = app.state.backend
        while not stopping.is_set() and not backend.warm:
            await asyncio.wait([stopped], timeout=_LOOK_EVERY_S)
        if not stopping.is_set():
            backend.listens = True
            with shared_port(settings.host, settings.port) as port:
                listening = asyncio.create_task(public.serve(sockets=[port]))
                await asyncio.wait([stopped, listening, serving], return_when=asyncio.FIRST_COMPLETED)
                public.should_exit = True
                await listening
    private.should_exit = True
    await serving
    stopped.cancel()


class _Server(uvicorn.Server):
    """One of two servers of a process, which hears of signals by ``should_exit``."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def shared_port(host: str, port: int) -> socket.socket:
    """Return a socket bound to a port that others may be bound to too; the kernel hands connections out."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(address)
    bound.setblocking(False)
    return bound


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
