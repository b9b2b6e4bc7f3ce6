"""A whole installation as ``liveshelf up`` starts it, filled by the API, for what happens under load."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import orjson

from benchmarks.rollback import shop
from benchmarks.serve.ready import serves
from benchmarks.serve.shoppers import user_id
from benchmarks.serve.sources import view
from benchmarks.serve.trees import ranker
from benchmarks.stream.children import ChildFailed, Children, clean_environment, python, wait_until
from benchmarks.stream.place import free_port
from benchmarks.stream.progress import Section
from recommender.eventlog import LogUnavailable, open_event_log
from recommender.features.item_catalogue import ItemCatalogue
from recommender.installation import Installation
from recommender.model.registry import ModelRegistry
from recommender.settings import Settings

_START_S = 300.0
_DRAIN_S = 300.0
_BATCH = 500
_VIEWS = 4
CONSUMER = "features"


class Up:
    """A running installation.

    Args:
        folder: where its data goes.
        children: ends it.
        section: shows how far it is.
        workers: processes of the API.
        more: further settings.
    """

    def __init__(
        self, folder: Path, children: Children, section: Section, workers: int, more: Mapping[str, str] | None = None
    ) -> None:
        self.installation = Installation(folder / "data")
        self._children = children
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        section.say("starts an installation")
        command = python(
            "-m", "cli.main", "up", "--data-dir", str(self.installation.data_dir), "--port", str(self.port)
        )
        command += ["--dev", "--api-workers", str(workers)]
        self.process = children.start("up", command, clean_environment(learn="false", **(more or {})))
        self.wait(lambda: "Ready: " in children.log_path("up").read_text(errors="replace"), "to be up")
        record = self.installation.run_record()
        if record is None:
            raise children.failed("up", "has written down nothing")
        settings = Settings(data_dir=self.installation.data_dir, redis_url=record.redis_url)
        self.settings = settings.model_copy(update={"event_log": record.event_log})
        self.redis_url = record.redis_url

    def wait(self, holds: Callable[[], bool], what: str, limit_s: float = _START_S) -> None:
        """Wait until something holds, or the installation ends.

        Raises:
            ChildFailed: it ends, or takes longer.
        """

        def look() -> bool:
            if self.process.poll() is not None:
                raise self._children.failed("up", f"ended with code {self.process.returncode}")
            return holds()

        try:
            wait_until(look, limit_s, f"up: {what}")
        except ChildFailed as error:
            raise self._children.failed("up", str(error)) from None

    def pids(self) -> dict[str, int]:
        """Return the pids of its processes."""
        record = self.installation.run_record()
        return dict(record.processes) if record else {}

    def fill(self, items: int, users: int, section: Section) -> str:
        """Describe items, have each shopper look at some of one category, take a model into service; return that."""
        described = shop.catalogue(items)
        section.say("describes the items", items)
        with httpx.Client(base_url=self.url, timeout=60.0, trust_env=False) as client:
            for start in range(0, items, _BATCH):
                batch = [_description(row) for row in described[start : start + _BATCH]]
                _accepted(client.post("/v1/items", content=orjson.dumps(batch), headers=_JSON))
                section.reached(start)
            section.say("has shoppers look around", users)
            views: list[bytes] = []
            for number in range(users):
                for at in range(_VIEWS):
                    place = (number * 7 + 200 * at) % items
                    views.append(view(f"past-{number}-{at}", user_id(number), described[place].item_id))
                if len(views) >= _BATCH or number == users - 1:
                    _accepted(client.post("/v1/events", content=b"[" + b",".join(views) + b"]", headers=_JSON))
                    views.clear()
                    section.reached(number)
            version = self.new_model(described, 0, section)
            section.say("waits until all is in service")
            self.drain()
            self.wait(lambda: _serves(client, items, version), "to serve all items and the model")
        return version

    def new_model(self, described: list[ItemCatalogue], seed: int, section: Section) -> str:
        """Save a model and make it current."""
        section.say("makes a model")
        model = shop.model([row.item_id for row in described], described, seed)
        model.parts = model.parts._replace(ranker=ranker(seed))
        registry = ModelRegistry(self.installation.models_dir)
        version = registry.save(model)
        registry.activate(version)
        return version

    def drain(self) -> None:
        """Wait until the dataflow has completed all events."""
        log = open_event_log(self.settings)

        def drained() -> bool:
            try:
                return log.lag(CONSUMER) == 0
            except LogUnavailable:
                return False

        try:
            self.wait(drained, "to have completed all events", _DRAIN_S)
        finally:
            log.close()

    def stop(self) -> None:
        """Stop it as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


_JSON = {"content-type": "application/json"}


def _description(row: ItemCatalogue) -> dict[str, object]:
    return {
        "item_id": row.item_id,
        "title": row.title,
        "category": row.category.split(" > "),
        "brand": row.brand,
        "price_cents": row.price_cents,
        "currency": row.currency,
    }


def _accepted(answer: httpx.Response) -> None:
    found = answer.json()
    if answer.status_code != httpx.codes.ACCEPTED or found["rejected"]:
        raise ChildFailed(f"api: must accept what the shop is filled with; got {answer.text[:300]}")


def _serves(client: httpx.Client, items: int, version: str) -> bool:
    try:
        metrics = client.get("/metrics").text
    except httpx.TransportError:
        time.sleep(0.1)
        return False
    return serves(metrics, items, version)
