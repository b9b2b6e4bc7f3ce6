"""A made-up catalogue, and model versions for it, with vectors as trained ones lie: in clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recommender.features import ItemCatalogue
from recommender.model.artifact import Model
from recommender.model.description import tokens
from recommender.model.manifest import Manifest

DIMENSIONS = 64
_CATEGORIES = 200
_BRANDS = 500
_WORDS = 5_000
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
