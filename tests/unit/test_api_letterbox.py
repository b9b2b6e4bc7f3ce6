from __future__ import annotations

import asyncio
from collections.abc import Iterable

from api.letterbox import MOST_WAITING, Letterbox
from recommender.deadletters import DeadLetter


class Store:
    def __init__(self) -> None:
        self.letters: dict[str, DeadLetter] = {}
        self.failures = 0

    def add(self, letters: Iterable[DeadLetter]) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("Redis is away")
        self.letters |= {letter.letter_id: letter for letter in letters}


async def deliver(store: Store, letterbox: Letterbox, expected: int) -> None:
    task = asyncio.create_task(letterbox.run())
    async with asyncio.timeout(10):
        while len(store.letters) < expected:
            await asyncio.sleep(0.01)
    task.cancel()


def test_letters_are_delivered_in_the_background() -> None:
    store = Store()
    letterbox = Letterbox(store, lambda lost: None)

    letterbox.post([("a rule", b"{}"), ("another rule", b"{}")])
    assert not store.letters
    asyncio.run(deliver(store, letterbox, 2))

    assert {letter.reason for letter in store.letters.values()} == {"a rule", "another rule"}
    assert {letter.source for letter in store.letters.values()} == {"api"}


def test_letters_wait_while_redis_is_away() -> None:
    store = Store()
    store.failures = 1
    letterbox = Letterbox(store, lambda lost: None)

    letterbox.post([("a rule", b"{}")])
    asyncio.run(deliver(store, letterbox, 1))

    assert len(store.letters) == 1


def test_letters_beyond_the_limit_are_counted_as_lost() -> None:
    lost: list[int] = []
    letterbox = Letterbox(Store(), lost.append)

    letterbox.post((f"rule {number}", b"") for number in range(MOST_WAITING + 3))

    assert lost == [3]


def test_what_waits_at_the_end_is_delivered() -> None:
    store = Store()
    letterbox = Letterbox(store, lambda lost: None)
    letterbox.post([("a rule", b"{}")])

    asyncio.run(letterbox.close())

    assert len(store.letters) == 1
