"""A user is erased from a whole installation: nothing is left of the one, and nothing has changed of all others."""

from __future__ import annotations

import json
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
import redis
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from cli.main import app
from cli.train import run as train
from recommender.embedded_redis import EmbeddedRedis, answers, start_locked, url_of
from recommender.eventlog import SHOPPER, LogRecord
from recommender.history import part_files
from recommender.history.erasing import PERSONAL_TABLES
from recommender.installation import Installation
from recommender.model.registry import ModelRegistry
from recommender.settings import Settings
from recommender.store.repository import apply
from recommender.training.parameters import TrainingParameters
from tests.conftest import free_port
from tests.e2e.api_server import running_api
from tests.erasing import (
    ERASED,
    OTHERS,
    SESSIONS,
    append,
    history_of_others,
    records,
    rows_of_others,
    traces_in_files,
    traces_in_redis,
)
from tests.integration.stream import Stream, eventually

KEY = "k" * 43
PARAMETERS = TrainingParameters(embedding_size=8, threads=1, most_epochs=2, ranker_questions=100, test_examples=100)


@pytest.fixture
def own_settings(tmp_path: Path) -> Iterator[Settings]:
    """An installation whose Redis keeps an append-only file in its data folder, as the embedded one does."""
    data_dir = tmp_path / "data"
    server = EmbeddedRedis(data_dir / "redis", "everysec")
    port = free_port()
    (data_dir / "redis").mkdir(parents=True)
    process = start_locked(server, port, tmp_path / "redis.log")
    eventually(lambda: answers(url_of(port)), 20)
    yield Settings(data_dir=data_dir, redis_url=url_of(port), port=free_port(), run_key=SecretStr(KEY))
    process.terminate()
    process.wait(20)


def wait_complete(client: httpx.Client, erasure_id: str, seconds: float = 90) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def is_complete() -> bool:
        found.update(client.get(f"/v1/erasures/{erasure_id}").raise_for_status().json())
        return found["status"] == "complete"

    eventually(is_complete, seconds)
    return found


def train_model(settings: Settings) -> list[str]:
    """Train a version and return the features by which it knows shoppers."""
    assert train(settings.data_dir, as_json=True, parameters=PARAMETERS, force=True) == 0
    registry = ModelRegistry(Installation(settings.data_dir).models_dir)
    return registry.load(registry.current_version() or "").shopper_features


def leave_traces_elsewhere(settings: Settings, client: httpx.Client) -> None:
    """Leave dead letters of all kinds, hidden items, cached slates, and files of loads and validations."""
    bad = {"kind": "view", "event_id": "x", "event_time": "yesterday", "item_id": "shoe-1"}
    assert client.post("/v1/events", json=bad | {"user_id": ERASED}).status_code == 422
    assert client.post("/v1/events", json=bad | {"userId": ERASED, "user_id": "shopper-1"}).status_code == 422
    assert client.post("/v1/events", json=bad | {"session_id": SESSIONS[0]}).status_code == 422
    assert client.post("/v1/events", json=[bad | {"user_id": OTHERS[0]}, 7]).status_code == 422
    assert client.post("/v1/events", content=b'[{"user_id": "%s", ' % ERASED.encode()).status_code in {400, 415}
    append(settings, [LogRecord(SHOPPER, "x", b'{"kind": "view", "user_id": "%s", ' % ERASED.encode())])
    for user_id in (ERASED, OTHERS[0]):
        assert client.put(f"/v1/users/{user_id}/hidden/shoe-3").is_success
        assert client.get(f"/v1/users/{user_id}/recommendations").is_success
    assert client.get(f"/v1/users/{ERASED}/recommendations", params={"session_id": SESSIONS[1]}).is_success
    installation = Installation(settings.data_dir)
    installation.rejects_dir.mkdir()
    lines = [{"file": "a", "line_number": 1, "reason": "r", "event": {"user_id": user}} for user in (ERASED, OTHERS[0])]
    text = "".join(json.dumps(line) + "\n" for line in [*lines, {"file": "a", "reason": "r", "row": f"1,{ERASED},2"}])
    (installation.rejects_dir / "generic-1.jsonl").write_text(text)
    sample = installation.validation_dir / "sample"
    sample.mkdir(parents=True)
    shutil.copy(part_files(installation.history_dir, "events")[0], sample / "events.parquet")


