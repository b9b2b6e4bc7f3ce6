"""A real API process for tests: uvicorn, a real Redis, a real feature store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from recommender.settings import Settings
from recommender.store.repository import apply

_START_S = 120
_PATIENCE_MS = 5_000
"""A busy computer makes slates late, which only some tests are about."""


@contextmanager
def running_api(settings: Settings, log: Path, *, up_at: str = "/health/ready") -> Iterator[httpx.Client]:
    """Apply the feature definitions, start the API, and wait until an address of it says that all is well."""
    apply(settings)
    environment = os.environ | {
        "LIVESHELF_DATA_DIR": str(settings.data_dir),
        "LIVESHELF_REDIS_URL": str(settings.redis_url),
        "LIVESHELF_PORT": str(settings.port),
        "LIVESHELF_DEV": str(settings.dev).lower(),
        "LIVESHELF_DEADLINE_MS": str(
            settings.deadline_ms if "deadline_ms" in settings.model_fields_set else _PATIENCE_MS
        ),
        "LIVESHELF_RUN_KEY": settings.run_key.get_secret_value() if settings.run_key else "",
    }
    with (
        log.open("wb") as output,
        subprocess.Popen([sys.executable, "-m", "api"], env=environment, stderr=output, stdout=output) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=30) as client,
    ):
        try:
            wait_until(lambda: client.get(up_at).status_code == 200, _START_S)
            yield client
        finally:
            process.terminate()
            process.wait(20)


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return once the condition holds; fail if it does not within the time. A service not there yet is not an error."""
    wait = Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.02),
        retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(lambda held: not held),
    )
    wait(holds)
