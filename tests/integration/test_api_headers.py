"""Headers of answers, the page of documents, and pages of other sites."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import errors
from api.app import create_app
from recommender.settings import Settings, UnsafeSettings

SHOP = "https://shop.example"


def ask(
    tmp_path: Path, method: str, path: str, headers: dict[str, str] | None = None, **settings: Any
) -> httpx.Response:
    app = create_app(Settings(data_dir=tmp_path, redis_url="redis://127.0.0.1:9/0", **settings))

    async def scenario() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://liveshelf") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health/live", 200),
        ("GET", "/v1/trending", 401),
        ("GET", "/v1/nowhere", 404),
        ("PATCH", "/v1/events", 405),
        ("GET", "/openapi.json", 200),
        ("GET", "/", 307),
    ],
)
def test_no_answer_is_kept_nor_guessed_at_nor_tells_where_it_was_asked_from(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    answer = ask(tmp_path, method, path)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert "server" not in answer.headers


def test_an_unexpected_failure_tells_nothing_of_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    answer = ask(tmp_path, "GET", "/v1/trending", dev=True)  # an app that was never started has no backend
    assert answer.status_code == 500
    message = "the service failed to answer; the cause is in its log"
    assert answer.json() == {"error": {"code": "internal", "message": message, "details": []}}
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert "unexpected AttributeError while answering" in caplog.text
    assert errors.JSON in answer.headers["content-type"]


def test_the_page_of_documents_and_all_that_it_loads_come_from_the_api_itself(tmp_path: Path) -> None:
    page = ask(tmp_path, "GET", "/docs")
    assert page.status_code == 200
    assert "//" not in page.text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    for name in loaded:
        asset = ask(tmp_path, "GET", f"/{name}")
        assert asset.status_code == 200, name
        assert len(asset.content) > 100
        assert asset.headers["cache-control"] == "public, max-age=3600"
        assert asset.headers["x-content-type-options"] == "nosniff"
    assert ask(tmp_path, "GET", "/docs/assets/start.js").text.count('url: "openapi.json"') == 1


def test_the_page_may_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    policy = ask(tmp_path, "GET", "/docs").headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert (rules["default-src"], rules["frame-ancestors"], rules["script-src"]) == ("'none'", "'none'", "'self'")
    assert all(
        source in ("'none'", "'self'", "data:", "'unsafe-inline'") for r in rules.values() for source in r.split()
    )


@pytest.mark.parametrize("name", ["other.js", "..%2Fconsts.py", "redoc.standalone.js", "../core.py", "%2e%2e/core.py"])
def test_nothing_else_of_that_package_is_given_out(tmp_path: Path, name: str) -> None:
    assert ask(tmp_path, "GET", f"/docs/assets/{name}").status_code == 404


def test_pages_of_other_sites_may_not_ask_unless_told(tmp_path: Path) -> None:
    preflight = {"origin": SHOP, "access-control-request-method": "GET"}
    assert ask(tmp_path, "OPTIONS", "/v1/trending", preflight).status_code == 405
    assert "access-control-allow-origin" not in ask(tmp_path, "GET", "/health/live", {"origin": SHOP}).headers


def test_pages_of_the_origins_that_are_set_may_ask_and_no_others(tmp_path: Path) -> None:
    origins = f"{SHOP}, http://localhost:3000"
    preflight = {
        "origin": SHOP,
        "access-control-request-method": "GET",
        "access-control-request-headers": "x-api-key",
    }
    allowed = ask(tmp_path, "OPTIONS", "/v1/trending", preflight, cors_origins=origins)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, SHOP)
    assert "access-control-allow-credentials" not in allowed.headers
    refused = ask(tmp_path, "GET", "/v1/trending", {"origin": SHOP}, cors_origins=origins)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, SHOP)
    strange = ask(
        tmp_path, "OPTIONS", "/v1/trending", preflight | {"origin": "https://x.example"}, cors_origins=origins
    )
    assert strange.status_code == 400
    assert "access-control-allow-origin" not in strange.headers


@pytest.mark.parametrize(
    "origin", ["shop.example", "https://shop.example/", "https://*.example", "javascript:x", "null"]
)
def test_what_is_no_origin_is_refused_at_the_start(tmp_path: Path, origin: str) -> None:
    with pytest.raises(UnsafeSettings) as told:
        create_app(Settings(data_dir=tmp_path, cors_origins=f"{SHOP},{origin}"))
    assert str(told.value) == f"cors_origins: must be such as https://shop.example, or *; got {origin!r}"


OWN = ["127.0.0.1", "127.0.0.1:8000", "localhost:8000", "[::1]:8000", "shop.localhost", "devbox:8000"]
STRANGE = [
    "shop.example",
    "shop.example:8000",
    "192.0.2.7:8000",
    "127.0.0.1.shop.example",
    "[2001:db8::1]:8000",
    "a.b.",
]


@pytest.mark.parametrize("host", OWN)
def test_without_keys_the_names_of_this_computer_are_answered(tmp_path: Path, host: str) -> None:
    assert ask(tmp_path, "GET", "/health/live", {"host": host}, dev=True).status_code == 200


@pytest.mark.parametrize("host", STRANGE)
def test_without_keys_a_name_of_another_computer_is_refused(tmp_path: Path, host: str) -> None:
    answer = ask(tmp_path, "GET", "/v1/trending", {"host": host}, dev=True)
    message = f"host: must be this computer, since no keys are asked for; got {host!r}"
    assert (answer.status_code, answer.json()["error"]["message"]) == (403, message)


@pytest.mark.parametrize("host", STRANGE)
def test_with_keys_any_name_is_answered(tmp_path: Path, host: str) -> None:
    assert ask(tmp_path, "GET", "/health/live", {"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "http://localhost:3000", "http://[::1]:8000"])
def test_without_keys_pages_of_this_computer_may_ask(tmp_path: Path, origin: str) -> None:
    assert ask(tmp_path, "GET", "/health/live", {"origin": origin}, dev=True).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://192.0.2.7:8000", "https://localhost.evil.example", "null", "", "file://"]
)
def test_without_keys_a_page_of_another_site_changes_nothing(tmp_path: Path, origin: str) -> None:
    headers = {"origin": origin, "content-type": "text/plain"}
    answer = ask(tmp_path, "POST", "/v1/models/rollback", headers, dev=True)
    message = f"origin: must be this computer, since no keys are asked for; got {origin!r}"
    assert (answer.status_code, answer.json()["error"]["message"]) == (403, message)


def test_without_keys_pages_of_the_origins_that_are_set_may_ask(tmp_path: Path) -> None:
    answer = ask(tmp_path, "GET", "/health/live", {"origin": SHOP}, dev=True, cors_origins=SHOP)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SHOP)
