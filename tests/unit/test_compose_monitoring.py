"""Prometheus and Grafana: they ask where the services are, and for metrics that exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from api.metrics import Metrics
from dataflows import metrics as stream
from recommender.learning import metrics as learning
from tests.needs import tool

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
ALERT_TESTS = Path(__file__).with_name("compose_alerts.yml")

OF_OTHERS = {
    "up": set(),
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
    "bytewax_snapshot_duration_seconds_bucket": {"le", "step_id", "worker_index"},
}
"""Metrics of Prometheus, of its Python client and of Bytewax, with their labels."""
ON_ALL = {"job", "instance"}
_SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
_SELECTOR = re.compile(r"\b([a-z_]+(?::[a-z0-9_]+)*)(?:\{([^}]*)\})?(?=[\s\[)*/<>=+-]|$)")
_FUNCTIONS = {"sum", "rate", "by", "le", "max", "min", "histogram_quantile", "increase", "delta", "vector", "and", "or"}
_GROUPING = re.compile(r"\b(?:by|ignoring) \(([^)]*)\)")


def collectors() -> Iterator[MetricWrapperBase]:
    yield from (value for value in vars(Metrics()).values() if isinstance(value, MetricWrapperBase))
    for module in (stream, learning):
        yield from (value for value in vars(module).values() if isinstance(value, MetricWrapperBase))


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Name and labels of every metric that can be asked for."""
    found = dict(OF_OTHERS)
    for collector in collectors():
        family = next(iter(collector.describe()))
        for suffix in _SUFFIXES[family.type]:
            labels = {"le"} if suffix == "_bucket" else set()
            found[family.name + suffix] = labels | set(collector._labelnames)
    for rule in rules():
        if "record" in rule:
            found[rule["record"]] = set()
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [
        panel
        for path in sorted((GRAFANA / "dashboards").glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        if panel["type"] != "row"
    ]


def queries() -> list[tuple[str, str]]:
    of_rules = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]
    return of_rules + [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


def named(query: str) -> list[tuple[str, set[str]]]:
    """Return the metrics that a query names, each with the labels it selects by."""
    without_groups = _GROUPING.sub("", query)
    return [
        (name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)))
        for name, selector in _SELECTOR.findall(without_groups)
        if name not in _FUNCTIONS and name not in {"ignoring", "group_left"}
    ]


@pytest.mark.parametrize(("where", "query"), queries())
def test_a_query_names_metrics_and_labels_that_exist(where: str, query: str, exported: dict[str, set[str]]) -> None:
    found = named(query)
    assert found or query.startswith("vector("), query
    for name, labels in found:
        assert name in exported, f"{where}: {name}"
        assert labels <= exported[name] | ON_ALL, f"{where}: {name}"
    grouped = {label.strip() for labels in _GROUPING.findall(query) for label in labels.split(",")}
    assert grouped <= set().union(*(exported[name] for name, _ in found), ON_ALL) if found else not grouped


def test_prometheus_asks_the_services_at_their_ports() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    port = services["api"]["environment"]["LIVESHELF_PORT"]
    assert jobs["api"]["static_configs"][0]["targets"] == [f"api:{port}"]
    learner = services["learner"]["environment"]
    assert jobs["learner"]["static_configs"][0]["targets"] == [f"learner:{learner['LIVESHELF_LEARN_METRICS_PORT']}"]
    assert services["prometheus"]["entrypoint"][2] in jobs["worker"]["file_sd_configs"][0]["files"]
    assert services["worker"]["environment"]["BYTEWAX_DATAFLOW_API_ENABLED"] == "1"
    assert all((PROMETHEUS / name).is_file() for name in config["rule_files"])


@pytest.mark.parametrize(("workers", "ports"), [(None, ["3030"]), ("1", ["3030"]), ("3", ["3030", "3031", "3032"])])
def test_prometheus_is_told_of_every_process_of_the_dataflow(
    tmp_path: Path, workers: str | None, ports: list[str]
) -> None:
    command = ["sh", str(PROMETHEUS / "start.sh"), str(tmp_path / "workers.json"), "echo", "--config.file=x"]
    env = {"PATH": os.environ["PATH"]} | ({"LIVESHELF_WORKERS": workers} if workers else {})
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    assert done.stdout == "--config.file=x\n"
    told = json.loads((tmp_path / "workers.json").read_text())
    assert told == [{"targets": [f"worker:{port}" for port in ports]}]


def test_prometheus_accepts_its_files() -> None:
    command = [tool("promtool"), "check", "config", str(PROMETHEUS / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_how_urgent_it_is_and_what_is_wrong() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len(alerts) >= 10
    for alert in alerts:
        assert alert["labels"]["severity"] in {"page", "ticket"}, alert["alert"]
        assert alert["annotations"]["summary"], alert["alert"]


def test_every_panel_has_a_place_of_its_own_and_the_provisioned_source() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        assert panel["datasource"]["uid"] == source["uid"], panel["title"]


def test_alerts_fire_when_they_should_and_only_then() -> None:
    done = subprocess.run(
        [tool("promtool"), "test", "rules", str(ALERT_TESTS)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
