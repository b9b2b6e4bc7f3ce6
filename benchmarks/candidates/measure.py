"""Measures one number of items, in a process of its own: ``-m benchmarks.candidates.measure ITEMS QUERIES``.

Vectors are made up: a mixture of as many normal distributions as the square root of the number of items, with lengths
that differ as those of popular and rare items do, and biases. Shoppers have looked at three items of one cluster and at
one of all. Trained vectors may be easier or harder.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.rollback.shop import DIMENSIONS, clustered
from recommender.model.best import best
from recommender.serving.candidates import MODEL_CANDIDATES
from recommender.serving.cells import Cells, make_cells
from recommender.serving.ports import Floats, Rows

MOST = MODEL_CANDIDATES
_AVAILABLE = 0.95
_REACHES = (0.25, 0.5, 2.0, 4.0)
_LOOKS = np.array([1.0, 0.6, 0.36, 0.5], np.float32)
Search = Callable[[Floats], Rows]


def main(items: int, queries: int) -> dict[str, Any]:
    """Return all figures of a number of items."""
    rng = np.random.default_rng(1)
    clusters = math.isqrt(items)
    vectors = clustered(items, DIMENSIONS, clusters, rng) * rng.lognormal(0.0, 0.3, (items, 1)).astype(np.float32)
    biases = rng.normal(0.0, 0.3, items).astype(np.float32)
    available = rng.random(items) < _AVAILABLE
    first = rng.integers(items - 3 * clusters, size=queries)
    looked = np.stack([first, first + clusters, first + 2 * clusters, rng.integers(items, size=queries)], axis=1)
    shoppers = np.einsum("qld,l->qd", vectors[looked], _LOOKS)

    def exact(shopper: Floats) -> Rows:
        scores = vectors @ shopper
        scores += biases
        np.copyto(scores, -np.inf, where=~available)
        return best(scores, MOST)

    def whole(shopper: Floats) -> Rows:
        scores = vectors @ shopper
        scores += biases
        return best(scores, MOST)

    true = [set(whole(shopper).tolist()) for shopper in shoppers]
    result: dict[str, Any] = {
        "items": items,
        "exact": _timed(whole, shoppers, None),
        "exact_of_available": _timed(exact, shoppers, None),
        "matrix_mb": round((vectors.nbytes + biases.nbytes) / 1e6, 1),
        "cells": {},
    }
    made: list[Cells] = []
    seconds = _seconds(lambda: made.append(make_cells(vectors, biases, max(2, clusters))))
    cells = made[0]
    result["cells"] = {
        **seconds,
        "cells": len(cells.middles),
        "memory_mb": round(sum(array.nbytes for array in cells) / 1e6, 1),
        "asked": cells.reach,
        "served": _timed(partial(_search, cells, least=cells.reach), shoppers, true),
        **{
            f"{times:g} times as many": _timed(partial(_search, cells, least=int(times * cells.reach)), shoppers, true)
            for times in _REACHES
        },
    }
    return result


def _search(cells: Cells, shopper: Floats, least: int) -> Rows:
    point = np.append(shopper, np.float32(1.0))
    asked = cells.promising(point, least)
    found: Rows = cells.numbers[cells.places(asked, best(cells.ask(point, asked), MOST))].astype(np.intp)
    return found


def _timed(search: Search, shoppers: Floats, true: list[set[int]] | None) -> dict[str, float]:
    wall_ms, cpu_ms, found = [], [], []
    for shopper in shoppers:
        started, used = time.perf_counter(), time.thread_time()
        rows = search(shopper)
        cpu_ms.append(1_000 * (time.thread_time() - used))
        wall_ms.append(1_000 * (time.perf_counter() - started))
        found.append(set(rows.tolist()))
    figures = {
        "p50_ms": float(np.quantile(wall_ms, 0.5)),
        "p99_ms": float(np.quantile(wall_ms, 0.99)),
        "cpu_p50_ms": float(np.quantile(cpu_ms, 0.5)),
        "cpu_p99_ms": float(np.quantile(cpu_ms, 0.99)),
    }
    if true is not None:
        figures["recall"] = float(np.mean([len(one & other) / MOST for one, other in zip(found, true, strict=True)]))
    return {name: round(value, 3) for name, value in figures.items()}


def _seconds(work: Callable[[], object]) -> dict[str, float]:
    started, used = time.perf_counter(), time.process_time()
    work()
    return {
        "build_s": round(time.perf_counter() - started, 1),
        "build_cpu_s": round(time.process_time() - used, 1),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*map(int, sys.argv[1:3]))) + "\n")
