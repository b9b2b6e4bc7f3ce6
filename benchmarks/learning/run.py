"""Replays a log, real or simulated, with and without online updates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.learning import picture, real, simulated
from benchmarks.learning.shop import GrowingShop
from benchmarks.stream.place import machine
from benchmarks.stream.progress import Display
from recommender.evaluation.log import read_log
from recommender.evaluation.split import before_the_end, of_two_logs
from recommender.learning.growing import FitParameters
from recommender.learning.learner import EPOCHS


class Options(NamedTuple):
    """What to replay."""

    events: Path | None
    """A log; without one, a shop is simulated."""
    test: Path | None
    """What came after it."""
    holdout_us: int
    """Without such a file, what is cut off the end of the log [us]."""
    form: str
    users: int
    """Of the simulated shop, at its end [count]."""
    rate: float
    slates: int
    picture: Path | None
    seed: int


def run(options: Options, display: Display, result: dict[str, Any]) -> None:
    """Measure, and put the figures into the result.

    Raises:
        LoaderError: the files cannot be read.
        EmptyLog: there is no valid event in them.
        NothingToTest: the log cannot be parted.
    """
    fit = FitParameters(learning_rate=options.rate, epochs=EPOCHS)
    result.update({"learning": fit._asdict(), "seed": options.seed, "machine": machine()})
    if options.events is None:
        simulated.run(GrowingShop(options.seed), options.users, fit, options.seed, display, result)
    else:
        known = read_log(options.events, options.form, lambda *_: None).events
        if options.test is not None:
            split = of_two_logs(known, read_log(options.test, options.form, lambda *_: None).events)
        else:
            split = before_the_end(known, options.holdout_us)
        result["file"] = os.fspath(options.events.name)
        real.run(split.train, split.test, fit, options.seed, options.slates, display, result)
    if options.picture is not None:
        picture.draw(result, options.picture)
