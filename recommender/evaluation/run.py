"""One evaluation, from the protocol to the report."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recommender.evaluation.contest import Contest
from recommender.evaluation.contract import Contestant, LeftOut
from recommender.evaluation.log import Progress
from recommender.evaluation.protocols import Protocol
from recommender.evaluation.report import Catalogue, Scoreboard
from recommender.evaluation.split import INTEREST, NothingToTest
from recommender.evaluation.trials import ALL, ask, describe_trials
from recommender.features.interaction import Interaction

Makers = Mapping[str, Callable[[Contest], Contestant]]


def evaluate(protocol: Protocol, makers: Makers, ks: list[int], seed: int, progress: Progress) -> dict[str, Any]:
    """Ask each contestant all questions of a protocol.

    A contestant that cannot take part, or fails, is under ``left_out`` with the reason.

    Raises:
        NothingToTest: there is nothing to ask.
    """
    train = protocol.split.train
    counts = Counter(event.item_id for event in train if isinstance(event, Interaction) and event.kind in INTEREST)
    progress("questions", 0.0)
    trials = describe_trials(protocol, frozenset(counts))
    if not trials.slices[ALL].any():
        raise NothingToTest(
            f"{protocol.name}: must find an event of a session or a user with an earlier one; got none (a session of "
            "one event, or of one instant, has none)"
        )
    scoreboard = Scoreboard(trials, Catalogue(counts), ks, seed)
    contest = Contest(protocol, seed)
    left_out: dict[str, str] = {}
    chosen: dict[str, Any] = {}
    for name, make in makers.items():
        try:
            contestant = make(contest)
            scoreboard.add(name, ask(contestant, protocol, trials, max(ks), progress))
            chosen[name] = dict(getattr(contestant, "chosen", {}))
        except LeftOut as reason:
            left_out[name] = str(reason)
        except Exception as error:  # what one method cannot do must not cost the figures of the others
            left_out[name] = f"{name}: failed with {type(error).__name__}: {error} ({_place(error)})"
    progress("figures", 0.0)
    models, best_baseline = scoreboard.finish()
    counted = trials.slices[ALL]
    return {
        "protocol": protocol.name,
        "new_items_only": protocol.new_items_only,
        "cut_us": protocol.split.cut_us,
        "seed": seed,
        "events": {"train": len(train), "test": len(protocol.split.test)},
        "items": len(counts),
        "queries": int(counted.sum()),
        "users": len(set(trials.clusters[counted].tolist())),
        "models": models,
        "parameters": chosen,
        "left_out": left_out,
        "best_baseline": best_baseline,
    }


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"
