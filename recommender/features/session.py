"""Session features: what this visit has been about until now."""

from __future__ import annotations

from bisect import insort
from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from recommender.features.clock import EntityClock
from recommender.features.interaction import Interaction
from recommender.features.row import FeatureRow, TimeUs, count
from recommender.features.windows import SECOND_US

VISIT_GAP_US = 30 * 60 * SECOND_US
"""A visit ends after this much inactivity."""
RECENT_ITEMS = 20
RECENT_QUERIES = 5
CART_ITEMS = 50
KEPT_VISITS = 8
KEPT_CATEGORIES = 200
LOOKS = frozenset({"view", "click", "add_to_cart", "add_to_wishlist", "purchase"})
"""Kinds that show interest in an item."""
CART_KINDS = frozenset({"add_to_cart", "remove_from_cart", "purchase"})

TimeMs = Annotated[int, msgspec.Meta(ge=0)]


class SessionFeatures(FeatureRow):
    """One session.

    ``started_at_ms`` to ``distinct_categories`` speak of the current visit, which ends after 30 minutes of inactivity;
    the recent lists and the cart go on over visits for as long as the shop keeps the id.
    """

    view: ClassVar[str] = "session"
    entity: ClassVar[str] = "session_id"
    ttl: ClassVar[timedelta] = timedelta(0)
    parallel_lists: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("recent_items", "recent_item_at_ms", "recent_categories"),
    )

    session_id: str
    feature_time_us: TimeUs
    user_id: Annotated[str, msgspec.Meta(description="known shopper of the session; empty while anonymous")]
    started_at_ms: Annotated[int, msgspec.Meta(ge=0, description="first event of the visit [ms since 1970 UTC]")]
    duration_s: Annotated[float, msgspec.Meta(ge=0, description="from the visit's first to its last event [s]")]
    events: Annotated[int, count("events of the visit")]
    views: Annotated[int, count("item views of the visit")]
    distinct_categories: Annotated[int, count("categories of the items seen in the visit, up to 200")]
    recent_items: Annotated[list[str], msgspec.Meta(description="distinct items, the latest first, up to 20")]
    recent_item_at_ms: Annotated[
        list[TimeMs], msgspec.Meta(description="when each recent item was last looked at [ms since 1970 UTC]")
    ]
    recent_categories: Annotated[list[str], msgspec.Meta(description="category of each recent item; may be empty")]
    recent_queries: Annotated[list[str], msgspec.Meta(description="search texts, the latest first, up to 5")]
    cart_items: Annotated[list[str], msgspec.Meta(description="items in the cart, the latest first, up to 50")]
    device: Annotated[str, msgspec.Meta(description="kind of device; empty when unknown")]
    country: Annotated[str, msgspec.Meta(description="ISO 3166-1 alpha-2; empty when unknown")]


class Visit(msgspec.Struct, array_like=True, gc=False):
    """A run of events without a gap of 30 minutes."""

    start_us: int
    end_us: int
    events: int = 0
    views: int = 0
    categories: dict[str, int] = {}

    def absorb(self, other: Visit) -> None:
        """Add another run to this one."""
        self.start_us = min(self.start_us, other.start_us)
        self.end_us = max(self.end_us, other.end_us)
        self.events += other.events
        self.views += other.views
        for category in other.categories:
            self.see(category)

    def see(self, category: str) -> None:
        """Note the category of an item."""
        if len(self.categories) < KEPT_CATEGORIES:
            self.categories[category] = 1


