"""Requests and what their answers mean, for both kinds of client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from liveshelf_client.answers import ErrorAnswer
from liveshelf_client.errors import NotFound, RefusedRequest, Unavailable

T = TypeVar("T")
_TOO_BUSY = frozenset({429, 502, 503, 504})
_TEXT_LENGTH = 300


class Call(NamedTuple):
    """One request."""

    method: str
    path: str
    params: Mapping[str, str | int] = {}
    body: Any = None


class Busy(Unavailable):
    """The API says to come again later.

    Args:
        message: what it says.
        after_s: when, if it says that.
    """

    def __init__(self, message: str, after_s: float | None) -> None:
        super().__init__(message)
        self.after_s = after_s


def slate_call(question: Mapping[str, Any], explain: bool) -> Call:
    """Return the request for a slate."""
    return Call("POST", "/v1/recommendations", _flags(explain), _given(question))


def rank_call(item_ids: Sequence[str], question: Mapping[str, Any], explain: bool) -> Call:
    """Return the request that puts items in order."""
    return Call("POST", "/v1/rank", _flags(explain), {"item_ids": list(item_ids), **_given(question)})


def similar_call(item_id: str, n: int | None) -> Call:
    """Return the request for what is like an item."""
    return Call("GET", f"/v1/items/{quote(item_id, safe='')}/similar", _given({"n": n}))


def trending_call(category: str | None, n: int | None) -> Call:
    """Return the request for what is in demand."""
    return Call("GET", "/v1/trending", _given({"category": category, "n": n}))


def item_call(item_id: str) -> Call:
    """Return the request for what is known of an item."""
    return Call("GET", f"/v1/items/{quote(item_id, safe='')}")


def headers_of(key: str | None) -> dict[str, str]:
    """Return the headers of all requests."""
    return {"authorization": f"Bearer {key}"} if key else {}


def checked(response: httpx.Response) -> httpx.Response:
    """Return an answer that is one.

    Raises:
        Busy: it says to come again later.
        RefusedRequest: it says that this cannot be done.
    """
    if response.is_success:
        return response
    code, message = _error_of(response)
    if response.status_code in _TOO_BUSY:
        raise Busy(f"{message} (status {response.status_code})", _retry_after_s(response))
    kind = NotFound if response.status_code == httpx.codes.NOT_FOUND else RefusedRequest
    raise kind(response.status_code, code, message)


def decoded(response: httpx.Response, kind: type[T]) -> T:
    """Return the content of an answer.

    Raises:
        RefusedRequest: it is not the answer of this API.
    """
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.DecodeError as error:
        raise RefusedRequest(response.status_code, "not_understood", f"answer: {error}") from error


def _error_of(response: httpx.Response) -> tuple[str, str]:
    try:
        error = msgspec.json.decode(response.content, type=ErrorAnswer).error
    except msgspec.DecodeError:
        return "unknown", response.text[:_TEXT_LENGTH]
    return error.code or "unknown", error.message or response.text[:_TEXT_LENGTH]


def _retry_after_s(response: httpx.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):  # not there, or a date, which this API never gives
        return None


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _flags(explain: bool) -> dict[str, str | int]:
    return {"explain": "true"} if explain else {}
