"""From a question to an answer: from the cache, live, or whatever there is in time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

from api.metrics import Metrics
from api.rendering import Rendering, answer_of
from api.store_gate import StoreGate, StoreUnavailable
from recommender.features.shopper import Shopper
from recommender.serving.filters import Masks
from recommender.serving.item_table import ItemTable
from recommender.serving.popular import Popular
from recommender.serving.recommender import recommend
from recommender.serving.refresh import TableRefresher
from recommender.serving.request import Fallback, Slate, SlateItem, SlateRequest, Surface, UnknownItem
from recommender.serving.rules import Inside
from recommender.serving.slate_cache import Flight, Key, SlateCache, StoredSlate, may_be_kept, owners
from recommender.serving.slate_store import SlateStore, found, questions
from recommender.serving.surfaces import Rules
from recommender.store import FeastFeatures
from recommender.store.look_up import LookUp

MAKING_S = 0.010
"""Kept of the deadline for making the slate, once the shopper's features are there."""
HEARD_WITHIN_S = 1.0
"""Longer without a word from the change notices, and this process does not trust its own copies of shoppers' slates."""
_NOBODY = Shopper(None, [])
_NEED_NO_SHOPPER = frozenset(
    {Surface.SIMILAR, Surface.BOUGHT_TOGETHER, Surface.TRENDING, Surface.SEARCH, Surface.CATEGORY, Surface.RANK}
)
"""Where a slate means something even if nothing is known of who asks."""

_log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """One question."""

    key: Key
    rules: Rules
    version: str
    """Of the model and of the rules in service."""
    started: float
    """[s of ``time.perf_counter``]"""
    now_s: float
    """[s since 1970 UTC]"""
    explain: bool = False

    @property
    def request(self) -> SlateRequest:
        """What is asked of serving."""
        return self.key[1]


class Made(NamedTuple):
    """The part of an answer that is the same for all who asked."""

    body: bytes
    answered_by: str
    """live, cached, stale or popular."""
    fallback: Fallback | None


