"""What the simulated shop sells: categories with their words, prices and brands. Data only."""

from __future__ import annotations

from typing import NamedTuple


class Shelf(NamedTuple):
    """A leaf category."""

    path: tuple[str, str]
    code: str
    """Begins the ids of its items."""
    nouns: tuple[str, ...]
    cheapest_cents: int
    dearest_cents: int
    brands: tuple[str, ...]
    goes_with: tuple[str, ...]
    """Codes of the shelves whose items are bought along."""


STYLES: dict[str, tuple[str, ...]] = {
    "minimal": ("Plain", "Pure", "Slim"),
    "classic": ("Heritage", "Classic", "Fine"),
    "outdoor": ("Trail", "Alpine", "Storm"),
    "playful": ("Pop", "Bright", "Jolly"),
}
"""Style, which is also a tag, to the words it has in titles."""

COLOURS = ("Black", "White", "Grey", "Navy", "Forest", "Sand", "Rust", "Sky", "Plum", "Lemon", "Coral", "Olive")

_FASHION = ("Norvik", "Ostara", "Pell & Fay", "Kajo", "Merrow")
_SHOES = ("Norvik", "Strider", "Kajo", "Calla")
_HOME = ("Haldis", "Ostara", "Lumen Works", "Tarn", "Calla")
_ELECTRONICS = ("Voltis", "Aurio", "Lumen Works", "Keyforge")

SHELVES: tuple[Shelf, ...] = (
    Shelf(("Clothing", "T-shirts"), "tshirt", ("T-Shirt", "Tee", "Polo"), 900, 4_900, _FASHION, ("jacket", "sandal")),
    Shelf(("Clothing", "Jackets"), "jacket", ("Jacket", "Parka", "Windbreaker"), 4_900, 29_900, _FASHION, ("boot",)),
    Shelf(("Clothing", "Dresses"), "dress", ("Dress", "Skirt", "Jumpsuit"), 2_900, 15_900, _FASHION, ("sandal",)),
    Shelf(("Shoes", "Running"), "running", ("Running Shoe", "Racer"), 5_900, 21_900, _SHOES, ("tshirt", "headphone")),
    Shelf(("Shoes", "Boots"), "boot", ("Boot", "Chelsea Boot", "Hiking Boot"), 7_900, 27_900, _SHOES, ("jacket",)),
    Shelf(("Shoes", "Sandals"), "sandal", ("Sandal", "Slide"), 1_900, 9_900, _SHOES, ("dress", "tshirt")),
    Shelf(("Home", "Lamps"), "lamp", ("Desk Lamp", "Floor Lamp", "Pendant"), 1_900, 24_900, _HOME, ("bedding",)),
    Shelf(("Home", "Kitchen"), "kitchen", ("Pan", "Kettle", "Knife"), 1_500, 19_900, _HOME, ("lamp",)),
    Shelf(("Home", "Bedding"), "bedding", ("Duvet Cover", "Pillow", "Blanket"), 1_900, 17_900, _HOME, ("lamp",)),
    Shelf(
        ("Electronics", "Headphones"), "headphone", ("Headphones", "Earbuds"), 2_900, 39_900, _ELECTRONICS, ("charger",)
    ),
    Shelf(("Electronics", "Keyboards"), "keyboard", ("Keyboard",), 2_900, 22_900, _ELECTRONICS, ("lamp", "charger")),
    Shelf(
        ("Electronics", "Chargers"), "charger", ("Charger", "Power Bank"), 1_200, 8_900, _ELECTRONICS, ("headphone",)
    ),
)
"""All leaf categories, those most visited first."""
