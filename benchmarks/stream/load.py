"""Events sent to the API at a given rate, in an open loop."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import orjson

_ACCEPTED = 202
_JSON = {"content-type": "application/json"}
_GIVE_UP_S = 30.0
_CONNECTIONS = 32


class Load(msgspec.Struct, frozen=True):
    """A rate, held for some time. A request leaves every 20 ms, and its last event is a marker."""

    label: str
    url: str
    rate: int
    """Events per second, the markers among them."""
    seconds: float
    every_s: float = 0.02

    @property
    def markers(self) -> int:
        """How many requests, and so markers, there are."""
        return max(1, round(self.seconds / self.every_s))


class Sent(msgspec.Struct):
    """What became of a load."""

    events: int = 0
    accepted: int = 0
    acknowledged: dict[str, float] = {}
    """Marker to the moment of the acknowledgement [s of the monotonic clock]."""
    post_ms: list[float] = []
    """From sending a request to its answer, sorted."""
    late_ms_max: float = 0.0
    """How much later than planned a request has left, at most."""


def marker_id(label: str, number: int) -> str:
    """Return the shopper that a marker is of."""
    return f"marker-{label}-{number}"


def run_load(load: Load, events: Iterator[dict[str, Any]], begins: float) -> Sent:
    """Send events, re-dated to now, from a moment of the monotonic clock on; return when all are answered."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        sent = asyncio.run(_run(load, events, begins))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, before)
    sent.post_ms.sort()
    return sent


async def _run(load: Load, events: Iterator[dict[str, Any]], begins: float) -> Sent:
    sent = Sent()
    this = asyncio.current_task()
    if this is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
    async with httpx.AsyncClient(
        base_url=load.url, limits=limits, timeout=_GIVE_UP_S, trust_env=False, headers=_JSON
    ) as client:
        posts = []
        for number in range(load.markers):
            due = begins + number * load.every_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            sent.late_ms_max = max(sent.late_ms_max, 1_000 * (time.monotonic() - due))
            batch = _batch(load, events, number, sent.events)
            sent.events += len(batch)
            posts.append(asyncio.create_task(_post(client, orjson.dumps(batch), marker_id(load.label, number), sent)))
        await asyncio.gather(*posts)
    return sent


def _batch(load: Load, events: Iterator[dict[str, Any]], number: int, already: int) -> list[dict[str, Any]]:
    """Return the events of one request, so many that the rate is kept over all requests."""
    size = max(1, round((number + 1) * load.every_s * load.rate) - already)
    moment = datetime.now(UTC).isoformat()
    batch = [
        {**next(events), "event_id": f"bench-{load.label}-{already + place}", "event_time": moment}
        for place in range(size)
    ]
    batch[-1] = {
        "kind": "view",
        "event_id": f"bench-{load.label}-marker-{number}",
        "event_time": moment,
        "user_id": marker_id(load.label, number),
        "item_id": batch[-1].get("item_id") or "marker",
    }
    return batch


async def _post(client: httpx.AsyncClient, body: bytes, marker: str, sent: Sent) -> None:
    started = time.monotonic()
    try:
        response = await client.post("/v1/events", content=body)
    except httpx.TransportError:
        return  # the events count as sent and not accepted
    answered = time.monotonic()
    sent.post_ms.append(1_000 * (answered - started))
    if response.status_code == _ACCEPTED:
        results = orjson.loads(response.content)["results"]
        sent.accepted += sum(result["status"] == "accepted" for result in results)
        if results[-1]["status"] == "accepted":
            sent.acknowledged[marker] = answered
