"""Training: sources on the past, the ranker on what came after it, figures on what came after that, then all anew.

The events are split in time. Sources are fitted on the first part. On the second, validation part, training of the
embeddings is stopped, the linear model's regularisation is chosen, and the ranker learns to weigh what the sources say.
The third part gives the figures. The version to be served has its sources fitted on all of it, and the ranker as it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from recommender.events import utc_from_us
from recommender.features import SessionFeatures, UserFeatures, UserItems, UserPurchases
from recommender.features.memory import ItemRows
from recommender.model.artifact import Model
from recommender.model.description import Description, describe_item, describe_shopper
from recommender.model.manifest import Manifest
from recommender.model.ranker import Ranker
from recommender.training.asking import DAY_US, Asking, sample
from recommender.training.baselines import baseline_metrics
from recommender.training.dataset import LEAST_EVENTS, LEAST_ITEMS, Targets, TooLittleHistory, TrainingSource
from recommender.training.embeddings import Embeddings, Examples, Fit
from recommender.training.encoding import encode
from recommender.training.evaluation import Ranks, metrics, ndcg
from recommender.training.linear import choose_l2
from recommender.training.parameters import TrainingParameters
from recommender.training.questions import TEST_LENGTH, Question, learn_ranker, ranks, table_of
from recommender.training.sources import fit_parts, put_together

FEATURE_SERVICE = "shopper_v1"
"""The feature service whose views a model reads, at training and when it serves."""

Numbers = npt.NDArray[np.int64]
Progress = Callable[[str, int, int], None]
"""Is told the stage, how much is done and the most there can be."""


class Split(NamedTuple):
    """Numbers of the events of each part, in order of time; all of one instant are in the same part."""

    fitted: Numbers
    validation: Numbers
    test: Numbers


class Prepared(NamedTuple):
    """What is trained on."""

    targets: Targets
    examples: Examples
    numbers: Numbers
    """Of each example, the number of its event; fewer than events where an even sample was taken."""
    item_ids: list[str]
    questions: list[Question]
    """Of the validation part, in order of time."""
    tests: list[Question]


OnTest = Callable[[list[ItemRows], list[Question], Ranks], None]
"""Is given the items as of the end of the fitted part, the questions of the test part, and where the right answers
stood."""


class _Found(NamedTuple):
    """What the held-out parts have told."""

    epochs: int
    l2: float
    ranker: Ranker | None
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]
    tested: int = 0


def train_model(
    source: TrainingSource,
    parameters: TrainingParameters,
    progress: Progress,
    *,
    git_revision: str | None = None,
    on_test: OnTest | None = None,
) -> Model:
    """Train on a source, and return the model.

    Raises:
        TooLittleHistory: there are too few events, or they are about one item only.
    """
    start = time.monotonic()
    progress("read events", 0, 1)
    targets = source.targets()
    distinct = len(np.unique(targets.items))
    if len(targets) < LEAST_EVENTS or distinct < LEAST_ITEMS:
        raise TooLittleHistory(
            f"train: the history must hold at least {LEAST_EVENTS} events about at least {LEAST_ITEMS} items; "
            f"got {len(targets)} events about {distinct} items"
        )
    progress("read events", 1, 1)
    split = split_by_time(targets.times_us, parameters)
    data = _prepare(source, targets, split, parameters, progress)
    found = _Found(parameters.most_epochs, parameters.linear_l2[0], None, {}, {})
    if len(split.fitted) and len(split.validation):
        found = _search(source, data, split, parameters, progress, on_test)
    final = Fit(data.examples, np.arange(len(data.numbers)), parameters)
    for epoch in range(1, found.epochs + 1):
        final.run_epoch()
        progress("train", epoch, found.epochs)
    embeddings = final.embeddings()
    progress("fit all links", 0, 1)
    parts = fit_parts(targets, np.arange(len(targets)), len(data.item_ids), found.l2, found.ranker)
    progress("fit all links", 1, 1)
    manifest = _manifest(data, parameters, found, embeddings, time.monotonic() - start, git_revision)
    return put_together(data.item_ids, embeddings, parts, manifest)


def _search(
    source: TrainingSource,
    data: Prepared,
    split: Split,
    parameters: TrainingParameters,
    progress: Progress,
    on_test: OnTest | None,
) -> _Found:
    """Fit the sources on the first part, choose and learn to rank on the second, take the figures from the third."""
    targets, n_items = data.targets, len(data.item_ids)
    epochs, embeddings = _fit_embeddings(data, split, parameters, progress)
    progress("fit links", 0, 1)
    l2 = choose_l2(targets, split.fitted, split.validation, n_items, parameters)
    found = _Found(epochs, l2, None, {}, {})
    parts = fit_parts(targets, split.fitted, n_items, l2, None)
    manifest = _manifest(data, parameters, found, embeddings, 0.0, None)
    model = put_together(data.item_ids, embeddings, parts, manifest)
    items = source.items(int(targets.times_us[split.fitted[-1]]))
    table = table_of(items, model)
    progress("fit links", 1, 1)
    threads = parameters.threads or os.cpu_count() or 1
    ranker = learn_ranker(
        table, data.questions, parameters, threads, lambda done, most: progress("learn to rank", done, most)
    )
    if not data.tests:
        return found._replace(ranker=ranker)
    model.parts = model.parts._replace(ranker=ranker)
    progress("test", 0, 1)
    places = ranks(table, data.tests, TEST_LENGTH)
    if on_test is not None:
        on_test(items, data.tests, places)
    baselines = baseline_metrics(targets, np.r_[split.fitted, split.validation], data.tests)
    progress("test", 1, 1)
    return _Found(epochs, l2, ranker, metrics(places), baselines, len(data.tests))


def split_by_time(times_us: Numbers, parameters: TrainingParameters) -> Split:
    """Split events, given in order of time: by shares of their number, or by the horizon that is to be foreseen."""
    last = len(times_us) - 1
    test_from = validate_from = int(times_us[-1]) + 1
    horizon_us = round(parameters.horizon_days * DAY_US)
    if horizon_us:
        test_from -= horizon_us if parameters.test_ratio else 0
        validate_from = test_from - (horizon_us if parameters.validation_ratio else 0)
    elif parameters.test_ratio or parameters.validation_ratio:
        test_from = int(times_us[int(last * (1 - parameters.test_ratio))]) if parameters.test_ratio else test_from
        validate_from = int(times_us[int(last * (1 - parameters.test_ratio - parameters.validation_ratio))])
    first, second = np.searchsorted(times_us, [validate_from, test_from])
    numbers = np.arange(len(times_us))
    return Split(numbers[:first], numbers[first:second], numbers[second:])


def _prepare(
    source: TrainingSource, targets: Targets, split: Split, parameters: TrainingParameters, progress: Progress
) -> Prepared:
    numbers = np.arange(len(targets))
    if len(numbers) > parameters.most_examples:
        numbers = np.linspace(0, len(numbers) - 1, parameters.most_examples).round().astype(np.int64)
    asking = Asking(targets, parameters)
    for_ranker = asking.about(split.validation, parameters.ranker_questions)
    for_test = asking.about(split.test, parameters.test_examples)
    firsts, places = targets.moments(numbers)
    asked = {number: ("questions", asked) for number, asked in for_ranker.items()}
    asked |= {number: ("tests", about) for number, about in for_test.items()}
    wanted, where = np.unique(np.r_[firsts, np.fromiter(asked, np.int64, len(asked))], return_inverse=True)
    of_example = np.zeros(len(wanted), bool)
    of_example[where[: len(firsts)]] = True
    kept: dict[str, list[Question]] = {"questions": [], "tests": []}

    def descriptions() -> Iterator[Description]:
        progress("describe shoppers", 0, len(wanted))
        for done, (number, shopper) in enumerate(zip(wanted.tolist(), source.shoppers(wanted), strict=True), 1):
            if done % 1_000 == 0 or done == len(wanted):
                progress("describe shoppers", done, len(wanted))
            now_us = int(targets.times_us[number])
            device = targets.device_names[targets.devices[number]]
            country = targets.country_names[targets.countries[number]]
            if number in asked:
                part, about = asked[number]
                kept[part].append(Question(shopper, about.now_us, device, country, about.answers))
            if of_example[done - 1]:
                yield describe_shopper(shopper, now_us=now_us, device=device, country=country)

    states = encode(descriptions())
    content = {rows.item_id: rows.catalogue for rows in source.items(int(targets.times_us[-1]))}
    item_ids = targets.item_ids
    items = encode(
        describe_item(item_id, about.category, about.brand, about.price_cents, about.title, about.tags)
        if (about := content.get(item_id))
        else describe_item(item_id, "", "", -1, "", [])
        for item_id in item_ids
    )
    examples = Examples(states, items, places, targets.items[numbers], targets.weights[numbers])
    return Prepared(targets, examples, numbers, item_ids, kept["questions"], kept["tests"])


def _fit_embeddings(
    data: Prepared, split: Split, parameters: TrainingParameters, progress: Progress
) -> tuple[int, Embeddings]:
    """Return the number of epochs after which the validation part is ranked best, and what was learned by then."""
    fitted = np.flatnonzero(data.numbers <= split.fitted[-1])
    inside = (data.numbers >= split.validation[0]) & (data.numbers <= split.validation[-1])
    validation = sample(np.flatnonzero(inside), parameters.validation_examples, parameters.seed)
    fit = Fit(data.examples, fitted, parameters)
    quality, epochs, best = -1.0, 0, None
    for epoch in range(1, parameters.most_epochs + 1):
        fit.run_epoch()
        progress("validate", epoch, parameters.most_epochs)
        if epoch % parameters.epochs_per_validation and epoch < parameters.most_epochs:
            continue
        found = fit.embeddings()
        found_quality = ndcg(fit.ranks(validation, found), 20)
        if best is None or found_quality > quality:
            quality, epochs, best = found_quality, epoch, found
        elif epoch >= epochs + parameters.patience:
            break
    return epochs, best or fit.embeddings()


def _manifest(
    data: Prepared,
    parameters: TrainingParameters,
    found: _Found,
    embeddings: Embeddings,
    seconds: float,
    git_revision: str | None,
) -> Manifest:
    targets = data.targets
    return Manifest(
        data_from=utc_from_us(int(targets.times_us[0])).isoformat(),
        data_to=utc_from_us(int(targets.times_us[-1])).isoformat(),
        events=len(targets),
        examples=len(data.numbers),
        users=int((np.unique(targets.users) >= 0).sum()),
        items=len(data.item_ids),
        features=len(embeddings.shopper_features) + len(embeddings.item_features),
        epochs=found.epochs,
        seconds=round(seconds, 1),
        metrics=found.metrics,
        tested=found.tested,
        baselines=found.baselines,
        parameters=msgspec.to_builtins(parameters) | {"l2": found.l2},
        feature_service=FEATURE_SERVICE,
        feature_views=[row.view for row in (SessionFeatures, UserFeatures, UserItems, UserPurchases)],
        git_revision=git_revision,
    )
