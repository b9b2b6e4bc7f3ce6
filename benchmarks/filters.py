"""How long the costliest filters and searches take over a large item table.

``python -m benchmarks.filters --items 1000000`` builds a table in which all items have the same top category, the same
twenty tags and the same ten words, and prints milliseconds: asked the first time, and asked again with nothing kept.
A million items take some 5 GB and a minute or two.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from recommender.features import ItemCatalogue
from recommender.serving.filters import Masks, parse_filter
from recommender.serving.item_table import ItemTable

_NOW_US = 1_800_000_000_000_000
_DAY_MS = 86_400_000
_WORDS = " ".join(f"word{number}" for number in range(10))
_TAGS = [f"tag{number}" for number in range(20)]
_AGAIN = 3


def build(items: int) -> ItemTable:
    """Return a table of so many items."""
    table = ItemTable()
    for row in range(items):
        category, brand = f"All > C{row % 300} > D{row % 20_000}", f"B{row % 20_000}"
        listed_ms = _NOW_US // 1_000 - row % 1_000 * _DAY_MS // 2
        price, stock = row % 10_000, row % 300
        table.put(
            f"i{row}",
            ItemCatalogue(
                f"i{row}", _NOW_US, True, stock, price, "EUR", _WORDS, category, brand, _TAGS, "", "", listed_ms
            ),
            None,
        )
    return table


def filters() -> dict[str, str]:
    """Return filters at the limits of what is accepted, and some that a shop would write."""
    each = range(20)
    return {
        "one category": 'category in ["all"]',
        "20 categories, or": " or ".join(['category == "all"', *(f'category == "All > C{n}"' for n in each[1:])]),
        "20 categories, and not": " and ".join(f'category != "All > C{n}"' for n in each),
        "20 brands, and not": " and ".join(f'brand != "B{n}"' for n in each),
        "140 brands, in": "brand in [" + ",".join(f'"B{n}"' for n in range(140)) + "]",
        "20 tags, or": " or ".join(f'"tag{n}" in tags' for n in each),
        "20 tags, and not": " and ".join(f'"tag{n}" not in tags' for n in each),
        "20 prices, in": f"price in {list(each)}",
        "20 stocks, in": f"stock in {list(each)}",
        "20 ages, and": " and ".join(f"listed_days > {n}" for n in each),
        "one of each": 'category in ["All > C1"] and price < 50_00 and stock > 0 and "tag3" in tags and brand != "B5"',
    }


def timed(work: Callable[[], object]) -> float:
    """Return how long it takes [ms]."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--items", type=int, default=100_000)
    table = build(parser.parse_args().items)
    print(f"{'':24}{'first [ms]':>12}{'again [ms]':>12}")
    for name, text in filters().items():
        wanted = parse_filter(text)
        first, *again = [timed(lambda: Masks(table).allowed(wanted, _NOW_US)) for _ in range(1 + _AGAIN)]  # noqa: B023
        print(f"{name:24}{first:12.1f}{min(again):12.1f}")
    for query in (_WORDS.split()[0], _WORDS):
        first, *again = [timed(lambda: table.text.match(query)) for _ in range(1 + _AGAIN)]  # noqa: B023
        print(f"{f'search, {len(query.split())} words':24}{first:12.1f}{min(again):12.1f}")


if __name__ == "__main__":
    main()
