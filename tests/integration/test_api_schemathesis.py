"""The running API against its own description: requests of all kinds, right and wrong, on every address.

What is answered must be described: status, content type, headers and shape; and nothing may fail inside.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import redis
import schemathesis
from hypothesis import HealthCheck, Phase, assume
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from recommender.changes import ChangePublisher
from recommender.installation import Installation
from recommender.model.registry import ModelRegistry
from recommender.settings import Settings
from recommender.store import FeastFeatures
from tests.conftest import free_port
from tests.e2e.api_server import running_api, wait_until
from tests.models import saved
from tests.spec.test_slate import SHOP, activity, catalogue

pytestmark = pytest.mark.timeout(300)

KEY = "of this run"
EXAMPLES = 20
LONGEST_URL = 60_000
"""The web server takes none of more than 64 KiB, and says so in a text of its own."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]

description = schemathesis.openapi.from_dict(create_app(Settings()).openapi())


@pytest.fixture(scope="module")
def address(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running API with some items, which asks for keys."""
    folder = tmp_path_factory.mktemp("api")
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    settings = Settings(data_dir=folder / "data", redis_url=redis_server, port=free_port(), run_key=KEY)
    with running_api(settings, folder / "api.log") as client:
        features = FeastFeatures.open(settings)
        with redis.Redis.from_url(redis_server) as told:
            now_us = time.time_ns() // 1_000
            for item_id, category, stock, trend, viewed, bought in SHOP:
                rows = [catalogue(item_id, category, stock, now_us), activity(item_id, trend, viewed, bought, now_us)]
                features.write(rows)
                for row in rows:
                    ChangePublisher(told).publish(row.view, [row.key])
        features.close()
        registry = ModelRegistry(Installation(settings.data_dir).models_dir)
        for version in saved(registry, 2):
            registry.activate(version)
        client.headers["authorization"] = f"Bearer {KEY}"
        wait_until(lambda: len(client.get("/v1/trending?n=7").json()["items"]) == 7)
        yield str(client.base_url)
        assert "Traceback" not in (folder / "api.log").read_text()


def test_every_address_has_a_request_that_succeeds_as_described(address: str) -> None:
    known = {"item_id": "trail", "user_id": "u-42", "version": "current"}
    found = [operation.ok() for operation in description.get_all_operations()]
    found.sort(key=lambda operation: operation.method == "delete" and "user_id" not in operation.path)  # the item last
    found.sort(key=lambda operation: operation.path != "/v1/users/{user_id}")  # the erasure first: it is asked after
    for operation in found:
        names = [parameter.name for parameter in operation.path_parameters]
        request: dict[str, Any] = {"path_parameters": {name: known[name] for name in names}}
        if "requestBody" in operation.definition.raw:
            examples = operation.definition.raw["requestBody"]["content"]["application/json"]["examples"]
            request |= {"body": next(iter(examples.values()))["value"], "media_type": "application/json"}
        case = operation.Case(**request)
        answer = case.call_and_validate(
            base_url=address, headers={"authorization": f"Bearer {KEY}"}, checks=CHECKS, timeout=20
        )
        assert "server" not in {name.lower() for name in answer.headers}
        assert answer.status_code < 300, f"{operation.method} {operation.path}: {answer.text}"
        known |= {name: value for name, value in answer.json().items() if name == "erasure_id"}


def test_every_body_is_bounded_and_looked_at_for_its_type(address: str) -> None:
    def pieces(count: int) -> Iterator[bytes]:
        yield from (b" " * 65_536 for _ in range(count))

    json, text = {"content-type": "application/json"}, {"content-type": "text/plain"}
    with httpx.Client(base_url=address, headers={"x-api-key": KEY}, timeout=20) as client:
        for operation in [each.ok() for each in description.get_all_operations()]:
            if "requestBody" not in operation.definition.raw:
                continue
            path = operation.path.replace("{", "").replace("}", "")
            wrong = [
                (413, client.request(operation.method, path, content=b" " * 1_048_577, headers=json)),
                (413, client.request(operation.method, path, content=pieces(17), headers=json)),
                (415, client.request(operation.method, path, content=b"{}", headers=text)),
                (
                    415,
                    client.request(operation.method, path, content=b"{}", headers=json | {"content-encoding": "gzip"}),
                ),
                (400, client.request(operation.method, path, content=b"{", headers=json)),
            ]
            for status, answer in wrong:
                assert (answer.status_code, "error" in answer.json()) == (status, True), f"{operation.method} {path}"


@pytest.mark.parametrize("path", ["/v1/events", "/v1/items", "/v1/stock"])
def test_a_batch_holds_a_thousand_entries_at_most(address: str, path: str) -> None:
    headers = {"x-api-key": KEY, "content-type": "application/json"}
    answer = httpx.post(f"{address}{path}", content=b"[" + b"{}," * 1_000 + b"{}]", headers=headers, timeout=20)
    assert answer.status_code == 413
    assert answer.json()["error"]["message"] == "body: must hold at most 1000 entries; got 1001"


@description.parametrize()
@hypothesis_settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_described(case: Any, address: str) -> None:
    assume("" not in (case.query or {}).values())  # a parameter without a value is none
    assume(len(urlencode(case.query or {}, doseq=True)) < LONGEST_URL)
    case.call_and_validate(base_url=address, headers={"authorization": f"Bearer {KEY}"}, checks=CHECKS, timeout=20)
