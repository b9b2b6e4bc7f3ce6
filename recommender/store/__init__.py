"""The feature store: Feast on Redis, behind the row classes. Feast itself is loaded when a store is opened."""

from recommender.store.features import FeastFeatures, Shopper

__all__ = ["FeastFeatures", "Shopper"]
