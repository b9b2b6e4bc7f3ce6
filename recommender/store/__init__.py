"""The feature store: Feast on Redis, behind the row classes. Feast itself is loaded when a store is opened."""

from recommender.features.shopper import Shopper
from recommender.store.features import FeastFeatures

__all__ = ["FeastFeatures", "Shopper"]
