"""Who is killed when: drawn from a seed, so that a failing run can be had again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple

DATAFLOW, API, REDIS, BROKER = "dataflow", "api", "redis", "broker"
_AGAIN_SHARE = 0.15
"""How many kills of the dataflow follow upon one: they hit its start, when it takes its state up and reads again."""
_LONGEST_START_S = 9.0
_LONGEST_AIM_S = 2.0
_DRAIN_GAP_S = 1.0


class Kill(NamedTuple):
    """One kill -9 to come."""

    gap_s: float
    """Wait since the kill before."""
    target: str
    again: bool
    """Whatever the process does; otherwise once it is up and events are in flight."""
    aim_s: float
    """Wait since the process is as it has to be."""


def draw(seed: int, kills: Mapping[str, int], mean_gap_s: float) -> list[Kill]:
    """Return the kills of the replay, in random order at random distances."""
    chance = random.Random(f"kills {seed}")
    again = int(kills[DATAFLOW] * _AGAIN_SHARE)
    drawn = _draw(chance, {**kills, DATAFLOW: kills[DATAFLOW] - again}, mean_gap_s)
    for _ in range(again):
        places = [place for place, kill in enumerate(drawn, 1) if kill.target == DATAFLOW]
        drawn.insert(chance.choice(places), Kill(chance.uniform(0.5, _LONGEST_START_S), DATAFLOW, True, 0.0))
    return drawn


def draw_drain(seed: int, kills: Mapping[str, int]) -> list[Kill]:
    """Return the kills while a backlog drains: close together."""
    return _draw(random.Random(f"drain {seed}"), kills, _DRAIN_GAP_S)


def _draw(chance: random.Random, kills: Mapping[str, int], mean_gap_s: float) -> list[Kill]:
    targets = [target for target, count in kills.items() for _ in range(count)]
    chance.shuffle(targets)
    return [
        Kill(chance.uniform(0.1, 1.9) * mean_gap_s, target, False, chance.uniform(0.0, _LONGEST_AIM_S))
        for target in targets
    ]
