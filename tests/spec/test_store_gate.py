"""The gate in front of the feature store: nobody waits longer than there is time, and it opens again by itself."""

from __future__ import annotations

import asyncio

import pytest

from api.store_gate import StoreGate, StoreUnavailable

SOON_S = 0.02


class Store:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = asyncio.Event()

    async def question(self) -> str:
        self.asked += 1
        await self.answers.wait()
        return "rows"


def test_an_answer_in_time_is_passed_on() -> None:
    async def play() -> str:
        store = Store()
        store.answers.set()
        return await StoreGate().ask(store.question, SOON_S)

    assert asyncio.run(play()) == "rows"


def test_a_late_answer_is_not_waited_for_and_not_broken_off() -> None:
    async def play() -> list[str]:
        store, gate = Store(), StoreGate()
        with pytest.raises(StoreUnavailable, match="late"):
            await gate.ask(store.question, SOON_S)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        store.answers.set()
        return [str(answer) for answer in await asyncio.gather(*others)]

    assert asyncio.run(play()) == ["rows"]


def test_with_too_many_late_answers_nobody_asks_until_one_has_come() -> None:
    async def play() -> tuple[int, bool, str]:
        store, gate = Store(), StoreGate(most_late=2)
        for _ in range(4):
            with pytest.raises(StoreUnavailable):
                await gate.ask(store.question, SOON_S)
        asked, is_open = store.asked, gate.is_open
        store.answers.set()
        while not gate.is_open:
            await asyncio.sleep(0)
        return asked, is_open, await gate.ask(store.question, 1.0)

    assert asyncio.run(play()) == (2, False, "rows")


def test_an_error_is_told_by_its_kind_alone() -> None:
    async def question() -> str:
        raise ConnectionError("redis://:secret@host refused")

    async def play() -> None:
        await StoreGate().ask(question, SOON_S)

    with pytest.raises(StoreUnavailable) as refused:
        asyncio.run(play())
    assert str(refused.value) == "feature store: ConnectionError"
