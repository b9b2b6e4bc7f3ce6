"""What a model must beat: rankings that need no learning."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recommender.training.dataset import Targets
from recommender.training.evaluation import metrics
from recommender.training.questions import Question
from recommender.training.sources import visit_numbers

_LENGTH = 20


def baseline_metrics(
    targets: Targets, known: npt.NDArray[np.int64], asked: Sequence[Question]
) -> dict[str, dict[str, float]]:
    """Return the figures of each baseline on questions, of which it knows the events ``known`` before them.

    ``popularity`` ranks items by their events, ``recent_items`` those that the shopper looked at lately, the latest
    first, and ``next_item`` those that most often came right after the latest one in a visit.
    """
    ids = targets.item_ids
    counts = np.bincount(targets.items[known], minlength=len(ids))
    popular = [ids[item] for item in np.argsort(-counts, kind="stable")[:_LENGTH].tolist()]
    visits = visit_numbers(targets, known)
    order = np.lexsort((known, visits))
    items, visits = targets.items[known][order], visits[order]
    same = visits[1:] == visits[:-1]
    after: dict[int, Counter[int]] = defaultdict(Counter)
    for item, following in zip(items[:-1][same].tolist(), items[1:][same].tolist(), strict=True):
        after[item][following] += 1
    best = {ids[item]: [ids[other] for other, _ in found.most_common(_LENGTH)] for item, found in after.items()}
    recent = [_recent(question) for question in asked]
    lists = {
        "popularity": [popular] * len(asked),
        "recent_items": recent,
        "next_item": [best.get(items[0], []) if items else [] for items in recent],
    }
    return {name: metrics(_ranks(ranked, asked)) for name, ranked in lists.items()}


def _recent(question: Question) -> list[str]:
    looks = [
        (-at_ms, item_id)
        for session in question.shopper.sessions
        for at_ms, item_id in zip(session.recent_item_at_ms, session.recent_items, strict=True)
    ]
    return list(dict.fromkeys(item_id for _, item_id in sorted(looks)))


def _ranks(lists: Sequence[Sequence[str]], asked: Sequence[Question]) -> npt.NDArray[np.float64]:
    found = np.full(len(asked), np.inf)
    for number, (ranked, question) in enumerate(zip(lists, asked, strict=True)):
        found[number] = next((place for place, item in enumerate(ranked) if item in question.answers), np.inf)
    return found
