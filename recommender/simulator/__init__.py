"""A simulated shop: items, shoppers with tastes, and what they do, as events. For demonstrations and load.

Everything follows from a seed and a clock that are given; only the runner (``python -m recommender.simulator``)
knows about HTTP and about the time it is.
"""

from recommender.simulator.catalogue import ShopItem, make_catalogue
from recommender.simulator.shopper import Shopper, make_shopper
from recommender.simulator.simulation import Simulation
from recommender.simulator.steps import Happening, Slate, SlateWanted

__all__ = [
    "Happening",
    "ShopItem",
    "Shopper",
    "Simulation",
    "Slate",
    "SlateWanted",
    "make_catalogue",
    "make_shopper",
]
