"""When a slate may be given again, and when not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from recommender.changes import ERASED, HIDDEN, ChangeNotice
from recommender.features import SessionFeatures, UserFeatures, UserItems
from recommender.serving.item_table import ItemTable
from recommender.serving.request import SlateRequest
from recommender.serving.slate_cache import SHORT_FOR_S, Key, SlateCache, StoredSlate, may_be_kept
from recommender.serving.slate_store import found, place, questions
from tests.spec.test_slate import NOW_US, catalogue, shop

NOW_S = 1_000.0
MOST_S = 60.0
HOME: Key = ("home", SlateRequest(n=2, user_id="u", session_id="s"))
SHARED: Key = ("similar", SlateRequest(n=2, item_id="trail"))


class Kitchen:
    """A cache around a shop, with what it has counted."""

    def __init__(self, most: int = 100) -> None:
        self.table: ItemTable = shop()
        self.reasons: Counter[str] = Counter()
        self.cache = SlateCache(self.table, lambda reason: self.reasons.update([reason]), most)

    def slate(self, *items: str, stamp: bytes = b"1", version: str = "m/r", made_at: float = NOW_S) -> StoredSlate:
        marks = [int(self.table.catalogue_us[row]) for row in self.table.rows_of(items)]
        kept = tuple((item, mark, 1.0, "model") for item, mark in zip(items, marks, strict=True))
        return StoredSlate(made_at, version, stamp, 5, None, kept)

    def put(self, key: Key = HOME, *items: str, made_at: float = NOW_S) -> None:
        items = items or ("trail", "tent")
        self.cache.put(key, self.slate(*items, made_at=made_at), b"body}", self.table.rows_of(items))

    def has(self, key: Key = HOME, version: str = "m/r", now_s: float = NOW_S) -> bool:
        return self.cache.get(key, version, now_s, MOST_S) is not None


def notice(view: str, *keys: str) -> ChangeNotice:
    return ChangeNotice("1-0", view, keys)


def test_a_slate_is_given_again() -> None:
    kitchen = Kitchen()
    kitchen.put()

    assert kitchen.has()
    assert not kitchen.has(("banner", HOME[1])), "another surface"
    assert not kitchen.has(("home", msgspec.structs.replace(HOME[1], n=3))), "another question"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda it: it.table.put_catalogue(catalogue("tent", "Camping", 0, NOW_US + 1)), "item"),
        (lambda it: it.table.put_catalogue(catalogue("tent", "Camping", 4, NOW_US + 1)), "item"),
        (lambda it: it.cache.heed([notice(UserFeatures.view, "x", "u")]), "shopper"),
        (lambda it: it.cache.heed([notice(UserItems.view, "u")]), "shopper"),
        (lambda it: it.cache.heed([notice(SessionFeatures.view, "s")]), "shopper"),
        (lambda it: it.cache.heed([notice(HIDDEN, "u")]), "hidden"),
        (lambda it: it.cache.heed([notice(ERASED, "u", "s")]), "erased"),
        (lambda it: it.cache.outdate_shoppers(), "notices_missed"),
    ],
)
def test_no_longer_once_an_item_of_it_has_changed_or_the_shopper_has_done_something(
    change: Callable[[Kitchen], None], reason: str
) -> None:
    kitchen = Kitchen()
    kitchen.put()

    change(kitchen)

    assert not kitchen.has()
    assert kitchen.reasons == {reason: 1}


def test_what_others_do_and_what_becomes_of_other_items_changes_nothing() -> None:
    kitchen = Kitchen()
    kitchen.put()

    kitchen.cache.heed(
        [notice(UserFeatures.view, "v"), notice(SessionFeatures.view, "u"), notice("item_activity", "u")]
    )
    kitchen.table.put_catalogue(catalogue("stove", "Camping", 0, NOW_US + 1))

    assert kitchen.has()


def test_another_model_other_rules_or_its_age_end_it() -> None:
    for version, now_s in (("m2/r", NOW_S), ("m/r2", NOW_S), ("m/r", NOW_S + MOST_S + 0.1), ("m/r", NOW_S - 1)):
        kitchen = Kitchen()
        kitchen.put()
        assert not kitchen.has(version=version, now_s=now_s)
        assert not kitchen.has(), "and it does not come back"


def test_a_short_slate_is_given_again_for_a_moment_only() -> None:
    kitchen = Kitchen()
    kitchen.put(HOME, "trail")

    assert kitchen.has(now_s=NOW_S + SHORT_FOR_S)
    assert not kitchen.has(now_s=NOW_S + SHORT_FOR_S + 0.1)


def test_what_is_no_longer_current_is_kept_for_need_but_not_of_the_erased() -> None:
    kitchen = Kitchen()
    kitchen.put()
    kitchen.cache.heed([notice(UserFeatures.view, "u")])

    assert kitchen.cache.last(HOME, NOW_S + 500, 600) is not None
    assert kitchen.cache.last(HOME, NOW_S + 700, 600) is None
    kitchen.cache.heed([notice(ERASED, "u")])
    assert kitchen.cache.last(HOME, NOW_S, 600) is None
    assert len(kitchen.cache) == 0


def test_a_slate_that_nobody_in_particular_asked_for_outlives_missed_notices() -> None:
    kitchen = Kitchen()
    kitchen.put(SHARED)

    kitchen.cache.outdate_shoppers()

    assert kitchen.has(SHARED)


def test_those_go_first_that_were_not_asked_for_for_longest() -> None:
    kitchen = Kitchen(most=2)
    keys = [("home", SlateRequest(n=2, user_id=f"u{number}")) for number in range(3)]
    kitchen.put(keys[0])
    kitchen.put(keys[1])
    assert kitchen.has(keys[0])
    kitchen.put(keys[2])

    assert [kitchen.has(key) for key in keys] == [True, False, True]
    assert kitchen.reasons == {"room": 1}


def test_a_slate_of_another_process_is_taken_if_the_shoppers_rows_are_those_it_was_made_from() -> None:
    kitchen = Kitchen()
    stored = kitchen.slate("trail", "tent")

    def take(stamp: bytes = b"1", version: str = "m/r", now_s: float = NOW_S) -> bool:
        return kitchen.cache.take_over(HOME, stored, stamp, version, now_s, MOST_S) is not None

    assert take()
    assert not take(stamp=b"2")
    assert not take(version="m2/r")
    assert not take(now_s=NOW_S + MOST_S + 1)
    kitchen.table.put_catalogue(catalogue("tent", "Camping", 0, NOW_US + 1))
    assert not take()


def test_a_slate_with_an_item_that_this_process_does_not_know_is_not_taken() -> None:
    kitchen = Kitchen()
    stored = msgspec.structs.replace(kitchen.slate("trail"), items=(("ghost", 1, 1.0, "model"),))

    assert kitchen.cache.take_over(HOME, stored, b"1", "m/r", NOW_S, MOST_S) is None


def test_whoever_asks_for_the_same_waits_for_the_one_who_makes_it() -> None:
    async def play() -> tuple[bool, bool, object]:
        cache = Kitchen().cache
        first, first_is_new = cache.begin(HOME)
        second, second_is_new = cache.begin(HOME)
        waiting = asyncio.ensure_future(second.future)
        cache.land(HOME, first, "slate")
        return first_is_new, second_is_new, await waiting

    assert asyncio.run(play()) == (True, False, "slate")


def test_who_waits_learns_of_a_failure_and_the_next_one_tries_anew() -> None:
    async def play() -> bool:
        cache = Kitchen().cache
        flight, _ = cache.begin(HOME)
        cache.crash(HOME, flight, LookupError("no such item"))
        with pytest.raises(LookupError):
            await flight.future
        return cache.begin(HOME)[1]

    assert asyncio.run(play())


@pytest.mark.parametrize("view", [UserFeatures.view, SessionFeatures.view, ERASED])
def test_a_slate_that_is_overtaken_while_it_is_made_is_marked(view: str) -> None:
    async def play() -> tuple[bool, bool]:
        cache = Kitchen().cache
        mine, _ = cache.begin(HOME)
        others, _ = cache.begin(SHARED)
        cache.heed([notice(view, "u" if view != SessionFeatures.view else "s")])
        return mine.overtaken, others.overtaken

    assert asyncio.run(play()) == (True, False)


def test_all_that_redis_keeps_of_a_shopper_is_found_by_the_shopper() -> None:
    assert place(HOME)[0] == "liveshelf:slates:user:u"
    assert place(("home", SlateRequest(session_id="s")))[0] == "liveshelf:slates:session:s"
    assert place(SHARED)[0].startswith("liveshelf:slates:shared:")


def test_the_place_in_redis_is_the_same_in_every_process_and_another_for_every_question() -> None:
    request = SlateRequest(user_id="u", exclude=frozenset({"a", "b", "c"}))
    same = SlateRequest(user_id="u", exclude=frozenset(["c", "b", "a"]))
    others = [
        SlateRequest(user_id="u"),
        SlateRequest(user_id="u", n=3),
        SlateRequest(user_id="u", age=30),
        SlateRequest(user_id="u", filter="price < 5"),
        SlateRequest(user_id="u", query="a"),
        SlateRequest(user_id="u", device="a"),
        SlateRequest(user_id="u", session_id="s"),
    ]

    assert place(("home", request)) == place(("home", same))
    assert len({place(("home", each))[1] for each in [request, *others]}) == len(others) + 1


def test_what_a_user_has_hidden_is_part_of_what_a_slate_was_made_from() -> None:
    asked = questions(HOME, use_cache=True)
    assert asked == [("HGET", *place(HOME)), ("SMEMBERS", "liveshelf:hidden:u")]

    none, one, other = (found(HOME, [None, hidden], use_cache=True) for hidden in (set(), {b"i"}, {b"j"}))

    assert none.stamp == b""
    assert len({none.stamp, one.stamp, other.stamp}) == 3
    assert one.hidden == {"i"}


def test_what_an_earlier_release_has_kept_is_not_used() -> None:
    assert found(HOME, [b"\x93\x01\x02\x03", set()], use_cache=True).stored is None


def test_who_comes_after_the_shopper_has_done_something_waits_for_no_slate_from_before() -> None:
    async def play() -> tuple[bool, bool, object, object]:
        cache = Kitchen().cache
        before, _ = cache.begin(HOME)
        cache.heed([notice(HIDDEN, "u")])
        after, is_new = cache.begin(HOME)
        cache.land(HOME, before, "old")
        joined, _ = cache.begin(HOME)
        cache.land(HOME, after, "new")
        return is_new, joined is after, await before.future, await after.future

    assert asyncio.run(play()) == (True, True, "old", "new")


def test_what_a_user_has_hidden_is_not_shown_even_when_nothing_can_be_made() -> None:
    kitchen = Kitchen()
    kitchen.put()

    kitchen.cache.heed([notice(HIDDEN, "u")])

    assert kitchen.cache.last(HOME, NOW_S, 600) is None


def test_questions_that_name_very_many_items_are_not_worth_their_memory() -> None:
    many = frozenset(f"i{number}" for number in range(101))

    assert may_be_kept(SlateRequest(exclude=frozenset(list(many)[:100])))
    assert not may_be_kept(SlateRequest(exclude=many))
    assert not may_be_kept(SlateRequest(items=tuple(many)))