def test_nothing_is_left_of_an_erased_user_and_all_others_are_as_they_were(own_settings: Settings) -> None:
    settings, log_file = own_settings, own_settings.data_dir / "logs" / "api.log"
    installation = Installation(settings.data_dir)
    store = redis.Redis.from_url(str(settings.redis_url))
    apply(settings)
    log_file.parent.mkdir()
    append(settings, records())
    stream = Stream(settings)
    stream.start()
    try:
        stream.wait_until_drained()
        assert f"user={ERASED}" in train_model(settings)
        with running_api(settings, log_file) as client:
            client.headers["authorization"] = f"Bearer {KEY}"
            leave_traces_elsewhere(settings, client)
            stream.wait_until_drained()
            letters = int(store.zcard("liveshelf:deadletters:by_last_seen"))  # type: ignore[arg-type]
            held = client.get(f"/v1/users/{ERASED}/export").raise_for_status().json()
            check_export(held)
            features, history = rows_of_others(settings), history_of_others(settings)
            assert traces_in_redis(store)
            assert len(traces_in_files(settings.data_dir)) > 10

            began = time.monotonic()
            answer = client.delete(f"/v1/users/{ERASED}")
            assert answer.status_code == 202
            assert answer.json()["status"] == "pending"
            again = client.delete(f"/v1/users/{ERASED}").json()
            assert again["erasure_id"] == answer.json()["erasure_id"]
            done = wait_complete(client, answer.json()["erasure_id"])
            print(f"erased in {time.monotonic() - began:.1f} s: {done}")

            assert traces_in_redis(store) == []
            assert traces_in_files(settings.data_dir) == []
            assert rows_of_others(settings) == features
            assert history_of_others(settings) == history
            counts = done["counts"]
            assert (counts["history_events"], counts["sessions"], counts["hidden_items"]) == (84, 12, 1)
            assert (counts["history_user"], counts["history_session"]) == (60, 84)
            assert (counts["dead_letters"], counts["model_versions"]) == (letters - 2, 1)
            assert counts["log_entries"] == 85
            assert done["remarks"] == []
            assert store.scard(f"liveshelf:hidden:{OTHERS[0]}") == 1
            assert len((installation.rejects_dir / "generic-1.jsonl").read_text().splitlines()) == 1

            names = train_model(settings)
            assert f"user={OTHERS[0]}" in names
            assert traces_in_files(settings.data_dir) == []
            check_audit(installation)
            assert client.get("/v1/erasures/0123").status_code == 404
            check_command_line(settings, client, log_file.parent)
            check_new_beginning(settings, client, stream)
    finally:
        stream.kill()


def check_export(held: dict[str, Any]) -> None:
    assert held["user_id"] == ERASED
    assert set(SESSIONS) < set(held["sessions"])
    assert {view: len(rows) for view, rows in held["features"].items()} == {
        "user": 1,
        "user_items": 1,
        "user_purchases": 1,
        "session": 12,
    }
    assert held["hidden_items"] == ["shoe-3"]
    assert held["cached_slates"]
    assert len(held["history"]["events"]) == 84
    assert {event["payload"]["session_id"] for event in held["history"]["events"]} == set(SESSIONS)
    assert len(held["dead_letters"]) >= 4
    assert len(held["event_log"]) == 1, "all others are in the history"
    assert not any(user_id in json.dumps(held["history"]) for user_id in OTHERS)


def check_audit(installation: Installation) -> None:
    lines = [json.loads(line) for line in installation.audit_path.read_text().splitlines()]
    assert [line["act"] for line in lines] == ["export", "erasure_requested", "erasure_completed"]
    assert len({line["user_digest"] for line in lines}) == 1
    assert {line["key_id"] for line in lines} == {"run"}
    assert lines[1]["erasure_id"] == lines[2]["erasure_id"]
    assert lines[2]["counts"]["history_events"] == 84
    for path in (installation.audit_path, installation.secret_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def check_command_line(settings: Settings, client: httpx.Client, folder: Path) -> None:
    def command(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["users", *arguments, "--url", str(client.base_url), "--api-key", KEY])

    file = folder / "other.json"
    assert command("export", OTHERS[0], "--output", str(file)).exit_code == 0
    assert len(json.loads(file.read_text())["history"]["events"]) == 84
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    client.delete("/v1/users/nobody/of that name").raise_for_status()
    done = command("erase", "nobody/of that name", "--json")  # joins that one
    assert (done.exit_code, json.loads(done.stdout)["status"]) == (0, "complete")
    assert not any(json.loads(done.stdout)["counts"].values())


def check_new_beginning(settings: Settings, client: httpx.Client, stream: Stream) -> None:
    fresh = [record for record in records() if record.key == ERASED][:3]
    append(settings, fresh)
    stream.wait_until_drained()
    held = client.get(f"/v1/users/{ERASED}/export").raise_for_status().json()
    assert [row["views"] for row in held["features"]["session"]] == [3]
    assert len(held["history"]["events"]) == 3


@pytest.mark.long
def test_the_dataflow_may_be_killed_at_any_moment_of_an_erasure(own_settings: Settings) -> None:
    settings = own_settings
    apply(settings)
    append(settings, records())
    stream = Stream(settings)
    stream.start()
    try:
        stream.wait_until_drained()
        history = history_of_others(settings)
        with running_api(settings, settings.data_dir / "api.log") as client:
            client.headers["authorization"] = f"Bearer {KEY}"
            erasure_id = client.delete(f"/v1/users/{ERASED}").json()["erasure_id"]
            installation = Installation(settings.data_dir)
            eventually(lambda: is_rewriting(installation), 30)
            for pause_s in (0.0, 1.2, 2.5):
                time.sleep(pause_s)
                stream.kill()
                stream.start()
            done = wait_complete(client, erasure_id, 180)
            assert done["counts"]["history_events"] == 84
            store = redis.Redis.from_url(str(settings.redis_url))
            assert traces_in_redis(store) == []
            assert traces_in_files(settings.data_dir) == []
            assert history_of_others(settings) == history
    finally:
        stream.kill()


def is_rewriting(installation: Installation) -> bool:
    """Tell whether the first part-file is being written anew, or has just been."""
    for table in PERSONAL_TABLES:
        folder = installation.history_dir / table
        if any(folder.glob(".*.writing")):
            return True
        rows = [pq.read_table(path).to_pylist() for path in part_files(installation.history_dir, table)]
        if ERASED not in repr(rows):
            return True
    return False
