"""Learning from a stream: tested before it is trained, judged against its parent."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recommender.events import ItemUpsert, utc_from_us
from recommender.features.interaction import Interaction
from recommender.learning.examples import ExampleMaker
from recommender.learning.growing import FitParameters
from recommender.learning.online import NotLearnable, OnlineModel
from recommender.learning.progressive import Progressive, Verdict
from recommender.model.artifact import read_content, read_gradients, read_model, write_model
from tests.learning import ITEMS, START_US, batches, blank_model, learning_model, visits


def upsert(item_id: str, time_us: int, **fields: object) -> ItemUpsert:
    return ItemUpsert(event_id=f"upsert {item_id}", event_time=utc_from_us(time_us), item_id=item_id, **fields)  # type: ignore[arg-type]


def view(number: int, item_id: str, time_us: int = START_US, **fields: Any) -> Interaction:
    given: dict[str, object] = {"event_id": f"e{number}", "kind": "view", "time_us": time_us, "session_id": "s"}
    return Interaction(**(given | {"item_id": item_id} | fields))  # type: ignore[arg-type]


def test_what_it_learns_makes_it_better_than_its_parent_and_the_parent_stays_as_it_is() -> None:
    model = learning_model()
    for batch in batches(model, visits(1_000)):
        model.learn(batch)
    learning, parent = model.progressive.figures()
    assert learning.hit_rate > 0.85 > 0.5 > parent.hit_rate
    assert learning.mrr > 2 * parent.mrr
    assert model.progressive.judge() is Verdict.GOOD
    frozen = OnlineModel(blank_model(), blank_model(), FitParameters())
    (batch, *_) = batches(frozen, visits(40, seed=9))
    np.testing.assert_array_equal(
        model.ranks([observed.example for observed in batch])[1], frozen.ranks([o.example for o in batch])[0]
    )


def test_a_batch_is_tested_before_it_is_trained_on() -> None:
    """An item that only this batch has cannot be known; were it trained first, it would be found."""
    model = learning_model(parameters=FitParameters(learning_rate=0.5, epochs=20))
    maker = ExampleMaker(100, model)
    made = [maker.take(view(number, "novelty", session_id=f"s{number}")) for number in range(50)]
    batch = [observed for observed in made if observed is not None]
    assert model.learn(batch)[:2] == (50, 50)
    assert model.progressive.figures()[0].hit_rate == 0.0
    assert (model.ranks([observed.example for observed in batch])[0] == 0).all(), "trained now"


def test_an_example_is_not_part_of_its_own_state_and_lines_of_one_order_know_each_other() -> None:
    maker = ExampleMaker(100, learning_model())
    first = maker.take(view(1, "item1"))
    second = maker.take(view(2, "item2", START_US + 1))
    lines = [
        maker.take(view(n, f"item{n}", START_US + 9, kind="purchase", order_id="o", price_cents=1)) for n in (3, 4)
    ]
    assert first is not None
    assert second is not None
    assert "recent=item1" not in first.example.state
    assert "recent=item1" in second.example.state
    assert "recent=item2" not in second.example.state
    states = [line.example.state for line in lines if line is not None]
    assert states[0] == states[1]
    assert "recent=item3" not in states[1]
    assert all(set(line.example.known) >= {"item1", "item2", "item3", "item4"} for line in lines if line is not None)
    assert maker.take(view(2, "item2", START_US + 1)) is None, "repeated"
    assert maker.take(view(8, "item2", START_US - 3_600_000_000)) is None, "late"


def test_a_new_item_has_the_vector_of_its_content_at_once_and_rows_of_its_own_once_it_is_met() -> None:
    model = learning_model()
    maker = ExampleMaker(1_000, model)
    maker.take(upsert("lamp", START_US, brand="Lux", category=("Home", "Lamps")))
    examples = [maker.take(view(n, "lamp", START_US + n, session_id=f"s{n}")) for n in range(30)]
    assert "lamp" not in model.model().item_ids
    model.learn([observed for observed in examples if observed is not None])
    maker.take(upsert("shade", START_US, brand="Lux", category=("Home", "Shades")))
    served = model.model()
    assert served.item_ids == [*blank_model().item_ids, "lamp", "shade"]
    assert {"item=lamp", "brand=Lux", "category=Home", "category=Home > Lamps"} <= set(served.item_features)
    assert "item=shade" not in served.item_features
    vector, bias, known = served.item_vector({"brand=Lux": 0.4, "category=Home": 0.5})
    assert known
    assert model.recall("shade") == ("Home > Shades", "Lux")
    shade = served.item_ids.index("shade")
    assert np.linalg.norm(served.item_vectors[shade]) > 0
    assert bias + served.item_biases[shade] != 0
    assert vector.shape == served.item_vectors[shade].shape


def test_what_events_tell_of_an_item_does_not_replace_what_the_model_knows_of_it() -> None:
    first = learning_model()
    maker = ExampleMaker(100, first)
    maker.take(upsert("item1", START_US, brand="Lux", title="a red lamp", category=("Home",)))
    sold = maker.take(view(0, "item1"))
    assert sold is not None
    first.learn([sold])
    served = first.model()
    later = OnlineModel(served, served, FitParameters())
    begun = ExampleMaker(100, later)
    begun.take(view(1, "item1", category="Elsewhere"))
    seen = begun.take(view(2, "item2", START_US + 1))
    assert later.recall("item1") == ("Home", "Lux")
    assert seen is not None
    assert seen.example.state["browsed=Elsewhere"] > 0
    begun.take(view(3, "item1", START_US + 2, session_id="t"))
    seen = begun.take(view(4, "item2", START_US + 3, session_id="t"))
    assert seen is not None
    assert seen.example.state["browsed=Home"] > 0, "the model remembers what the event did not say"
    np.testing.assert_array_equal(later.model().item_vectors[1], served.item_vectors[1])


def test_a_learned_version_is_read_back_and_learns_on_as_if_nothing_had_been_between(tmp_path: Path) -> None:
    one = learning_model()
    events = list(visits(400, known=True))
    made = list(batches(one, iter(events)))
    for batch in made[:5]:
        one.learn(batch)
    saved = one.model()
    saved.manifest.version = "v"
    write_model(saved, tmp_path / "v")
    read = read_model(tmp_path / "v")
    read.gradients, read.content = read_gradients(tmp_path / "v"), read_content(tmp_path / "v")
    other = OnlineModel(read, blank_model(), one.parameters)
    np.testing.assert_array_equal(one.growing.shoppers.embeddings, other.growing.shoppers.embeddings)
    assert one.growing.shoppers.names == other.growing.shoppers.names
    np.testing.assert_allclose(one.growing.item_vectors()[0], other.growing.item_vectors()[0], atol=1e-6)
    examples = [observed.example for observed in made[5]]
    for mine, theirs in zip(one.ranks(examples), other.ranks(examples), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    other.learn(made[5])
    assert other.progressive.tested == 200


def test_a_version_without_what_learning_needs_is_refused() -> None:
    bare, other = blank_model(), blank_model()
    bare.gradients = None
    with pytest.raises(NotLearnable, match="must be kept with its gradients and content"):
        OnlineModel(bare, bare, FitParameters())
    other.item_ids = other.item_ids[::-1]
    with pytest.raises(NotLearnable, match="must begin with the features and items of"):
        OnlineModel(blank_model(), other, FitParameters())


def test_poison_is_seen_and_its_absence_is_not_taken_for_it() -> None:
    """A trained model is fed shoppers whose next items are drawn anew for each batch: whatever it learns is wrong."""
    trained = learning_model()
    for batch in batches(trained, visits(1_000)):
        trained.learn(batch)
    start = trained.model()
    model = learning_model(start, FitParameters(learning_rate=0.3, epochs=10))
    verdicts, shuffled = [], random.Random(5)
    for number, batch in enumerate(batches(model, visits(2_000, seed=2))):
        model.learn(batch)
        assert model.progressive.judge() is not Verdict.WORSE, f"batch {number} of good examples"
    poisoned = learning_model(start, FitParameters(learning_rate=0.3, epochs=10))
    for batch in batches(poisoned, visits(400, seed=3)):
        items = [observed.example.item_id for observed in batch]
        shuffled.shuffle(items)
        poisoned.learn([])
        poisoned.learn(batch)  # what is true is tested, then trained; and beside it what is not
        wrong = [o._replace(example=o.example._replace(item_id=i)) for o, i in zip(batch, items, strict=True)]
        poisoned.growing.fit([observed.example for observed in wrong] * 3, poisoned.parameters)
        verdicts.append(poisoned.progressive.judge())
    assert Verdict.WORSE in verdicts


def test_noise_is_never_called_worse() -> None:
    """Ranks of two models that are equally good, in thousands of batches, each shopper with several examples."""
    random_ = np.random.default_rng(1)
    progressive = Progressive()
    for batch in range(3_000):
        shoppers = np.repeat(np.arange(50) + 50 * batch, 4)
        taste = np.repeat(random_.integers(0, 40, 50), 4)
        ranks = [np.maximum(taste + random_.integers(-9, 10, 200), 0).astype(float) for _ in range(2)]
        progressive.add(ranks[0], ranks[1], shoppers)
        assert progressive.judge() is not Verdict.WORSE, f"batch {batch}"


def test_what_is_a_little_worse_is_seen_by_the_large_window_and_a_few_shoppers_are_not_judged() -> None:
    random_ = np.random.default_rng(1)
    progressive, few = Progressive(), Progressive()
    for batch in range(40):
        parent = random_.integers(0, 40, 200).astype(float)
        progressive.add(parent + random_.integers(0, 4, 200), parent, np.arange(200) + 200 * batch)
        few.add(parent + 20, parent, np.arange(200) % 20)
    assert progressive.judge() is Verdict.WORSE
    assert few.judge() is Verdict.GOOD


def test_examples_of_one_shopper_count_as_one_witness() -> None:
    """All that is worse comes from one shopper of forty."""
    progressive = Progressive()
    shoppers = np.concatenate([np.zeros(161, np.int64), np.arange(1, 40)])
    learning = np.where(shoppers == 0, 30.0, 3.0)
    progressive.add(learning, np.full(200, 3.0), shoppers)
    found = progressive.difference(600)
    assert (found.shoppers, round(found.errors, 3)) == (40, -1.0)
    assert progressive.judge() is Verdict.GOOD


def test_figures_fade_and_before_the_first_test_there_are_none() -> None:
    progressive = Progressive()
    assert progressive.figures() == ((0.0, 0.0), (0.0, 0.0))
    ones = np.zeros(2_000)
    progressive.add(ones, ones + 99, np.arange(2_000))
    assert progressive.figures() == ((1.0, 1.0), (0.0, 0.0))
    progressive.add(ones + 99, ones, np.arange(2_000))
    learning, parent = progressive.figures()
    assert (round(learning.hit_rate, 3), round(parent.hit_rate, 3)) == (0.333, 0.667)


def test_shoppers_not_seen_for_longest_are_forgotten() -> None:
    maker = ExampleMaker(50, learning_model())
    for number in range(130):
        maker.take(view(number, f"item{number % ITEMS}", START_US + number, session_id=f"s{number}"))
    assert not maker.memory.shopper("", "s3", START_US + 200).sessions
    assert maker.memory.shopper("", "s129", START_US + 200).sessions