class Answering:
    """Answers questions for slates, in one process.

    Args:
        table: the items.
        cache: the slates of this process.
        store: the slates of all processes.
        metrics: counts what is done.
        deadline_s: how long a slate may take.
    """

    def __init__(
        self, table: ItemTable, cache: SlateCache, store: SlateStore, metrics: Metrics, deadline_s: float
    ) -> None:
        self._table = table
        self._cache = cache
        self._store = store
        self._metrics = metrics
        self._deadline_s = deadline_s
        self._gate = StoreGate()
        self._masks = Masks(table)
        self._rendering = Rendering(table)
        self.popular = Popular(table)
        self.features: FeastFeatures | None = None
        """Once they can be read."""
        self.notices: TableRefresher | None = None
        """What reads the change notices."""
        self._gaps = 0

    async def answer(
        self, name: str, request: SlateRequest, rules: Rules, rules_version: str, *, explain: bool, bypass: bool
    ) -> tuple[bytes, str]:
        """Answer a question; return the answer and what its header says of the cache: hit, miss or bypass.

        Args:
            name: of the surface.
            request: what is asked.
            rules: what holds on the surface now.
            rules_version: another one with each other state of these rules.
            explain: whether to tell why each item is where it is.
            bypass: whether the cache is not to be used.

        Raises:
            UnknownItem: the question names an item that there is not.
            UnknownCategory: the question names a category that there is not.
        """
        vectors = self._table.vectors
        version = f"{vectors.model.version if vectors else ''}/{rules_version}"
        asked = Asked((name, request), rules, version, time.perf_counter(), time.time(), explain)
        if bypass or explain or not rules.surface.cache_seconds or not may_be_kept(request):
            made, x_cache = await self._make(asked, None), "bypass"
        else:
            made = self._known(asked) or await self._together(asked)
            x_cache = "hit" if made.answered_by == "cached" else "miss"
        self._metrics.count_slate(name, made.answered_by, made.fallback, x_cache)
        return answer_of(made.body, made.answered_by, (time.perf_counter() - asked.started) * 1_000), x_cache

    def _known(self, asked: Asked) -> Made | None:
        """Return the slate that this process has, if it is what a new one would be."""
        if owners(asked.request) and not self._hears():
            return None
        kept = self._cache.get(asked.key, asked.version, asked.now_s, asked.rules.surface.cache_seconds)
        if kept is None:
            return None
        self._metrics.cache_age_seconds.observe(asked.now_s - kept.stored.made_at)
        return Made(kept.body, "cached", kept.stored.fallback)

    def _hears(self) -> bool:
        """Tell whether this process knows what shoppers have done a moment ago."""
        notices = self.notices
        if notices is None:
            return False
        if notices.gaps != self._gaps:
            self._gaps = notices.gaps
            self._cache.outdate_shoppers()
        return time.monotonic() - notices.followed_at < HEARD_WITHIN_S

    async def _together(self, asked: Asked) -> Made:
        """Make a slate once for all who ask for it at the same time."""
        flight, is_new = self._cache.begin(asked.key)
        if not is_new:
            return await asyncio.shield(flight.future)
        try:
            made = await self._make(asked, flight)
        except BaseException as error:
            self._cache.crash(asked.key, flight, error)
            raise
        self._cache.land(asked.key, flight, made)
        return made

    async def _make(self, asked: Asked, flight: Flight | None) -> Made:
        """Make a slate; without a flight the cache is left alone."""
        request, use_cache = asked.request, flight is not None
        stamp, hidden, shopper = b"", frozenset[str](), _NOBODY
        if owners(request) or use_cache:
            commands = questions(asked.key, use_cache=use_cache)
            try:
                looked_up = await self._look_up(asked, commands)
            except StoreUnavailable as error:
                if owners(request):
                    _log.debug("slate without the shopper's features: %s", error)
                    return self._in_need(asked, Fallback.STORE_UNAVAILABLE)
            else:
                told = found(asked.key, looked_up.answers, use_cache=use_cache)
                stamp, hidden = looked_up.stamp + told.stamp, told.hidden
                overtaken = flight is not None and flight.overtaken
                if told.stored is not None and not overtaken and (made := self._taken_over(asked, told.stored, stamp)):
                    return made
                if time.perf_counter() - asked.started > self._deadline_s:
                    return self._in_need(asked, Fallback.DEADLINE)
                shopper = looked_up.shopper(int(asked.now_s * 1e6))
        slate = self._recommend(asked, shopper, hidden)
        body = self._body(asked, slate, shopper.feature_time_us)
        if flight is not None:
            stored = self._stored(asked, slate, stamp, shopper.feature_time_us)
            # Not what a deed of the shopper or an erasure has overtaken, nor what was made of half of the items.
            if not flight.overtaken and self.notices is not None and self.notices.loaded:
                self._cache.put(asked.key, stored, body, [entry.row for entry in slate.items], slate.barred)
                self._store.keep(asked.key, stored, asked.rules.surface.cache_seconds)
        return Made(body, "live", slate.fallback)

    async def _look_up(self, asked: Asked, commands: Sequence[tuple[str, ...]]) -> LookUp:
        features = self.features
        if features is None:
            raise StoreUnavailable("feature store: is not open yet")
        left_s = self._deadline_s - MAKING_S - (time.perf_counter() - asked.started)
        request = asked.request
        return await self._gate.ask(
            lambda: features.look_up(request.user_id, request.session_id, commands), max(0.001, left_s)
        )

    def _taken_over(self, asked: Asked, stored: StoredSlate, stamp: bytes) -> Made | None:
        items = self._cache.take_over(
            asked.key, stored, stamp, asked.version, asked.now_s, asked.rules.surface.cache_seconds
        )
        if items is None:
            return None
        model = asked.version.partition("/")[0] or None
        body = self._body(asked, Slate(items, model, stored.fallback), stored.feature_time_us)
        self._cache.put(asked.key, stored, body, [entry.row for entry in items])
        self._metrics.cache_age_seconds.observe(max(0.0, asked.now_s - stored.made_at))
        return Made(body, "cached", stored.fallback)

    def _recommend(
        self,
        asked: Asked,
        shopper: Shopper = _NOBODY,
        hidden: frozenset[str] = frozenset(),
        *,
        store_available: bool = True,
    ) -> Slate:
        return recommend(
            self._table,
            asked.request,
            shopper,
            now_us=int(asked.now_s * 1e6),
            store_available=store_available,
            rules=asked.rules,
            masks=self._masks,
            hidden=hidden,
            explain=asked.explain,
        )

    def _in_need(self, asked: Asked, why: Fallback) -> Made:
        """Answer without the shopper's features, or without time: by the last slate, or by items in demand."""
        table, request, surface = self._table, asked.request, asked.rules.surface
        anchor = None if request.item_id is None else table.row_of(request.item_id)
        if request.item_id is not None and anchor is None:
            raise UnknownItem(request.item_id)
        inside = Inside(table, request, asked.rules, self._masks, int(asked.now_s * 1e6)).flags
        last = self._cache.last(asked.key, asked.now_s, surface.stale_seconds)
        if last is None and why is Fallback.STORE_UNAVAILABLE and surface.kind in _NEED_NO_SHOPPER:
            slate = self._recommend(asked, store_available=False)
            return Made(self._body(asked, slate, 0), "live", why)
        off = {*table.rows_of(request.exclude), *([] if anchor is None else [anchor])}
        items: list[SlateItem] = []
        fills = surface.fill
        if last is not None:
            fills = fills and last.barred is not None  # else what the shopper must not see might come in
            off |= last.barred or frozenset()
            items = last.entries()
        elif surface.kind is Surface.RANK:
            items = [SlateItem(row, 0.0, "given") for row in dict.fromkeys(table.rows_of(request.items))]
        items = [
            entry
            for entry in items
            if entry.row not in off and table.available[entry.row] and (inside is None or inside[entry.row])
        ]
        if fills and len(items) < request.n:
            taken = off | {entry.row for entry in items}
            items += self.popular.items(request, taken, request.n - len(items), inside)
        vectors = table.vectors
        slate = Slate(items, vectors.model.version if vectors else None, why)
        return Made(self._body(asked, slate, 0), "popular" if last is None else "stale", why)

    def _body(self, asked: Asked, slate: Slate, feature_time_us: int) -> bytes:
        left_out = None
        if asked.request.surface is Surface.RANK:
            inside = {self._table.ids[entry.row] for entry in slate.items}
            left_out = [item_id for item_id in dict.fromkeys(asked.request.items) if item_id not in inside]
        return self._rendering.body(asked.key[0], slate, feature_time_us, left_out)

    def _stored(self, asked: Asked, slate: Slate, stamp: bytes, feature_time_us: int) -> StoredSlate:
        ids, marks = self._table.ids, self._table.catalogue_us
        items = tuple((ids[entry.row], int(marks[entry.row]), entry.score, entry.source) for entry in slate.items)
        return StoredSlate(asked.now_s, asked.version, stamp, feature_time_us, slate.fallback, items)
