"""Asks the feature store, and never waits longer than a request can spare."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

MOST_LATE = 4
"""Questions whose answers nobody waits for any more; with so many of them open, no further one is asked [count]."""


class StoreUnavailable(ConnectionError):
    """The feature store does not answer, or not in time."""


class StoreGate:
    """Lets questions through while the store answers in time.

    A question that is late goes on by itself: ended in the middle it would take its connection with it. As long as too
    many are late, others are turned away at once; those that come to an end let new ones try, so that the store is
    asked again as soon as it answers, without a clock.
    """

    def __init__(self, most_late: int = MOST_LATE) -> None:
        self._most_late = most_late
        self._late = 0

    @property
    def is_open(self) -> bool:
        """Whether the next question is asked."""
        return self._late < self._most_late

    async def ask(self, question: Callable[[], Awaitable[T]], within_s: float) -> T:
        """Return the answer.

        Raises:
            StoreUnavailable: there is none within the time, or an error instead.
        """
        if not self.is_open:
            raise StoreUnavailable("feature store: too many answers are late")
        task = asyncio.ensure_future(question())
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.shield(task)
        except TimeoutError:
            if task.done():
                raise StoreUnavailable("feature store: TimeoutError") from None
            self._late += 1
            task.add_done_callback(self._arrived)
            raise StoreUnavailable("feature store: late") from None
        except asyncio.CancelledError:
            task.cancel()
            raise
        except Exception as error:
            raise StoreUnavailable(f"feature store: {type(error).__name__}") from error

    def _arrived(self, task: asyncio.Future[T]) -> None:
        self._late -= 1
        if not task.cancelled():
            task.exception()  # whose it was has got another answer
