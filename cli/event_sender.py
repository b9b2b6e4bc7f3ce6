"""Sending events to ``POST /v1/events``, again and again until the API answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import httpx
import tenacity

from cli.problem import WRONG_USE, Problem

_TOO_BUSY = {429, 502, 503, 504}
_ANSWERED = {200, 202, 422}
_TOO_LARGE = 413
_TIMEOUT_S = 30.0
_GIVE_UP_AFTER_S = 60.0
_LONGEST_WAIT_S = 5.0
_TEXT_LENGTH = 300
_SAY_EVERY_S = 10.0
_HIGHEST_PORT = 65_535


class ApiUnavailable(RuntimeError):
    """The API does not answer, or cannot take events now."""


class ApiRefused(RuntimeError):
    """The API answers, but not as it should; sending again would not help."""


class _Busy(Exception):
    """The API cannot take events now."""


class EventSender:
    """One connection to an API. A context manager.

    Args:
        url: address of the API, such as ``http://127.0.0.1:8000``.
        say: takes one line when the API cannot be reached or is busy, and again every ten seconds of that.
        api_key: the key to show, if any.
        give_up_after_s: for how long an unreachable or busy API is tried again.

    Raises:
        Problem: the address is none; wrong use.
    """

    def __init__(
        self,
        url: str,
        say: Callable[[str], None],
        api_key: str | None = None,
        give_up_after_s: float = _GIVE_UP_AFTER_S,
    ) -> None:
        self._url = f"{_checked(url).rstrip('/')}/v1/events"
        self._say = say
        self._said_at = -_SAY_EVERY_S
        self._give_up_after_s = give_up_after_s
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {api_key}"} if api_key else {})
        self._client = httpx.Client(timeout=_TIMEOUT_S, headers=headers)
        self._again = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            wait=tenacity.wait_exponential(multiplier=0.1, max=_LONGEST_WAIT_S) + tenacity.wait_random(0, 0.1),
            stop=tenacity.stop_after_delay(give_up_after_s),
            before_sleep=self._say_again,
            reraise=True,
        )

    def __enter__(self) -> EventSender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def send(self, payloads: Sequence[bytes]) -> list[str | None]:
        """Send events, in order; return for each None when it was accepted, else why it was not.

        A batch that is too large for the API goes in halves. Each try carries the same event ids, so an event that
        got through without an answer is counted once.

        Raises:
            ApiUnavailable: no answer within the time to give up.
            ApiRefused: an answer that says nothing of the events.
        """
        try:
            response = self._again(self._post, payloads)
        except (httpx.TransportError, _Busy) as error:
            raise self._unavailable(_cause(error)) from None
        if response.status_code == _TOO_LARGE:
            if len(payloads) == 1:
                return [f"event: too large for the API; got {len(payloads[0])} bytes"]
            middle = len(payloads) // 2
            return self.send(payloads[:middle]) + self.send(payloads[middle:])
        return self._results(response, len(payloads))

    def _post(self, payloads: Sequence[bytes]) -> httpx.Response:
        response = self._client.post(self._url, content=b"[" + b",".join(payloads) + b"]")
        if response.status_code in _TOO_BUSY:
            raise _Busy(f"status {response.status_code}: {response.text[:_TEXT_LENGTH]}")
        return response

    def _say_again(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        now = time.monotonic()
        if error is None or now - self._said_at < _SAY_EVERY_S:
            return
        self._said_at = now
        until = time.localtime(time.time() + self._give_up_after_s - (now - state.start_time))
        self._say(f"{self._url} {_trouble(error)}; tries again until {time.strftime('%H:%M:%S', until)}")

    def _unavailable(self, last: str) -> ApiUnavailable:
        return ApiUnavailable(f"{self._url}: must answer within {self._give_up_after_s:.0f} s; last: {last}")

    def _results(self, response: httpx.Response, count: int) -> list[str | None]:
        try:
            results = response.json()["results"] if response.status_code in _ANSWERED else None
            if results is not None and len(results) == count:
                return [_error(result) for result in results]
        except (ValueError, KeyError, TypeError):
            pass  # told below, as every other answer that is no answer
        raise ApiRefused(
            f"{self._url}: must answer with one result for each event; "
            f"got status {response.status_code}: {response.text[:_TEXT_LENGTH]}"
        )


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, httpx.TransportError | _Busy)


def _checked(url: str) -> str:
    try:
        address = httpx.URL(url)
        valid = address.scheme in {"http", "https"} and bool(address.host) and (address.port or 1) <= _HIGHEST_PORT
    except httpx.InvalidURL:
        valid = False
    if not valid:
        raise Problem(f"--url: must be an address such as http://127.0.0.1:8000; got {url!r}", WRONG_USE)
    return url


def _cause(error: BaseException) -> str:
    return str(error) if isinstance(error, _Busy) else f"{type(error).__name__}: {error}"


def _trouble(error: BaseException) -> str:
    return f"{'is busy' if isinstance(error, _Busy) else 'does not answer'} ({_cause(error)})"


def _error(result: dict[str, Any]) -> str | None:
    return None if result["status"] == "accepted" else str(result.get("error", "the API gave no reason"))
