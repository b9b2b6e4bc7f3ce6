"""Features: for each view its row class, its state and its pure fold, in one file."""

from recommender.features.ageing import aged
from recommender.features.category import CategoryTrend
from recommender.features.interaction import Interaction, implicit_session, interaction
from recommender.features.item_activity import ItemActivity
from recommender.features.item_catalogue import ItemCatalogue
from recommender.features.row import Column, ColumnType, FeatureRow
from recommender.features.session import SessionFeatures
from recommender.features.user import UserFeatures
from recommender.features.user_items import UserItems
from recommender.features.user_purchases import UserPurchases

ROW_TYPES: tuple[type[FeatureRow], ...] = (
    SessionFeatures,
    UserFeatures,
    UserItems,
    UserPurchases,
    ItemCatalogue,
    ItemActivity,
    CategoryTrend,
)
"""Every feature view. The stream writes them, Feast registers them, validation and docs derive from them."""

__all__ = [
    "ROW_TYPES",
    "CategoryTrend",
    "Column",
    "ColumnType",
    "FeatureRow",
    "Interaction",
    "ItemActivity",
    "ItemCatalogue",
    "SessionFeatures",
    "UserFeatures",
    "UserItems",
    "UserPurchases",
    "aged",
    "implicit_session",
    "interaction",
]
