"""What a book names and no item has: most often a slip of the pen, and then a rule that holds for nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice

from recommender.serving.filters import named_texts, parse_filter
from recommender.serving.item_table import ItemTable
from recommender.serving.surfaces.book import Book

_MOST_TOLD = 20
_MOST_ASKED = 1_000
_ASK_EVERY_S = 60.0


class NameCheck:
    """Looks for unknown names whenever another book is in service, and else once a minute.

    Args:
        table: what is known; an item that comes or goes is heeded within a minute.
        clock: seconds on any scale.
    """

    def __init__(self, table: ItemTable, clock: Callable[[], float] = time.monotonic) -> None:
        self._table = table
        self._clock = clock
        self._asked: tuple[str, float] | None = None
        self._found: list[str] = []

    def unknown(self, book: Book) -> list[str]:
        """Return what `unknown_names` found lately."""
        now_s = self._clock()
        if self._asked is None or self._asked[0] != book.fingerprint or now_s - self._asked[1] >= _ASK_EVERY_S:
            self._asked = (book.fingerprint, now_s)
            self._found = unknown_names(book, self._table)
        return self._found


def unknown_names(book: Book, table: ItemTable) -> list[str]:
    """Return a sentence for each pin of an unknown item, and for each text of a filter that no item has.

    It looks at the first 1,000 names and tells the first 20, so that it takes no time that a request would notice.
    """
    found: list[str] = []
    for where, field, value in islice(_names(book), _MOST_ASKED):
        if not _known(table, field, value):
            found.append(f"{where}: names {field} {value[:80]!r}, which no item has")
            if len(found) == _MOST_TOLD:
                break
    return found


def _names(book: Book) -> Iterator[tuple[str, str, str]]:
    content = book.content
    filters = [(f"age_limits.{number}", limit.filter) for number, limit in enumerate(content.age_limits)]
    for campaign in content.campaigns:
        yield from ((f"campaigns.{campaign.name}.pins", "item_id", pin.item_id) for pin in campaign.pins)
        filters += [(f"campaigns.{campaign.name}.boosts", boost.filter) for boost in campaign.boosts]
    filters += [(f"surfaces.{name}.filter", surface.filter) for name, surface in content.surfaces.items()]
    for where, text in filters:
        if text:
            yield from ((where, *each) for each in named_texts(parse_filter(text)))


def _known(table: ItemTable, field: str, value: str) -> bool:
    if field == "item_id":
        return table.row_of(value) is not None
    if field == "tags":
        return len(table.with_tag(value)) > 0
    return value in (table.names.below if field == "category" else table.names.called)
