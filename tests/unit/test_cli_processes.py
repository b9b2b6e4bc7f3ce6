from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cli.demo import SEED, demo_processes
from cli.processes import api_url, service_processes
from cli.supervision import ProcessSpec, RestartPolicy
from cli.up import end_leftovers
from recommender.installation import Installation, RunRecord, write_atomically
from recommender.settings import Settings
from recommender.simulator.runs import Past

REDIS_URL = "redis://127.0.0.1:9/0"


def names(specs: list[ProcessSpec]) -> list[str]:
    return [spec.name for spec in specs]


def services(data_dir: Path) -> list[ProcessSpec]:
    return service_processes(Settings(data_dir=data_dir), REDIS_URL, embedded=True)


def apply_features(data_dir: Path) -> None:
    """As if the update of the registry had run and ended well."""
    (apply,) = (spec for spec in services(data_dir) if spec.name == "features")
    Installation(data_dir).registry_path.touch()
    assert apply.ready is not None
    assert apply.ready()


def test_the_registry_is_updated_first_and_only_while_it_is_not_up_to_date(tmp_path: Path) -> None:
    assert names(services(tmp_path)) == ["features", "dataflow", "api", "learner"]
    apply_features(tmp_path)
    assert names(services(tmp_path)) == ["dataflow", "api", "learner"]
    Installation(tmp_path).registry_path.unlink()
    assert names(services(tmp_path)) == ["features", "dataflow", "api", "learner"]


def test_the_registry_is_updated_when_the_definitions_or_the_folder_have_changed(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    apply_features(old)
    old.rename(new)
    assert names(services(new)) == ["features", "dataflow", "api", "learner"]
    apply_features(new)
    write_atomically(new / "registry.made_from", b"other definitions")
    assert names(services(new)) == ["features", "dataflow", "api", "learner"]


def test_the_processes_are_told_of_an_event_log_that_is_not_in_redis(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, event_log="kafka://127.0.0.1:9092")
    specs = service_processes(settings, REDIS_URL, embedded=True)
    assert {spec.env.get("LIVESHELF_EVENT_LOG") for spec in specs} == {"kafka://127.0.0.1:9092"}
    assert all("LIVESHELF_EVENT_LOG" not in spec.env for spec in services(tmp_path))


def test_nothing_waits_for_a_redis_that_is_not_ours(tmp_path: Path) -> None:
    specs = service_processes(Settings(data_dir=tmp_path), REDIS_URL, embedded=False)
    assert [spec.after for spec in specs] == [(), ("features",), ("features",), ("features", "api")]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("shop.local", "http://shop.local:8000"),
    ],
)
def test_the_address_of_the_api_is_one_that_can_be_asked(host: str, url: str) -> None:
    assert api_url(Settings(host=host)) == url


def test_a_demonstration_has_its_past_and_its_first_model_once(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert names(demo_processes(settings, REDIS_URL)) == ["past", "train", "shop", "retrain"]
    Past(SEED, 0, sent=10, complete=False).write(tmp_path / "demo.json")
    assert names(demo_processes(settings, REDIS_URL)) == ["past", "train", "shop", "retrain"]
    Past(SEED, 0, sent=20, complete=True).write(tmp_path / "demo.json")
    assert names(demo_processes(settings, REDIS_URL)) == ["train", "shop", "retrain"]
    write_atomically(tmp_path / "models" / "CURRENT", b"20260101T000000-0000\n")
    assert names(demo_processes(settings, REDIS_URL)) == ["shop", "retrain"]


def test_waits_between_starts_grow_up_to_a_limit() -> None:
    policy = RestartPolicy(first_wait_s=0.5, longest_wait_s=10.0)
    assert [policy.wait_s(deaths) for deaths in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_only_processes_of_this_folder_are_ended_after_a_kill(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    sleeper = [sys.executable, "-S", "-c", "import signal; signal.pause()"]
    ours = subprocess.Popen(sleeper, env={"LIVESHELF_DATA_DIR": str(installation.data_dir)})
    others = subprocess.Popen(sleeper, env={"LIVESHELF_DATA_DIR": "/elsewhere"})
    try:
        pids = {"api": ours.pid, "dataflow": others.pid, "shop": 2**22 - 1}
        installation.write_run_record(RunRecord(1, 0.0, REDIS_URL, "http://127.0.0.1:8000", pids))
        end_leftovers(installation)
        assert not psutil.pid_exists(ours.pid)
        assert others.poll() is None
    finally:
        ours.kill()
        others.kill()
        ours.wait()
        others.wait()


def test_the_learner_can_be_left_out_and_nothing_is_stopped_when_it_is_given_up(tmp_path: Path) -> None:
    (learner,) = (spec for spec in services(tmp_path) if spec.name == "learner")
    assert not learner.vital
    without = service_processes(Settings(data_dir=tmp_path, learn=False), REDIS_URL, embedded=True)
    assert "learner" not in names(without)


def test_several_processes_of_the_api_have_ports_of_their_own_and_the_learner_waits_for_all(tmp_path: Path) -> None:
    specs = service_processes(Settings(data_dir=tmp_path, api_workers=3), REDIS_URL, embedded=True)
    apis = [spec for spec in specs if spec.name.startswith("api")]
    assert [(spec.name, spec.env["LIVESHELF_API_PROCESS"], spec.vital) for spec in apis] == [
        ("api-1", "api-1", True),
        ("api-2", "api-2", False),
        ("api-3", "api-3", False),
    ]
    assert len({spec.env["LIVESHELF_API_PRIVATE_PORT"] for spec in apis}) == 3
    assert {spec.name: spec.after for spec in specs}["learner"] == ("redis", "features", "api-1", "api-2", "api-3")
