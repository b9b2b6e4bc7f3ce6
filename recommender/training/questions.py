"""Questions for the ranker: states of shoppers, the candidates that serving would have had, and which were right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.features.memory import ItemRows
from recommender.features.shopper import Shopper
from recommender.model.artifact import Model
from recommender.model.ranker import Ranker, fit_ranker
from recommender.serving.gathering import gather
from recommender.serving.interest import interest
from recommender.serving.item_table import ItemTable
from recommender.serving.item_vectors import ItemVectors
from recommender.serving.matrix import FEATURES, candidate_matrix
from recommender.serving.recommender import recommend
from recommender.serving.request import SlateRequest
from recommender.training.parameters import TrainingParameters

Floats = npt.NDArray[np.float32]

HORIZON_FOLDS = 5
LEAST_QUESTIONS = 50
"""Below this many questions with a right candidate there is nothing to learn."""
TEST_LENGTH = 20
"""Length of the slates that the figures are taken from."""


class Question(NamedTuple):
    """A shopper of one instant, and the items that came next."""

    shopper: Shopper
    now_us: int
    device: str
    country: str
    answers: frozenset[str]


def table_of(items: Sequence[ItemRows], model: Model) -> ItemTable:
    """Return an item table as serving would have it with these rows and this model."""
    table = ItemTable()
    for rows in items:
        table.put(*rows)
    vectors = ItemVectors(model)
    vectors.put_all(table.ids, table.catalogue)
    table.adopt(vectors, table.content_version)
    return table


def learn_ranker(
    table: ItemTable,
    questions: Sequence[Question],
    parameters: TrainingParameters,
    threads: int,
    progress: Callable[[int, int], None],
) -> Ranker | None:
    """Learn from questions in order of time; the last quarter tells when to stop. None where there are too few.

    Questions of one instant, about what comes within a horizon, tell it of one another in turns.
    """
    found: list[tuple[Floats, Floats]] = []
    for number, question in enumerate(questions, 1):
        progress(number, len(questions))
        request = SlateRequest(device=question.device, country=question.country)
        wishes = interest(question.shopper)
        candidates, vector = gather(table, request, question.shopper, wishes, None, question.now_us)
        matrix = candidate_matrix(table, wishes, question.shopper.sessions, candidates, vector, question.now_us)
        right = np.isin(matrix.rows, table.rows_of(question.answers))
        if right.any():
            found.append((matrix.values, right.astype(np.float32)))
    if len(found) * 3 // 4 < LEAST_QUESTIONS:
        return None
    folds = 1
    if parameters.horizon_days:  # all were asked at one instant, so their order says nothing of time
        found = [found[place] for place in np.random.default_rng(parameters.seed).permutation(len(found))]
        folds = HORIZON_FOLDS
    return fit_ranker(FEATURES, found, folds, seed=parameters.seed, threads=threads)


def ranks(table: ItemTable, questions: Sequence[Question], k: int) -> npt.NDArray[np.float64]:
    """Return the 0-based place of the first right answer in the slate of each question; infinite beyond ``k``."""
    found = np.full(len(questions), np.inf)
    for number, question in enumerate(questions):
        request = SlateRequest(n=k, device=question.device, country=question.country)
        slate = recommend(table, request, question.shopper, now_us=question.now_us)
        for place, entry in enumerate(slate.items):
            if table.ids[entry.row] in question.answers:
                found[number] = place
                break
    return found
