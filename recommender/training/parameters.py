"""How to train."""

from __future__ import annotations

from typing import Annotated

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
Ratio = Annotated[float, msgspec.Meta(ge=0.0, le=0.4)]
Regularisation = Annotated[float, msgspec.Meta(gt=0.0, le=1e9)]


class TrainingParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The defaults were chosen on validation parts, see docs/model.md."""

    embedding_size: Annotated[int, msgspec.Meta(ge=1, le=1_024)] = 64
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=10)] = 0.05
    max_sampled: Positive = 30
    """Negatives that WARP tries for each example."""
    most_epochs: Positive = 40
    """The number taken where the history spans too few instants to validate."""
    patience: Positive = 6
    """Epochs without a better validation before training stops."""
    epochs_per_validation: Positive = 2
    least_count: Positive = 2
    """States that a feature must be part of to get an embedding; features of items are kept from 1 on."""
    most_examples: Positive = 1_000_000
    validation_examples: Positive = 2_000
    """Most examples looked at after each epoch."""
    ranker_questions: Annotated[int, msgspec.Meta(ge=0)] = 6_000
    """Most states of the validation part that the ranker learns from; 0 for a model without a ranker."""
    test_examples: Annotated[int, msgspec.Meta(ge=0)] = 3_000
    """Most examples that the figures are taken from."""
    horizon_days: Annotated[float, msgspec.Meta(ge=0, le=3_650)] = 0.0
    """What the ranker is to foresee: 0 for what a shopper looks at next, else what known users buy within so many days
    (or look at, in a shop without purchases)."""
    validation_ratio: Ratio = 0.15
    test_ratio: Ratio = 0.1
    linear_l2: Annotated[tuple[Regularisation, ...], msgspec.Meta(min_length=1)] = (20.0, 100.0, 500.0)
    """Regularisations of the linear model that are tried."""
    margin: Ratio = 0.05
    """How much worse than the current version, relative to it, the new one may be to become current."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 1
    threads: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    """0 for one per processor. With 1 the result is the same each time; with more, threads race."""
