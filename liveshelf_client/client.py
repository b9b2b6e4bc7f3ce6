"""The clients: one that waits, and one for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import httpx
import tenacity

from liveshelf_client.answers import Item, Slate
from liveshelf_client.buffer import EventBuffer, OnError
from liveshelf_client.calls import (
    Call,
    checked,
    decoded,
    headers_of,
    item_call,
    rank_call,
    similar_call,
    slate_call,
    trending_call,
)
from liveshelf_client.errors import Unavailable
from liveshelf_client.retries import Patience

_TIMEOUT_S = 2.0
_TRIES = 3


class Client:
    """Asks the API and waits for the answers; events go out in the background. A context manager; safe for threads.

    Args:
        url: address of the API, such as ``http://127.0.0.1:8000``.
        key: the API key to show.
        timeout_s: how long one try may take; no further one begins once as long has passed.
        tries: how often a request is sent, if there is no answer or one that says to come again later.
        buffer: takes the events; else one of its own with its defaults.
        on_error: is told of events that could not be sent, in the buffer's thread.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = _TIMEOUT_S,
        tries: int = _TRIES,
        buffer: EventBuffer | None = None,
        on_error: OnError | None = None,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_s, headers=headers_of(key))
        self._again = tenacity.Retrying(**Patience(tries, timeout_s).policy())
        self.events = buffer or EventBuffer(url, key, on_error=on_error)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def slate(
        self,
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        surface: str = "home",
        n: int | None = None,
        explain: bool = False,
        **more: Any,
    ) -> Slate:
        """Return what a shopper should see now.

        Args:
            user_id: a known shopper.
            session_id: an anonymous visit.
            surface: the place in the shop.
            n: length of the slate; without it the surface's.
            explain: whether each item says why it is there.
            more: ``item_id``, ``category``, ``query``, ``filter``, ``exclude_item_ids``, ``device``, ``country`` and
                ``age``, as in the API's description.

        Raises:
            LiveshelfError: there is no slate.
        """
        question = {"user_id": user_id, "session_id": session_id, "surface": surface, "n": n, **more}
        return decoded(self._ask(slate_call(question, explain)), Slate)

    def rank(
        self,
        item_ids: Sequence[str],
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        explain: bool = False,
        **more: Any,
    ) -> Slate:
        """Return items of the caller's in the order in which a shopper will like them; raises as ``slate``."""
        question = {"user_id": user_id, "session_id": session_id, **more}
        return decoded(self._ask(rank_call(item_ids, question, explain)), Slate)

    def similar(self, item_id: str, n: int | None = None) -> Slate:
        """Return what is like an item; raises as ``slate``, and ``NotFound``."""
        return decoded(self._ask(similar_call(item_id, n)), Slate)

    def trending(self, category: str | None = None, n: int | None = None) -> Slate:
        """Return what is in demand, in the shop or in a category; raises as ``slate``, and ``NotFound``."""
        return decoded(self._ask(trending_call(category, n)), Slate)

    def item(self, item_id: str) -> Item:
        """Return what is known of an item; raises as ``slate``, and ``NotFound``."""
        return decoded(self._ask(item_call(item_id)), Item)

    def track(self, kind: str, **event: Any) -> str:
        """Send an event in the background and return its id; see ``EventBuffer.add``."""
        return self.events.add(kind, **event)

    def flush(self) -> None:
        """Wait until the events that were tracked until now are sent; raises as ``close``."""
        self.events.flush()

    def close(self) -> None:
        """Send the events that are left, and close the connections.

        Raises:
            EventsNotSent: some could not be sent.
        """
        self._http.close()
        self.events.close()

    def _ask(self, call: Call) -> httpx.Response:
        try:
            return self._again(lambda: checked(self._http.request(call.method, call.path, **_content(call))))
        except httpx.TransportError as error:
            raise Unavailable(f"{call.path}: {type(error).__name__}: {error}") from error


class AsyncClient:
    """As ``Client``, for asyncio: an async context manager, whose methods are awaited but for ``track``."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = _TIMEOUT_S,
        tries: int = _TRIES,
        buffer: EventBuffer | None = None,
        on_error: OnError | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, headers=headers_of(key))
        self._patience = Patience(tries, timeout_s)
        self.events = buffer or EventBuffer(url, key, on_error=on_error)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def slate(
        self,
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        surface: str = "home",
        n: int | None = None,
        explain: bool = False,
        **more: Any,
    ) -> Slate:
        """Return what a shopper should see now; as ``Client.slate``."""
        question = {"user_id": user_id, "session_id": session_id, "surface": surface, "n": n, **more}
        return decoded(await self._ask(slate_call(question, explain)), Slate)

    async def rank(
        self,
        item_ids: Sequence[str],
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        explain: bool = False,
        **more: Any,
    ) -> Slate:
        """Return items of the caller's in the order in which a shopper will like them; as ``Client.rank``."""
        question = {"user_id": user_id, "session_id": session_id, **more}
        return decoded(await self._ask(rank_call(item_ids, question, explain)), Slate)

    async def similar(self, item_id: str, n: int | None = None) -> Slate:
        """Return what is like an item; as ``Client.similar``."""
        return decoded(await self._ask(similar_call(item_id, n)), Slate)

    async def trending(self, category: str | None = None, n: int | None = None) -> Slate:
        """Return what is in demand; as ``Client.trending``."""
        return decoded(await self._ask(trending_call(category, n)), Slate)

    async def item(self, item_id: str) -> Item:
        """Return what is known of an item; as ``Client.item``."""
        return decoded(await self._ask(item_call(item_id)), Item)

    def track(self, kind: str, **event: Any) -> str:
        """Send an event in the background and return its id; see ``EventBuffer.add``."""
        return self.events.add(kind, **event)

    async def flush(self) -> None:
        """Wait until the events that were tracked until now are sent; raises as ``Client.close``."""
        await asyncio.to_thread(self.events.flush)

    async def close(self) -> None:
        """Send the events that are left, and close the connections; raises as ``Client.close``."""
        await self._http.aclose()
        await asyncio.to_thread(self.events.close)

    async def _ask(self, call: Call) -> httpx.Response:
        async def ask() -> httpx.Response:
            return checked(await self._http.request(call.method, call.path, **_content(call)))

        try:
            return await tenacity.AsyncRetrying(**self._patience.policy())(ask)
        except httpx.TransportError as error:
            raise Unavailable(f"{call.path}: {type(error).__name__}: {error}") from error


def _content(call: Call) -> dict[str, Any]:
    return {"params": dict(call.params)} | ({} if call.body is None else {"json": call.body})
