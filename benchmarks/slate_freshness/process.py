"""The process of the other shoppers: one plan on standard input, its figures on standard output."""

from __future__ import annotations

import gc
import sys

import msgspec

from benchmarks.rollback.shop import item_ids
from benchmarks.serve.http_load import HttpLoad
from benchmarks.serve.shoppers import user_id
from benchmarks.slate_freshness.source import Others


class Plan(msgspec.Struct, frozen=True):
    """What they do."""

    url: str
    seconds: float
    slates: int
    """Slates per second."""
    events: int
    """Events per second."""
    users: int
    first_user: int
    items: int
    n: int = 20
    batch: int = 10


def main() -> None:
    for line in sys.stdin.buffer:
        plan = msgspec.json.decode(line, type=Plan)
        posts = max(1, plan.events // plan.batch)
        users = [user_id(number) for number in range(plan.first_user, plan.first_user + plan.users)]
        others = Others(users, item_ids(plan.items), round(plan.slates / posts), plan.batch, plan.n)
        load = HttpLoad(plan.url, others, 64)
        gc.collect()
        gc.freeze()
        told = load.run(plan.seconds, posts * (1 + round(plan.slates / posts)))
        load.close()
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
