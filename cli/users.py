"""``liveshelf users``: erase a user, or write down all that is held of one, by the API."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from cli.own_api import own_api
from cli.problem import Problem, read_settings

_LOOK_EVERY_S = 0.5


def run_erase(
    user_id: str, url: str | None, api_key: str | None, data_dir: Path | None, *, wait: bool, as_json: bool
) -> int:
    """Erase a user, and wait until that is complete; return the exit code."""
    with _client(url, api_key, data_dir) as client:
        found = _json(client.delete(f"/v1/users/{quote(user_id, safe='')}"))
        while wait and found["status"] != "complete":
            print(f"\r{found['phase']:<10}", end="", file=sys.stderr, flush=True)
            time.sleep(_LOOK_EVERY_S)
            found = _json(client.get(f"/v1/erasures/{found['erasure_id']}"))
    if wait:
        print("\r", end="", file=sys.stderr)
    if as_json:
        print(json.dumps(found))
        return 0
    print(f"{found['status']}  {found['erasure_id']}")
    for name, count in found["counts"].items():
        print(f"  {name}: {count:,}")
    for remark in found["remarks"]:
        print(f"  {remark}")
    return 0


def run_export(user_id: str, url: str | None, api_key: str | None, data_dir: Path | None, output: Path | None) -> int:
    """Write all that is held of a user to a file or to standard output; return the exit code."""
    address = f"/v1/users/{quote(user_id, safe='')}/export"
    with _client(url, api_key, data_dir) as client, client.stream("GET", address) as answer:
        if answer.is_error:
            answer.read()
            _json(answer)
        if output is None:
            _write(answer, sys.stdout.buffer)
            return 0
        with output.open("wb") as file:
            output.chmod(0o600)
            _write(answer, file)
    return 0


def _write(answer: httpx.Response, file: Any) -> None:
    for piece in answer.iter_bytes():
        file.write(piece)


@contextmanager
def _client(url: str | None, api_key: str | None, data_dir: Path | None) -> Iterator[httpx.Client]:
    url, key = own_api(read_settings(data_dir=data_dir), url, api_key)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=60.0, trust_env=False) as client:
            yield client
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise Problem(f"--url: an API must answer at {url}; got {type(error).__name__}") from error


def _json(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        try:
            raise Problem(answer.json()["error"]["message"])
        except (ValueError, KeyError, TypeError):
            raise Problem(f"--url: must be a Liveshelf API; got status {answer.status_code}") from None
    found: dict[str, Any] = answer.json()
    return found
