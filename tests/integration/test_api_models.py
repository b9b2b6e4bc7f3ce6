"""Models by the API: who may, what is told, what changes. The app as it is, without a feature store behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.answers import ActivationAnswer, ModelAnswer, ModelsAnswer
from api.app import create_app
from api.backend import Backend
from api.metrics import Metrics
from recommender.folder_lock import lock_folder
from recommender.installation import Installation
from recommender.model import registry as registry_module
from recommender.model.registry import ModelRegistry
from recommender.settings import Settings
from tests.models import damage, saved

KEY = "a long key with ü"
AS_ADMIN = {"authorization": b"Bearer " + KEY.encode()}


class Service:
    """The app, its registry, and a client."""

    def __init__(self, client: httpx.AsyncClient, backend: Backend) -> None:
        self.client = client
        self.backend = backend
        self.models_dir = Installation(backend.settings.data_dir).models_dir
        self.registry = ModelRegistry(self.models_dir)

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers=AS_ADMIN)

    async def post(self, path: str) -> httpx.Response:
        return await self.client.post(path, headers=AS_ADMIN)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def service(tmp_path: Path, key: str | None = KEY) -> AsyncIterator[Service]:
    settings = Settings(data_dir=tmp_path / "data", redis_url="redis://127.0.0.1:9/0", admin_key=key)
    app = create_app(settings)
    backend = app.state.backend = Backend(settings, Metrics())
    watching = asyncio.create_task(backend.watcher.run())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://liveshelf") as client:
        yield Service(client, backend)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


ADDRESSES = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/current"),
    ("POST", "/v1/models/current/activate"),
    ("POST", "/v1/models/rollback"),
]


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
@pytest.mark.parametrize(
    ("shown", "got"),
    [
        (None, "none"),
        (b"Bearer ", "none"),
        (b"Bearer another key", "another key"),
        (b"Bearer " + KEY.encode() + b"x", "another key"),
        (b"Basic " + KEY.encode(), "none"),
    ],
)
def test_nobody_passes_without_the_admin_key(
    tmp_path: Path, method: str, path: str, shown: bytes | None, got: str
) -> None:
    async def scenario() -> None:
        async with service(tmp_path) as found:
            (version,) = saved(found.registry, 1)
            found.registry.activate(version)
            headers = {"authorization": shown} if shown is not None else {}
            answer = await found.client.request(method, path, headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"] == {
                "code": "unauthorized",
                "message": f"authorization: must be `Bearer` and a key to this API, or x-api-key that key; got {got}",
                "details": [],
            }
            assert len(found.registry.history()) == 1

    asyncio.run(scenario())


def test_all_versions_are_told_of_the_newest_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with service(tmp_path) as found:
            a, b, c = saved(found.registry, 3, online=[1])
            damage(found.models_dir, c)
            found.registry.activate(a)
            await found.until(lambda: found.backend.watcher.serving == a)
            told = ModelsAnswer.model_validate_json((await found.get("/v1/models")).content)
            assert (told.current, told.serving, told.refused) == (a, a, None)
            assert [model.version for model in told.models] == [c, b, a]
            assert [model.kind for model in told.models] == ["full", "online", "full"]
            assert [model.current for model in told.models] == [False, False, True]
            assert str(told.models[0].damage).startswith(f"{c}/item_vectors.npy: must have SHA-256")
            assert told.models[2].metrics == {"hit_rate@20": 0.5, "mrr@20": 0.25}
            assert told.models[2].events == 1_234

    asyncio.run(scenario())


def test_one_version_is_told_of_with_its_manifest(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with service(tmp_path) as found:
            assert (await found.get("/v1/models/current")).status_code == 404
            a, b = saved(found.registry, 2)
            found.registry.activate(b)
            for name in (b, "current"):
                told = ModelAnswer.model_validate_json((await found.get(f"/v1/models/{name}")).content)
                assert (told.version, told.current, told.damage) == (b, True, None)
                assert told.manifest is not None
                assert told.manifest["parameters"] == {"seed": 3}
            (found.models_dir / a / "manifest.json").write_text("{}")
            broken = ModelAnswer.model_validate_json((await found.get(f"/v1/models/{a}")).content)
            assert broken.manifest is None
            assert str(broken.damage).startswith(f"{a}/manifest.json: ")

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["20261122T081500-0a1b", "nonsense", "..%2F..%2Fetc"])
def test_a_version_that_is_not_there_is_not_found(tmp_path: Path, name: str) -> None:
    async def scenario() -> None:
        async with service(tmp_path) as found:
            for answer in (await found.get(f"/v1/models/{name}"), await found.post(f"/v1/models/{name}/activate")):
                assert answer.status_code == 404
                assert answer.json()["error"]["code"] in ("unknown_model", "not_found")

    asyncio.run(scenario())


def test_an_activation_and_a_rollback_are_in_service_soon(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with service(tmp_path) as found:
            a, b = saved(found.registry, 2)
            steps: list[tuple[str, dict[str, Any]]] = [
                (f"/v1/models/{a}/activate", {"version": a, "before": None, "skipped": {}}),
                (f"/v1/models/{b}/activate?reason=better", {"version": b, "before": a, "skipped": {}}),
                (f"/v1/models/{b}/activate", {"version": b, "before": b, "skipped": {}}),
                ("/v1/models/rollback?reason=worse", {"version": a, "before": b, "skipped": {}}),
            ]
            for path, expected in steps:
                answer = await found.post(path)
                assert answer.status_code == 200
                assert ActivationAnswer.model_validate_json(answer.content).model_dump() == expected
                version = expected["version"]
                await found.until(lambda version=version: found.backend.watcher.serving == version)
            assert [(each.act, each.reason) for each in found.registry.history()] == [
                ("activate", "by the API"),
                ("activate", "better"),
                ("rollback", "worse"),
            ]
            nothing_left = await found.post("/v1/models/rollback")
            assert (nothing_left.status_code, nothing_left.json()["error"]["code"]) == (409, "no_earlier_model")

    asyncio.run(scenario())


def test_a_damaged_version_is_refused_and_the_one_before_stays(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with service(tmp_path) as found:
            a, b = saved(found.registry, 2)
            await found.post(f"/v1/models/{a}/activate")
            await found.until(lambda: found.backend.watcher.serving == a)
            damage(found.models_dir, b)
            answer = await found.post(f"/v1/models/{b}/activate")
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "damaged_model")
            assert answer.json()["error"]["message"].startswith(f"{b}/item_vectors.npy: must have SHA-256 ")

            (found.models_dir / "CURRENT").write_text(f"{b}\n")  # by other means
            await found.until(lambda: found.backend.watcher.refusal is not None)
            told = ModelsAnswer.model_validate_json((await found.get("/v1/models")).content)
            assert (told.current, told.serving) == (b, a)
            assert told.refused is not None
            assert told.refused.version == b
            assert found.backend.warnings() == [
                f"model {b}: is current and not in service; {told.refused.reason}",
            ]
            metrics = (await found.client.get("/metrics")).text
            # Of this process, in which other tests may have counted before.
            assert re.search(r"^liveshelf_api_model_failures [1-9]", metrics, re.MULTILINE)
            assert re.search(r"^liveshelf_api_model_refused 1", metrics, re.MULTILINE)
            assert re.search(r"^liveshelf_api_model_swap_seconds_count [1-9]", metrics, re.MULTILINE)

            assert (await found.post("/v1/models/rollback")).json()["version"] == a
            await found.until(lambda: found.backend.watcher.refusal is None)

    asyncio.run(scenario())


def test_a_damaged_version_that_is_mended_comes_into_service_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with service(tmp_path) as found:
            a, b = saved(found.registry, 2)
            found.registry.activate(a)
            path = found.models_dir / b / "item_vectors.npy"
            whole = path.read_bytes()
            damage(found.models_dir, b)
            (found.models_dir / "CURRENT").write_text(f"{b}\n")
            await found.until(lambda: found.backend.watcher.refusal is not None)
            path.write_bytes(whole)
            await found.until(lambda: found.backend.watcher.serving == b)
            assert found.backend.watcher.refusal is None

    asyncio.run(scenario())


def test_who_comes_while_others_change_models_is_told_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "_LOCK_WAIT_S", 0.05)

    async def scenario() -> None:
        async with service(tmp_path) as found:
            (version,) = saved(found.registry, 1)
            with lock_folder(found.models_dir, "models prune"):
                answer = await found.post(f"/v1/models/{version}/activate")
            assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")
            assert answer.json()["error"]["code"] == "models_busy"

    asyncio.run(scenario())