class SessionState(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of a session to judge its next event and to compute its next row.

    Lists are in order of time, the oldest first.
    """

    clock: EntityClock = msgspec.field(default_factory=EntityClock)
    seen: dict[int, int] = {}
    visits: list[Visit] = []
    items: list[tuple[int, str, int, str]] = []
    """When it was last looked at, item, time of the latest event with a category, that category."""
    queries: list[tuple[int, str]] = []
    cart: dict[str, tuple[int, bool]] = {}
    user: tuple[int, str] = (0, "")
    device: tuple[int, str] = (0, "")
    country: tuple[int, str] = (0, "")


def fold(state: SessionState, event: Interaction) -> None:
    """Take an event, neither repeated nor late, into the state."""
    time_us, kind = event.time_us, event.kind
    state.clock.see(time_us)
    _visit(state, event)
    if event.user_id and (time_us, event.user_id) > state.user:
        state.user = (time_us, event.user_id)
    if event.device and (time_us, event.device) > state.device:
        state.device = (time_us, event.device)
    if event.country and (time_us, event.country) > state.country:
        state.country = (time_us, event.country)
    if event.query:
        _search(state.queries, event.query, time_us)
    if not event.item_id:
        return
    if kind in LOOKS:
        _look(state.items, event)
    if kind in CART_KINDS:
        _cart(state, event)


def row(session_id: str, state: SessionState) -> SessionFeatures:
    """Return the session's row as of its clock."""
    visit, recent = state.visits[-1], state.items[::-1]
    return SessionFeatures(
        session_id,
        state.clock.feature_time_us,
        state.user[1],
        visit.start_us // 1000,
        (visit.end_us - visit.start_us) / SECOND_US,
        visit.events,
        visit.views,
        len(visit.categories),
        [item[1] for item in recent],
        [item[0] // 1000 for item in recent],
        [item[3] for item in recent],
        [query for _, query in reversed(state.queries)] if state.queries else [],
        _in_cart(state.cart) if state.cart else [],
        state.device[1],
        state.country[1],
    )


def _visit(state: SessionState, event: Interaction) -> None:
    time_us, visits = event.time_us, state.visits
    is_view = 1 if event.kind == "view" else 0
    if visits:
        latest = visits[-1]
        if latest.start_us <= time_us <= latest.end_us + VISIT_GAP_US:  # so it touches no other visit
            latest.end_us = max(latest.end_us, time_us)
            latest.events += 1
            latest.views += is_view
            if event.category:
                latest.see(event.category)
            return
    new = Visit(time_us, time_us, 1, is_view, {event.category: 1} if event.category else {})
    if not visits:
        visits.append(new)
        return
    apart = []
    for visit in visits:
        if visit.start_us - VISIT_GAP_US <= time_us <= visit.end_us + VISIT_GAP_US:
            new.absorb(visit)
        else:
            apart.append(visit)
    apart.append(new)
    apart.sort(key=_end)
    state.visits = apart[-KEPT_VISITS:]


def _end(visit: Visit) -> int:
    return visit.end_us


def _look(items: list[tuple[int, str, int, str]], event: Interaction) -> None:
    time_us, item_id, category = event.time_us, event.item_id, event.category
    looked_us, filed_us = time_us, time_us if category else 0
    if not items:
        items.append((looked_us, item_id, filed_us, category))
        return
    for at in range(len(items) - 1, -1, -1):
        known = items[at]
        if known[1] == item_id:
            del items[at]
            looked_us = max(looked_us, known[0])
            filed_us, category = max((filed_us, category), known[2:])
            break
    entry = (looked_us, item_id, filed_us, category)
    if not items or entry > items[-1]:  # it may have been the only one
        items.append(entry)
    else:
        insort(items, entry)
    if len(items) > RECENT_ITEMS:
        del items[0]


def _search(queries: list[tuple[int, str]], query: str, time_us: int) -> None:
    for at, (known_us, known) in enumerate(queries):
        if known == query:
            del queries[at]
            time_us = max(time_us, known_us)
            break
    insort(queries, (time_us, query))
    if len(queries) > RECENT_QUERIES:
        del queries[0]


def _in_cart(cart: dict[str, tuple[int, bool]]) -> list[str]:
    inside = sorted(((time_us, item) for item, (time_us, inside) in cart.items() if inside), reverse=True)
    return [item for _, item in inside[:CART_ITEMS]]


def _cart(state: SessionState, event: Interaction) -> None:
    inside = event.kind == "add_to_cart"
    entry = (event.time_us, inside)
    known = state.cart.get(event.item_id)
    # At the same instant "inside" is the larger one, so the result does not depend on the order of arrival.
    if known is None or entry > known:
        state.cart[event.item_id] = entry
    if len(state.cart) > 2 * CART_ITEMS:
        newest = sorted(state.cart.items(), key=lambda pair: pair[1], reverse=True)
        state.cart = dict(newest[:CART_ITEMS])
