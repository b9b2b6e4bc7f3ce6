"""The process that the storm comes from: one plan on standard input, its figures on standard output."""

from __future__ import annotations

import gc
import sys

import msgspec

from benchmarks.rollback.shop import item_ids
from benchmarks.serve.http_load import HttpLoad
from benchmarks.serve.shoppers import user_id
from benchmarks.storm.source import Storm


class Plan(msgspec.Struct, frozen=True):
    """One storm."""

    url: str
    seconds: float
    slates: int
    """Slates per second."""
    changes: int
    """Stock changes per second."""
    flipping: int
    shoppers: int
    n: int = 20
    batch: int = 20
    limit_s: float = 1.0


def main() -> None:
    for line in sys.stdin.buffer:
        plan = msgspec.json.decode(line, type=Plan)
        posts = max(1, plan.changes // plan.batch)
        users = [user_id(number) for number in range(plan.shoppers)]
        storm = Storm(item_ids(plan.flipping), plan.batch, users, round(plan.slates / posts), plan.n, plan.limit_s)
        load = HttpLoad(plan.url, storm, 64)
        gc.collect()
        gc.freeze()
        told = load.run(plan.seconds, posts * (1 + round(plan.slates / posts)))
        load.close()
        sys.stdout.buffer.write(msgspec.json.encode({"storm": storm.figures(), "load": told}) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
