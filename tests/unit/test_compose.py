"""The deployment files: what they name must exist, and the tools that read them must accept them."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from recommender.settings import Settings
from tests.needs import tool

ROOT = Path(__file__).parents[2]
OURS = ("init", "api", "worker", "learner")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file with its anchors resolved."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def test_docker_compose_accepts_the_file_and_sees_all_services() -> None:
    command = [tool("docker-compose"), "--file", str(ROOT / "docker-compose.yml"), "config"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVESHELF_")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    services = yaml.safe_load(done.stdout)["services"]
    assert set(services) == {*OURS, "redis", "kafka", "prometheus", "grafana"}
    assert services["api"]["environment"]["LIVESHELF_REDIS_URL"] == "redis://redis:6379/0"
    assert services["api"]["environment"]["LIVESHELF_EVENT_LOG"] == "kafka://kafka:9092"
    assert services["worker"]["depends_on"]["init"] == {"condition": "service_completed_successfully"}


def test_the_broker_is_the_one_that_the_tests_run(compose: dict[str, Any]) -> None:
    pom = (ROOT / "tests" / "kafka" / "pom.xml").read_text()
    tested = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([^<]+)</version>", pom)
    assert tested is not None
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{tested[1]}"


def test_both_ends_of_the_event_log_wait_for_it_and_agree_where_it_is(compose: dict[str, Any]) -> None:
    ends = [compose["services"][name] for name in ("api", "worker", "learner")]
    assert all("kafka" in end["depends_on"] for end in ends)
    settings = [{n: v for n, v in end["environment"].items() if "KAFKA" in n or "EVENT_LOG" in n} for end in ends]
    assert settings[0] == settings[1] == settings[2]
    assert "LIVESHELF_EVENT_LOG" in settings[0]


def test_every_service_that_stays_has_a_health_check(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert name == "init" or {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys(), name


def test_services_wait_until_what_they_need_is_healthy_or_done(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed == "init" else "service_healthy"
            assert how == {"condition": expected}, (name, needed)


def test_data_that_must_last_lies_in_named_volumes(compose: dict[str, Any]) -> None:
    used = [mount.split(":") for service in compose["services"].values() for mount in service.get("volumes", [])]
    assert {mount[0] for mount in used if not mount[0].startswith(".")} == set(compose["volumes"])
    for mount in used:
        assert not mount[0].startswith(".") or (ROOT / mount[0]).is_dir(), mount


def test_ports_are_open_to_this_computer_alone(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_setting_named_exists(compose: dict[str, Any]) -> None:
    named = {name for service in compose["services"].values() for name in service.get("environment", {})}
    settings = {f"LIVESHELF_{field.upper()}" for field in Settings.model_fields}
    ours = {name for name in named if name.startswith("LIVESHELF_")}
    assert {"LIVESHELF_DATA_DIR", "LIVESHELF_REDIS_URL", "LIVESHELF_HOST"} <= ours <= settings


def test_the_image_holds_every_package_and_all_that_the_services_run(compose: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    }
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in pyproject["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages <= copied
    scripts = {
        service["command"][0] for service in compose["services"].values() if isinstance(service.get("command"), list)
    }
    assert {script.removeprefix("/app/") for script in scripts if script.startswith("/app/")} <= copied
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source.split('/')[0]}" in ignored, source


@pytest.mark.parametrize("script", ["init.sh", "worker.sh"])
def test_a_script_of_the_image_can_be_run(script: str) -> None:
    path = ROOT / "deploy" / script
    assert os.access(path, os.X_OK)
    assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0
