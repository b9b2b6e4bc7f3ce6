"""How the simulated shop talks to the recommender: over HTTP, as any shop does."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import httpx
from tenacity import before_sleep_log, retry, retry_if_exception_type, wait_exponential

from recommender.simulator.steps import Fields, Slate, SlateWanted

_SLATE_LENGTH = 10
_JUDGED = (httpx.codes.ACCEPTED, httpx.codes.UNPROCESSABLE_ENTITY)
"""Each event was judged: some, or none, were accepted."""
_log = logging.getLogger(__name__)


class NotTaken(ConnectionError):
    """The API does not answer, or cannot take events now; the same events may be sent again."""


class ShopApi:
    """A connection to the recommender's API."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @retry(
        retry=retry_if_exception_type(NotTaken),
        wait=wait_exponential(0.2, max=5.0),
        before_sleep=before_sleep_log(_log, logging.WARNING),
    )
    def send(self, events: Sequence[Fields]) -> int:
        """Send events, again and again until the API has taken them; return how many it refused."""
        try:
            answer = self._client.post("/v1/events", json=list(events))
        except httpx.TransportError as error:
            raise NotTaken(f"events: the API does not answer ({type(error).__name__})") from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise NotTaken(f"events: the API cannot take them now (status {answer.status_code})")
        if answer.status_code not in _JUDGED:
            answer.raise_for_status()
        refused = int(answer.json()["rejected"])
        if refused:
            _log.error("events: the API refused %d of %d", refused, len(events))
        return refused

    def slate(self, wanted: SlateWanted) -> Slate | None:
        """Ask for a slate; None when there is none to be had."""
        try:
            answer = self._client.post("/v1/recommendations", json={**wanted.request, "n": _SLATE_LENGTH})
        except httpx.TransportError as error:
            _log.warning("slate: the API does not answer (%s)", type(error).__name__)
            return None
        if answer.status_code != httpx.codes.OK:
            _log.warning("slate: the API answered with status %d", answer.status_code)
            return None
        body = answer.json()
        return Slate(body["slate_id"], [item["item_id"] for item in body["items"]])
