"""Every address of the API, as its own description lists them: who is refused, and how."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.guard import Guard, UnguardedRoute
from api.scopes import OPEN, STATED
from recommender.api_keys import SCOPES, create_key
from recommender.settings import Settings

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
NOWHERE = "redis://127.0.0.1:9/0"


def described() -> list[tuple[str, str, dict[str, Any]]]:
    paths = create_app(Settings()).openapi()["paths"]
    return [(method.upper(), path, each) for path, item in paths.items() for method, each in item.items()]


OPERATIONS = described()
GUARDED = [(method, path, each["x-scope"]) for method, path, each in OPERATIONS if each["security"]]


def ask(
    data_dir: Path, method: str, path: str, headers: dict[str, str] | dict[str, bytes], **settings: Any
) -> httpx.Response:
    """Ask an app that has nothing behind it: what passes the guard fails for want of that."""
    app = create_app(Settings(data_dir=data_dir, redis_url=NOWHERE, **settings))

    async def scenario() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://liveshelf") as client:
            return await client.request(method, address(path), headers=headers)

    return asyncio.run(scenario())


def address(path: str) -> str:
    return path.replace("{", "").replace("}", "")


@pytest.fixture
def key_for(tmp_path: Path) -> Callable[..., str]:
    def make(*scopes: str) -> str:
        return create_key(tmp_path / "api_keys.json", list(scopes), now=NOW)[0]  # type: ignore[arg-type]

    return make


def test_every_address_in_the_description_states_a_scope() -> None:
    assert [(method, path) for method, path, _ in OPERATIONS if (method, path) not in STATED] == []


def test_an_address_that_states_nothing_asks_for_admin() -> None:
    app = FastAPI()
    app.add_api_route("/v1/new", lambda: None)
    reached: list[str] = []

    class Reader:
        """A keyring of one key with all scopes but admin."""

        def holder(self, _: bytes) -> Any:
            reached.append("asked")
            return type("Holder", (), {"scopes": {"read", "write"}, "rate": ""})

    Guard(Reader(), None).protect(app)  # type: ignore[arg-type]

    async def scenario() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://liveshelf") as client:
            return await client.get("/v1/new", headers={"x-api-key": "any"})

    answer = asyncio.run(scenario())
    assert (answer.status_code, reached) == (403, ["asked"])


def test_a_route_that_cannot_be_guarded_is_refused_at_the_start() -> None:
    app = FastAPI(openapi_url=None)
    app.mount("/v1/other", FastAPI())
    with pytest.raises(UnguardedRoute, match="route: must have an address and methods of its own; got Mount"):
        Guard(None, None).protect(app)  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "path", "needed"), GUARDED)
@pytest.mark.parametrize(
    ("headers", "got"),
    [
        ({}, "none"),
        ({"authorization": "Bearer "}, "none"),
        ({"x-api-key": ""}, "none"),
        ({"authorization": "Basic bHNrOmtleQ=="}, "none"),
        ({"authorization": f"Bearer lsk_{'0' * 8}_{'0' * 48}"}, "another key"),
        ({"x-api-key": "lsk"}, "another key"),
        ({"authorization": b"Bearer \xff\x00"}, "another key"),
    ],
)
def test_without_a_known_key_every_guarded_address_answers_401(
    tmp_path: Path, method: str, path: str, needed: str, headers: dict[str, str], got: str, key_for: Callable[..., str]
) -> None:
    key_for(needed)
    answer = ask(tmp_path, method, path, headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="liveshelf"')
    assert answer.json() == {
        "error": {
            "code": "unauthorized",
            "message": f"authorization: must be `Bearer` and a key to this API, or x-api-key that key; got {got}",
            "details": [],
        }
    }


@pytest.mark.parametrize(("method", "path", "needed"), GUARDED)
def test_with_all_scopes_but_the_one_needed_every_guarded_address_answers_403(
    tmp_path: Path, method: str, path: str, needed: str, key_for: Callable[..., str]
) -> None:
    others = sorted(set(SCOPES) - {needed})
    answer = ask(tmp_path, method, path, {"authorization": f"Bearer {key_for(*others)}"})
    assert answer.status_code == 403
    challenge = f'Bearer realm="liveshelf", error="insufficient_scope", scope="{needed}"'
    assert answer.headers["www-authenticate"] == challenge
    message = f"key: must have the scope {needed} for this address; got {', '.join(others)}"
    assert answer.json()["error"] == {"code": "forbidden", "message": message, "details": []}


@pytest.mark.parametrize(("method", "path", "needed"), GUARDED)
@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_with_that_scope_alone_every_guarded_address_lets_pass(
    tmp_path: Path, method: str, path: str, needed: str, header: str, key_for: Callable[..., str]
) -> None:
    key = key_for(needed)
    answer = ask(tmp_path, method, path, {header: f"bearer  {key}" if header == "authorization" else key})
    assert answer.status_code not in (401, 403)


@pytest.mark.parametrize(("method", "path", "needed"), GUARDED)
def test_the_keys_of_the_settings_open_what_they_are_for(tmp_path: Path, method: str, path: str, needed: str) -> None:
    headers = {"authorization": "Bearer ops"}
    admin = ask(tmp_path, method, path, headers, admin_key="ops").status_code
    assert (admin in (401, 403)) == (needed != "admin")
    assert ask(tmp_path, method, path, headers, run_key="ops").status_code not in (401, 403)


@pytest.mark.parametrize(("method", "path", "needed"), GUARDED)
def test_the_development_setting_asks_for_no_key(tmp_path: Path, method: str, path: str, needed: str) -> None:
    assert ask(tmp_path, method, path, {}, dev=True).status_code not in (401, 403)


OPENED = [path for (_, path), needed in STATED.items() if needed == OPEN]


@pytest.mark.parametrize("path", OPENED)
def test_what_is_open_asks_for_no_key(tmp_path: Path, path: str) -> None:
    assert ask(tmp_path, "GET", path, {}).status_code not in (401, 403)


def test_only_what_watches_and_describes_is_open() -> None:
    assert set(OPENED) == {
        "/health/live",
        "/health/ready",
        "/metrics",
        "/",
        "/docs",
        "/docs/assets/{name}",
        "/openapi.json",
    }


@pytest.mark.parametrize(
    "path",
    [
        "/v1/users/a/hidden/b",
        "/v1/users/a/recommendations/../../../models",
        "//v1/models",
        "/v1/models/",
        "/V1/models",
        "/v1/models?x=/health/live",
        "/health/live/../../v1/models",
        "/v1%2Fmodels",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE"])
def test_no_way_of_writing_an_address_gets_around_the_guard(tmp_path: Path, path: str, method: str) -> None:
    assert ask(tmp_path, method, path, {}).status_code in (401, 404, 405)


def test_a_key_in_the_address_is_no_key(tmp_path: Path, key_for: Callable[..., str]) -> None:
    key = key_for("admin")
    assert ask(tmp_path, "GET", f"/v1/models?api_key={key}&x-api-key={key}", {}).status_code == 401


def test_a_bearer_comes_before_the_other_header(tmp_path: Path, key_for: Callable[..., str]) -> None:
    headers = {"authorization": "Bearer wrong", "x-api-key": key_for("admin")}
    assert ask(tmp_path, "GET", "/v1/models", headers).status_code == 401


def test_no_log_line_holds_a_key(tmp_path: Path, key_for: Callable[..., str], caplog: pytest.LogCaptureFixture) -> None:
    key = key_for("read", "write", "admin")
    wrong = f"lsk_{'1' * 8}_{'2' * 48}"
    with caplog.at_level(logging.DEBUG):
        for method, path, _ in GUARDED:
            for shown in (key, wrong, f"{key}\tx"):
                ask(tmp_path, method, path, {"authorization": f"Bearer {shown}", "x-api-key": shown})
    written = "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records)
    assert "keys: 1 in use" in written
    assert key.rpartition("_")[2] not in written
    assert wrong.rpartition("_")[2] not in written
