"""How long the event loop is kept from its work while a new model is taken into service."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.rollback import shop
from recommender.model.registry import ModelRegistry
from recommender.serving.item_table import ItemTable
from recommender.serving.model_watch import ModelWatcher

ITEMS = 100_000
_NOT_TRAINED = 0.02
"""Share of items that are newer than the model."""
_SWAPS = 5
_TICK_S = 0.001
_SWITCH_INTERVAL_S = 0.0005
"""As in the API."""


def measure(items: int = ITEMS) -> dict[str, Any]:
    """Swap models of so many items; return how late the ticks of an event loop were meanwhile, and without a swap."""
    rows = shop.catalogue(items)
    table = ItemTable()
    for row in rows:
        table.put(row.item_id, row, None)
    trained = round(items * (1 - _NOT_TRAINED))
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        with tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as folder:
            registry = ModelRegistry(Path(folder))
            versions = []
            for seed in range(2):
                made = shop.model(table.ids[:trained], rows[:trained], seed)
                versions.append(registry.save(made))
                del made
            return asyncio.run(_swaps(table, registry, versions)) | {"items": items}
    finally:
        sys.setswitchinterval(before)


async def _swaps(table: ItemTable, registry: ModelRegistry, versions: list[str]) -> dict[str, Any]:
    watcher = ModelWatcher(table, registry)
    seconds, late, idle = [], [], []
    for number in range(_SWAPS + 1):
        await asyncio.to_thread(registry.activate, versions[number % len(versions)])
        idle.append(await _latest_tick(asyncio.sleep(0.5)))
        started = time.perf_counter()
        late.append(await _latest_tick(watcher.look()))
        seconds.append(time.perf_counter() - started)
    return {
        "event_loop_stall_ms_max": round(1_000 * max(late), 2),
        "event_loop_stall_ms": [round(1_000 * each, 2) for each in late],
        "event_loop_stall_ms_idle": [round(1_000 * each, 2) for each in idle],
        "seconds": [round(each, 3) for each in seconds],
    }


async def _latest_tick(work: Any) -> float:
    """Do some work, and return by how much the latest of the loop's ticks was late [s]."""
    task = asyncio.ensure_future(work)
    worst = 0.0
    while not task.done():
        due = time.perf_counter() + _TICK_S
        await asyncio.sleep(_TICK_S)
        worst = max(worst, time.perf_counter() - due)
    await task
    return worst


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))) + "\n")
