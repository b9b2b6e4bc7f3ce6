"""A benchmark begins once the API has loaded all of it."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from benchmarks.serve.ready import serves


def metrics(items: int, model: float) -> str:
    registry = CollectorRegistry()
    Gauge("liveshelf_api_items", "Items", registry=registry).set(items)
    Gauge("liveshelf_api_model_info", "Model", ["version"], registry=registry).labels("new").set(model)
    return generate_latest(registry).decode()


@pytest.mark.parametrize("items", [8, 100_000, 1_000_000, 12_345_678])
def test_an_api_with_all_items_and_the_model_is_ready(items: int) -> None:
    assert serves(metrics(items, 1), items, "new")


def test_an_api_that_lacks_items_or_the_model_is_not() -> None:
    assert not serves(metrics(999_999, 1), 1_000_000, "new")
    assert not serves(metrics(1_000_000, 0), 1_000_000, "new")
    assert not serves(metrics(1_000_000, 1), 1_000_000, "newer")
    assert not serves("", 1_000_000, "new")
