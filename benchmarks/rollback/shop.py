"""A made-up catalogue, and model versions for it, with vectors as trained ones lie: in clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recommender.features import ItemActivity, ItemCatalogue, SessionFeatures
from recommender.model.artifact import Model
from recommender.model.description import tokens
from recommender.model.links import Links
from recommender.model.manifest import Manifest
from recommender.model.parts import Parts
from recommender.model.visits import Visits

DIMENSIONS = 64
_CATEGORIES = 200
_BRANDS = 500
_WORDS = 5_000
_NEIGHBOURS = 20
_VISITS_PER_ITEM = 10
_LINKS = 50
_SPREAD = 0.5
"""Distance of items from the middle of their category, which is at a distance of 1 from the origin."""


def item_ids(items: int) -> list[str]:
    """Return the ids of the items."""
    return [f"item-{number:07d}" for number in range(items)]


def catalogue(items: int, seed: int = 0) -> list[ItemCatalogue]:
    """Describe the items."""
    rng = np.random.default_rng(seed)
    words = rng.integers(_WORDS, size=(items, 4)).tolist()
    prices = rng.integers(100, 50_000, items).tolist()
    return [
        ItemCatalogue(
            item_id=item_id,
            feature_time_us=1_000_000 + place,
            available=True,
            stock=-1,
            price_cents=prices[place],
            currency="EUR",
            title=" ".join(f"word{number}" for number in words[place]),
            category=category_of(place),
            brand=f"brand{place % _BRANDS}",
            tags=[],
            image_url="",
            page_url="",
            listed_at_ms=0,
        )
        for place, item_id in enumerate(item_ids(items))
    ]


def category_of(place: int) -> str:
    """Return the category of an item, two levels."""
    number = place % _CATEGORIES
    return f"group{number % 20} > category{number}"


def activity(items: int, feature_time_us: int, seed: int = 0) -> list[ItemActivity]:
    """Return what the items' activity looks like: neighbours of the same category, interest that falls off."""
    rng = np.random.default_rng(seed)
    ids = item_ids(items)
    pairs = sorted((float(score) for score in rng.gamma(2.0, 2.0, _NEIGHBOURS)), reverse=True)
    near = (np.arange(items)[:, None] + _CATEGORIES * rng.integers(1, 50, (items, _NEIGHBOURS))) % items
    return [
        ItemActivity(
            item_id=item_id,
            feature_time_us=feature_time_us,
            views_5m=0,
            views_1h=0,
            views_24h=0,
            carts_5m=0,
            carts_1h=0,
            carts_24h=0,
            purchases_5m=0,
            purchases_1h=0,
            purchases_24h=0,
            conversion_24h_ratio=0.0,
            trend_score=100.0 / (1 + place),
            popularity_score=1_000.0 / (1 + place),
            also_viewed=(found := [ids[row] for row in dict.fromkeys(near[place].tolist())]),
            also_viewed_scores=pairs[: len(found)],
            also_bought=[],
            also_bought_scores=[],
            panes=[],
        )
        for place, item_id in enumerate(ids)
    ]


def sessions(count: int, items: int, now_us: int, seed: int = 0) -> list[SessionFeatures]:
    """Return sessions that have just looked at five items of one category."""
    rng = np.random.default_rng(seed)
    ids, at_ms = item_ids(items), now_us // 1_000
    found = []
    for number, first in enumerate(rng.integers(items, size=count).tolist()):
        places = [(first + _CATEGORIES * step) % items for step in range(5)]
        found.append(
            SessionFeatures(
                session_id=session_id(number),
                feature_time_us=now_us,
                user_id="",
                started_at_ms=at_ms - 60_000,
                duration_s=60.0,
                events=5,
                views=5,
                distinct_categories=1,
                recent_items=[ids[place] for place in places],
                recent_item_at_ms=[at_ms - 1_000 * step for step in range(5)],
                recent_categories=[category_of(place) for place in places],
                recent_queries=[],
                cart_items=[],
                device="mobile",
                country="",
            )
        )
    return found


def session_id(number: int) -> str:
    """Return the id of a session."""
    return f"session-{number:06d}"


def model(ids: Sequence[str], described: Sequence[ItemCatalogue], seed: int) -> Model:
    """Return a model that has been trained on some items; another seed gives another one of the same kind."""
    rng = np.random.default_rng(seed)
    vectors = clustered(len(ids), DIMENSIONS, _CATEGORIES, rng)
    features = sorted({feature for row in described for feature in _features(row)})
    return Model(
        item_ids=ids,
        item_vectors=vectors,
        item_biases=rng.normal(0.0, 0.3, len(ids)).astype(np.float32),
        shopper_features=[f"recent={item_id}" for item_id in ids],
        shopper_embeddings=(vectors + rng.normal(0.0, 0.2, vectors.shape)).astype(np.float32),
        item_features=features,
        item_embeddings=rng.normal(0.0, 0.1, (len(features), DIMENSIONS)).astype(np.float32),
        item_feature_biases=np.zeros(len(features), np.float32),
        parts=_parts(len(ids), rng),
        manifest=Manifest(
            data_from="",
            data_to="",
            events=0,
            examples=0,
            users=0,
            items=len(ids),
            features=len(ids) + len(features),
            epochs=0,
            seconds=0.0,
            metrics={},
            baselines={},
            parameters={"seed": seed},
            feature_service="",
            feature_views=[],
        ),
    )


def _parts(items: int, rng: np.random.Generator) -> Parts:
    """Return visits of items of one category, and as many links of each item as trained models have."""
    first = np.repeat(rng.integers(items, size=_VISITS_PER_ITEM * items // 5), 5)
    steps = rng.integers(1, 30, len(first))
    met = (first + _CATEGORIES * steps) % items
    visits = Visits.of_events(np.repeat(np.arange(len(first) // 5), 5), met, np.arange(len(first)), 20)
    near = (np.arange(items)[:, None] + _CATEGORIES * np.arange(1, _LINKS + 1)) % items
    weights = rng.random(near.size, np.float32)
    links = Links(np.arange(items + 1, dtype=np.int64) * _LINKS, near.ravel().astype(np.int32), weights)
    return Parts(visits=visits, followers=links, linear=links)


def clustered(
    rows: int, dimensions: int, clusters: int, rng: np.random.Generator, spread: float = _SPREAD
) -> npt.NDArray[np.float32]:
    """Return vectors around the middles of clusters, row after row in another cluster."""
    middles = rng.normal(0.0, dimensions**-0.5, (clusters, dimensions)).astype(np.float32)
    vectors = rng.standard_normal((rows, dimensions), np.float32)
    vectors *= spread * dimensions**-0.5
    vectors += middles[np.arange(rows) % clusters]
    return vectors


def _features(row: ItemCatalogue) -> list[str]:
    return [f"category={row.category}", f"brand={row.brand}", *(f"title={word}" for word in tokens(row.title))]
