"""The installation's Redis in Feast's own notation."""

from __future__ import annotations

import json
from typing import Any

from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.asyncio.connection import parse_url

from recommender.installation import InstallationStopped, resolve_redis_url
from recommender.settings import Settings

_TIME_LIMITS = {"socket_timeout": 10.0, "socket_connect_timeout": 5.0}
"""Unless the address has its own [s]."""
STOPPED = "stopped:0"
"""Stands for the Redis of a stopped installation: a store with it can be opened and applied, but not read."""


def installation_connection(settings: Settings) -> str:
    """Return the connection string of the installation's Redis, or ``STOPPED``."""
    try:
        return feast_connection_string(resolve_redis_url(settings))
    except InstallationStopped:
        return STOPPED


def feast_connection_string(url: str) -> str:
    """Translate a ``redis://``, ``rediss://`` or ``unix://`` address to ``host:port,name=value,...``, with time limits.

    Without them a Redis that hangs, or a connection that was cut without a word, would be waited for without end.

    Feast splits the string at commas and reads each value as JSON where it can, so a password like ``1e5`` would turn
    into a number and one with a comma into two parts. Values are therefore written as JSON, commas escaped.

    Raises:
        ValueError: the address is not one of Redis, or names its host by an IPv6 address.
    """
    try:
        options: dict[str, Any] = {**_TIME_LIMITS, **parse_url(url)}
    except ValueError as error:
        raise ValueError(f"redis_url: must be an address like redis://host:6379/0; {error}") from None
    host, port = options.pop("host", "localhost"), options.pop("port", 6379)
    if ":" in host:
        raise ValueError(f"redis_url: Feast takes no IPv6 address, give the host a name; got {host!r}")
    connection_class = options.pop("connection_class", None)
    if connection_class is AsyncSSLConnection:
        options["ssl"] = True
    elif "path" in options:
        options["unix_socket_path"] = options.pop("path")
    parts = [f"{name}={json.dumps(value).replace(',', chr(92) + 'u002c')}" for name, value in options.items()]
    return ",".join([f"{host}:{port}", *parts])
