"""Several API processes behind one port, as `liveshelf up --api-workers` runs them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.server import shared_port
from tests.conftest import free_port
from tests.e2e.test_up import Shop, wait_until

REQUESTS = 40


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def ask(shop: Shop) -> int:
    """Ask over a connection of its own, so that the kernel chooses the process anew; refused ones are not retried."""
    return httpx.get(f"http://127.0.0.1:{shop.port}/v1/trending", trust_env=False, timeout=10).status_code


def samples(shop: Shop, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    text = httpx.get(f"http://127.0.0.1:{shop.port}/metrics", trust_env=False, timeout=10).text
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def trending(shop: Shop) -> float:
    """How many slates of what is in demand were given, live or out of the cache."""
    found = samples(shop, "liveshelf_api_slates_total")
    return sum(count for labels, count in found.items() if ("surface", "trending") in labels)


def is_told_of(shop: Shop) -> set[str] | None:
    """The processes that metrics tell of; None where the one that is just dying was asked."""
    try:
        return {dict(labels)["process"] for labels in samples(shop, "process_resident_memory_bytes")}
    except httpx.TransportError:
        return None


@pytest.mark.timeout(300)
def test_several_processes_share_the_port_and_one_that_is_killed_comes_back_while_the_others_answer(shop: Shop) -> None:
    shop.start("--dev", "--api-workers", "2", learn="false")
    before = shop.status()["processes"]
    assert set(before) == {"supervisor", "redis", "dataflow", "api-1", "api-2"}

    assert {ask(shop) for _ in range(REQUESTS)} == {200}
    assert is_told_of(shop) == {"api-1", "api-2"}
    assert trending(shop) == REQUESTS, "whichever process tells, it tells of all"
    wait_until(lambda: samples(shop, "liveshelf_api_ready") == {(): 1.0}, 30)

    os.kill(before["api-2"]["pid"], signal.SIGKILL)
    wait_until(lambda: is_told_of(shop) == {"api-1"}, 60)
    assert {ask(shop) for _ in range(REQUESTS)} == {200}, "no request may go to a process that is not warm"
    wait_until(lambda: is_told_of(shop) == {"api-1", "api-2"}, 60)

    def is_back() -> bool:
        now = shop.status()["processes"].get("api-2")
        return now is not None and now["alive"] and now["pid"] != before["api-2"]["pid"]

    wait_until(is_back, 60)
    assert trending(shop) == 2 * REQUESTS, "counts outlive the process"
    after = shop.status()["processes"]
    assert [after[name]["pid"] for name in ("redis", "dataflow", "api-1")] == [
        before[name]["pid"] for name in ("redis", "dataflow", "api-1")
    ], "nothing else was stopped"
    assert shop.stop() == 0


def test_a_port_can_be_shared_only_by_those_who_mean_to() -> None:
    port = free_port()
    with shared_port("127.0.0.1", port) as first, shared_port("127.0.0.1", port), socket.socket() as other:
        assert first.getsockname()[1] == port
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))


def test_a_process_that_cannot_read_the_feature_store_serves_what_it_has(tmp_path: Path) -> None:
    port, private_port, dead_port = free_port(), free_port(), free_port()
    settings = {
        "LIVESHELF_DATA_DIR": str(tmp_path),
        "LIVESHELF_DEV": "true",
        "LIVESHELF_REDIS_URL": f"redis://127.0.0.1:{dead_port}/0",
        "LIVESHELF_PORT": str(port),
        "LIVESHELF_API_PROCESS": "api-1",
        "LIVESHELF_API_PRIVATE_PORT": str(private_port),
    }
    with subprocess.Popen([sys.executable, "-m", "api"], env=os.environ | settings) as process:
        try:
            wait_until(lambda: status(port, "/v1/trending") == 200, 60)
            assert status(port, "/health/ready") == status(private_port, "/health/ready") == 503
        finally:
            process.terminate()
            assert process.wait(20) == 0


def status(port: int, path: str) -> int | None:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=10).status_code
    except httpx.TransportError:
        return None
