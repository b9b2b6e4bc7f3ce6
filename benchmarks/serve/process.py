"""The process that load comes from: plans on standard input, figures on standard output, a line of JSON each."""

from __future__ import annotations

import gc
import sys
from typing import Any

import msgspec

from benchmarks.rollback.shop import category_of
from benchmarks.serve.http_load import HttpLoad, Source
from benchmarks.serve.shoppers import user_id
from benchmarks.serve.sources import PAGES, Cycle, Visits, get, home

TRIVIAL, LIVE, CACHED, MIXED = "trivial", "live", "cached", "mixed"
_CATEGORIES = 200


class Plan(msgspec.Struct, frozen=True):
    """One load."""

    url: str
    what: str
    seconds: float
    rate: float | None = None
    """Requests per second; without it as many as are answered over the connections."""
    connections: int = 64
    users: int = 1_000
    first_user: int = 0
    n: int = 20
    exponent: float = 1.0
    pages: tuple[str, ...] = PAGES
    at_once: int = 1_000
    items: int = 1_000
    seed: int = 1


def source_of(plan: Plan) -> Source:
    """Return what a plan asks."""
    users = [user_id(number) for number in range(plan.first_user, plan.first_user + plan.users)]
    if plan.what == TRIVIAL:
        return Cycle(TRIVIAL, [get("/health/live")], 0)
    if plan.what in (LIVE, CACHED):
        return Cycle(plan.what, [home(user, plan.n, live=plan.what == LIVE) for user in users], plan.n)
    categories = sorted({category_of(place) for place in range(min(_CATEGORIES, plan.items))})
    return Visits(users, plan.exponent, plan.pages, plan.at_once, categories, plan.n, plan.seed)


def main() -> None:
    sources: dict[bytes, Source] = {}
    for line in sys.stdin.buffer:
        plan = msgspec.json.decode(line, type=Plan)
        # Visits go on from one plan to the next.
        key = msgspec.json.encode(msgspec.structs.replace(plan, seconds=0, rate=None, connections=0))
        source = sources.get(key) or sources.setdefault(key, source_of(plan))
        gc.collect()
        gc.freeze()
        load = HttpLoad(plan.url, source, plan.connections)
        figures: dict[str, Any] = load.run(plan.seconds, plan.rate)
        load.close()
        sys.stdout.buffer.write(msgspec.json.encode(figures) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
