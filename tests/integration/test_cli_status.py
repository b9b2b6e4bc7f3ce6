from __future__ import annotations

import json
import os
from pathlib import Path

import psutil
import pytest
import redis

from cli.status import read_status, run
from recommender.deadletters import RedisDeadLetters, dead_letter
from recommender.eventlog import open_event_log, record_of
from recommender.events import decode_event
from recommender.features import interaction
from recommender.history import HistoryWriter
from recommender.installation import Installation, RunRecord
from recommender.learning.record import LearningRecord, write_record
from recommender.settings import Settings

VIEW = b'{"kind":"view","event_id":"e1","event_time":"2026-01-01T10:00:00Z","user_id":"anna","item_id":"boot"}'


def as_if_it_ran(settings: Settings) -> Installation:
    installation = Installation(settings.data_dir)
    gone = 2**22 - 1
    assert settings.redis_url is not None
    own = psutil.Process()
    record = RunRecord(own.pid, own.create_time(), settings.redis_url, "http://127.0.0.1:8000", {"api": gone})
    installation.write_run_record(record)
    return installation


def test_a_running_installation_tells_its_lag_and_its_processes(settings: Settings) -> None:
    as_if_it_ran(settings)
    log = open_event_log(settings)
    log.append([record_of(decode_event(VIEW))])
    log.close()
    assert settings.redis_url is not None
    with redis.Redis.from_url(settings.redis_url) as client:
        RedisDeadLetters(client).add([dead_letter("api", "a reason", b"{}")])
    status = read_status(settings.model_copy(update={"redis_url": None}))
    assert status["running"] is True
    assert status["api_url"] == "http://127.0.0.1:8000"
    assert (status["lag"], status["dead_letters"], status["unknown"]) == (1, 1, None)
    assert status["processes"]["supervisor"] == {"pid": os.getpid(), "alive": True}
    assert status["processes"]["api"]["alive"] is False


def test_a_process_that_was_given_up_is_told(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    installation = as_if_it_ran(settings)
    record = installation.run_record()
    assert record is not None
    record.processes, record.lasting = {"api-1": os.getpid()}, ["api-1", "api-2"]
    installation.write_run_record(record)
    processes = read_status(settings)["processes"]
    assert (processes["api-1"]["alive"], processes["api-2"]) == (True, {"pid": None, "alive": False})
    assert run(settings.data_dir, as_json=False) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "process api-2" in line)
    assert "does not run; see its log" in line


def test_a_stopped_installation_tells_its_history_and_model(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    installation = Installation(tmp_path)
    writer = HistoryWriter(installation.history_dir, "0", 0)
    writer.add_event(interaction(decode_event(VIEW)))  # type: ignore[arg-type]
    writer.flush()
    installation.models_dir.mkdir()
    (installation.models_dir / "CURRENT").write_text("m-1\n")
    status = read_status(settings)
    assert status["running"] is False
    assert status["processes"] == {}
    assert (status["lag"], status["dead_letters"]) == (None, None)
    assert status["unknown"] == "not known while the installation is stopped"
    assert status["model"] == "m-1"
    assert status["learning"] is None
    write_record(installation.learning_path, LearningRecord(phase="learning", version="m-1", examples=7, mrr=0.25))
    learning = read_status(settings)["learning"]
    assert (learning["phase"], learning["version"], learning["examples"], learning["mrr"]) == (
        "learning",
        "m-1",
        7,
        0.25,
    )
    assert (status["history"]["events"], status["history"]["user"]) == (1, 0)


def test_a_redis_that_does_not_answer_is_told(settings: Settings) -> None:
    as_if_it_ran(settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"}))
    status = read_status(settings)
    assert status["running"] is True
    assert status["lag"] is None
    assert status["unknown"] == "Redis does not answer (ConnectionError)"


def test_the_lag_of_an_event_log_on_kafka_is_told_though_only_the_run_record_names_it(
    kafka_settings: Settings,
) -> None:
    installation = as_if_it_ran(kafka_settings)
    record = installation.run_record()
    assert record is not None
    record.event_log = kafka_settings.event_log
    installation.write_run_record(record)
    log = open_event_log(kafka_settings)
    log.append([record_of(decode_event(VIEW))])
    log.close()
    assert read_status(kafka_settings.model_copy(update={"event_log": None}))["lag"] == 1


def test_a_kafka_that_does_not_answer_is_told_and_dead_letters_all_the_same(settings: Settings) -> None:
    as_if_it_ran(settings)
    away = {"event_log": "kafka://127.0.0.1:1", "kafka_timeout_seconds": 1.0}
    status = read_status(settings.model_copy(update=away))
    assert (status["lag"], status["dead_letters"]) == (None, 0)
    assert status["unknown"].startswith("event log: Kafka does not answer (")


def test_status_prints_one_json_object(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    as_if_it_ran(settings)
    assert run(settings.data_dir, True) == 0
    assert json.loads(capsys.readouterr().out)["running"] is True


def test_status_is_a_table_for_people(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    as_if_it_ran(settings)
    assert run(settings.data_dir, False) == 0
    assert "running" in capsys.readouterr().out
