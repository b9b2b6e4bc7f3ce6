"""Which API a command talks to, and by which key."""

from __future__ import annotations

from typing import NamedTuple

from recommender.installation import Installation, key_for
from recommender.settings import Settings


class OwnApi(NamedTuple):
    """An API, and what opens it."""

    url: str
    key: str | None


def own_api(settings: Settings, url: str | None, api_key: str | None) -> OwnApi:
    """Return the address and the key that are given, else those of the installation that runs in the data folder."""
    installation = Installation(settings.data_dir)
    if url is None:
        record = installation.run_record()
        url = record.api_url if record is not None else f"http://127.0.0.1:{settings.port}"
    if api_key is None and settings.api_key is not None:
        api_key = settings.api_key.get_secret_value()
    return OwnApi(url, api_key or key_for(installation, url))
