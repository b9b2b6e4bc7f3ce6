"""One visit of a shopper, as a generator of steps."""

from __future__ import annotations

import math
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple

from recommender.simulator.catalogue import CURRENCY, Catalogue, ShopItem
from recommender.simulator.shopper import Shopper
from recommender.simulator.steps import Fields, Slate
from recommender.simulator.stock import Stock

_THINKING_S = 7.0
_CLICK_THRESHOLD = 3.2
_CART_THRESHOLD = 3.2
_LINGERING = 0.85
"""Chance that the next place of a slate is looked at."""


class Act(NamedTuple):
    """The shopper does something, after a while."""

    wait_s: float
    event: Fields


class Ask(NamedTuple):
    """The page wants a slate, after a while; the answer is sent in."""

    wait_s: float
    surface: str
    item_id: str | None = None
    query: str = ""


class Bought(NamedTuple):
    """One line of an order that was paid."""

    order_id: str
    item: ShopItem
    quantity: int


Steps = Generator[Act | Ask, Slate | None, list[Bought]]


@dataclass
class Visit:
    """One shopper in the shop, from coming to going; what was bought is the value of ``steps``.

    Args:
        shopper: who comes.
        session_id: names the visit.
        catalogue: what there is to see.
        stock: what there is to buy; buying changes it.
        rng: chance.
    """

    shopper: Shopper
    session_id: str
    catalogue: Catalogue
    stock: Stock
    rng: random.Random
    _seen: set[str] = field(default_factory=set)
    _cart: list[ShopItem] = field(default_factory=list)
    _came_from: tuple[str, int] | None = None
    """Slate and place of the item looked at."""

    def steps(self) -> Steps:
        """Come, look around, and perhaps buy."""
        intent = self.shopper.choose_shelf(self.rng)
        item = yield from self._read_slate(Ask(0.0, "home"))
        looks = 1 + int(self.rng.expovariate(1.0 / self.shopper.patience))
        for look in range(looks):
            if item is None:
                item = yield from self._find(intent)
            yield from self._look_at(item)
            item = (yield from self._read_slate(self._rail(item))) if look % 3 == 2 else self._next_to(item)
        if self._cart and self.rng.random() < 0.75:
            return (yield from self._check_out())
        return []

    def _look_at(self, item: ShopItem) -> Generator[Act | Ask, Slate | None, None]:
        self._seen.add(item.item_id)
        yield self._act("view", item_id=item.item_id)
        self._came_from = None
        eagerness = self.shopper.liking(item) + self.rng.gauss(0.0, 1.0)
        if eagerness > _CART_THRESHOLD and self.stock.has(item.item_id):
            self._cart.append(item)
            yield self._act("add_to_cart", item_id=item.item_id, quantity=1)
            if self.rng.random() < 0.08:
                self._cart.pop()
                yield self._act("remove_from_cart", item_id=item.item_id, quantity=1)
        elif eagerness > _CART_THRESHOLD - 0.6 and self.rng.random() < 0.3:
            yield self._act("add_to_wishlist", item_id=item.item_id)

    def _rail(self, item: ShopItem) -> Ask:
        """Return what the shop shows beside an item: for the cart, like the item, or for the shopper."""
        if self._cart and self.rng.random() < 0.5:
            return Ask(self._think(), "cart")
        return Ask(self._think(), "similar", item.item_id) if self.rng.random() < 0.5 else Ask(self._think(), "home")

    def _next_to(self, item: ShopItem) -> ShopItem | None:
        """Return what hangs beside the item or goes with it, or None to look elsewhere."""
        chance = self.rng.random()
        if chance < 0.5:
            return self._choose(self.catalogue.similar[item.item_id])
        if chance < 0.5 + 0.2 * (1 + (item in self._cart)):
            return self._choose(self.catalogue.companions[item.item_id])
        return None

    def _choose(self, items: list[ShopItem]) -> ShopItem | None:
        fresh = [item for item in items if item.item_id not in self._seen and self.stock.has(item.item_id)]
        return self.shopper.choose(fresh, self.rng) if fresh else None

    def _find(self, intent: str) -> Generator[Act | Ask, Slate | None, ShopItem]:
        """Find an item by searching, or by going to a shelf."""
        shelf = intent if self.rng.random() < 0.8 else self.shopper.choose_shelf(self.rng)
        items = self.catalogue.shelves[shelf]
        item = self._choose(items) or self.shopper.choose(items, self.rng)
        if self.rng.random() < 0.35:
            query = _query(item, self.rng)
            words = query.split()
            found = [other for other in items if all(word in other.title.lower() for word in words)]
            yield self._act("search", query=query, result_count=len(found))
            chosen = yield from self._read_slate(Ask(0.2, "search", query=query))
            return chosen or item
        return item

    def _read_slate(self, ask: Ask) -> Generator[Act | Ask, Slate | None, ShopItem | None]:
        """Look through a slate; return the item clicked on, or None."""
        slate = yield ask
        if slate is None or not slate.item_ids:
            return None
        shown = list(slate.item_ids)
        yield self._act("exposure", wait_s=0.3, slate_id=slate.slate_id, item_ids=shown, surface=ask.surface)
        for position, item_id in enumerate(slate.item_ids):
            item = self.catalogue.items.get(item_id)
            if item is not None and item_id not in self._seen and self._wants(item):
                self._came_from = (slate.slate_id, position)
                yield self._act("click", item_id=item_id)
                return item
            if self.rng.random() > _LINGERING:
                break
        return None

    def _wants(self, item: ShopItem) -> bool:
        interest = self.shopper.liking(item) + 4.0 * min(0.5, self.shopper.shelves[item.shelf])
        return self.rng.random() < 0.12 / (1.0 + math.exp(_CLICK_THRESHOLD - interest))

    def _check_out(self) -> Steps:
        lines = {item.item_id: item for item in self._cart if self.stock.has(item.item_id)}
        total = sum(item.price_cents for item in lines.values())
        order_id = f"order-{self.session_id}"
        yield self._act("begin_checkout", item_ids=list(lines), value_cents=total, currency=CURRENCY)
        if not lines:
            return []
        paying = {"order_id": order_id, "amount_cents": total, "currency": CURRENCY}
        if self.rng.random() < 0.05:
            yield self._act("payment", wait_s=20.0, status="failed", **paying)
            return []
        yield self._act("payment", wait_s=20.0, status="authorised", **paying)
        bought = []
        for item in lines.values():
            quantity = self.stock.sell(item.item_id, 2 if self.rng.random() < 0.1 else 1)
            if quantity:
                bought.append(Bought(order_id, item, quantity))
                yield self._purchase(bought[-1])
                yield Act(0.0, stock_change(item.item_id, self.stock.level(item.item_id)))
        yield self._act("payment", wait_s=1.0, status="captured", **paying)
        if self.rng.random() < 0.15:
            yield self._answer()
        return bought

    def _purchase(self, line: Bought) -> Act:
        return self._act(
            "purchase",
            wait_s=0.0,
            item_id=line.item.item_id,
            order_id=line.order_id,
            quantity=line.quantity,
            price_cents=line.item.price_cents,
            currency=CURRENCY,
        )

    def _answer(self) -> Act:
        rating = min(10, max(0, round(self.rng.gauss(7.5, 2.0))))
        answer = "I found what I came for" if rating >= 6 else "I looked for something else"
        return self._act("survey_answer", survey_id="after-order", question_id="found", answer=answer, rating=rating)

    def _act(self, kind: str, wait_s: float | None = None, **fields: object) -> Act:
        context: Fields = {"device": self.shopper.device, "country": self.shopper.country}
        if self._came_from is not None:
            context["slate_id"], context["position"] = self._came_from
        event: Fields = {"kind": kind, **fields, "session_id": self.session_id, "context": context}
        if self.shopper.user_id is not None:
            event["user_id"] = self.shopper.user_id
        return Act(self._think() if wait_s is None else wait_s, event)

    def _think(self) -> float:
        return self.rng.lognormvariate(math.log(_THINKING_S), 0.6)


def _query(item: ShopItem, rng: random.Random) -> str:
    """Return what someone types who means about this item."""
    noun = item.category[-1].rstrip("s")
    words = item.title.removeprefix(item.brand).split()
    return rng.choice((noun, f"{words[0]} {words[1]}", f"{item.brand}", f"{words[-1]} {words[1]}")).lower()


def stock_change(item_id: str, stock: int) -> Fields:
    """Return the catalogue event of a stock level, without id and time."""
    return {"kind": "stock_change", "item_id": item_id, "stock": stock}
