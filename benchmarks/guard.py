"""What the guard before the API's routes costs: ``python -m benchmarks.guard --redis-url redis://127.0.0.1:6379/15``.

Prints microseconds of a request, the least of many runs: of a route without a guard, with a key, with a key that has a
limit, and what fetching one portion of a limit takes. The limit is counted in the Redis that is named.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.guard import Gate, Guard
from api.keyring import Keyring
from api.rate_limits import RateLimits
from recommender.api_keys import create_key
from recommender.settings import Settings

_RUNS = 200
_REQUESTS = 200
_HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"shop/1.0"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"connection", b"keep-alive"),
    (b"content-type", b"application/json"),
]


async def route(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer nothing."""


async def nothing_more() -> Message:
    return {"type": "http.request"}


async def nowhere(message: Message) -> None:
    """Drop what is sent."""


async def least_us(app: ASGIApp, key: str) -> float:
    headers = [*_HEADERS, (b"authorization", f"Bearer {key}".encode())]
    best = float("inf")
    for _ in range(_RUNS):
        scopes: list[dict[str, Any]] = [{"method": "GET", "headers": headers} for _ in range(_REQUESTS)]
        started = time.perf_counter()
        for scope in scopes:
            await app(scope, nothing_more, nowhere)
        best = min(best, time.perf_counter() - started)
    return best / _REQUESTS * 1e6


async def portion_us(limits: RateLimits) -> float:
    best = float("inf")
    for number in range(_RUNS):
        started = time.perf_counter()
        await limits.take(f"bench-{number}", "1000/minute")
        best = min(best, time.perf_counter() - started)
    return best * 1e6


async def measure(redis_url: str, folder: Path) -> dict[str, float]:
    now = datetime.now(UTC)
    plain, _ = create_key(folder / "api_keys.json", ["read"], now=now)
    limited, _ = create_key(folder / "api_keys.json", ["read"], now=now, rate="900000000/day")
    limits = RateLimits(lambda: redis_url, lambda: None)
    gate = Gate(route, {"GET": "read"}, Guard(Keyring(Settings(data_dir=folder)), limits))
    bare = await least_us(route, plain)
    figures = {
        "key_us": await least_us(gate, plain) - bare,
        "key_with_limit_us": await least_us(gate, limited) - bare,
        "portion_us": await portion_us(limits),
    }
    await limits.close()
    return {name: round(figure, 2) for name, figure in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--redis-url", required=True, help="a Redis that may be written to")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as name:
        print(json.dumps(asyncio.run(measure(given.redis_url, Path(name)))))


if __name__ == "__main__":
    main()
