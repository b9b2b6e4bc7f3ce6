"""What the service tells Prometheus about itself."""

from __future__ import annotations

import time
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recommender.serving.request import Fallback

_REQUEST_BUCKETS_S = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_AGE_BUCKETS_S = (0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 3600.0)
_DELAY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)


class Metrics:
    """The metrics of one process.

    Args:
        shared: whether they are told together with those of other processes.
    """

    def __init__(self, shared: bool = False) -> None:
        self.registry = registry = CollectorRegistry()
        self.request_seconds = Histogram(
            "liveshelf_api_request_seconds",
            "Time from the request's arrival to the end of its answer [s]",
            ["method", "route", "status"],
            buckets=_REQUEST_BUCKETS_S,
            registry=registry,
        )
        self.events = Counter(
            "liveshelf_api_events", "Events by what became of them [count]", ["status"], registry=registry
        )
        self.slates = Counter(
            "liveshelf_api_slates",
            "Slates by surface, by what they were answered from, and by why they are less personal [count]",
            ["surface", "answered_by", "fallback"],
            registry=registry,
        )
        self.cache_requests = Counter(
            "liveshelf_api_cache_requests",
            "Slates by what the cache had of them [count]",
            ["result"],
            registry=registry,
        )
        self.cache_age_seconds = Histogram(
            "liveshelf_api_cache_age_seconds",
            "Age of the slates that the cache gave [s]",
            buckets=_AGE_BUCKETS_S,
            registry=registry,
        )
        self.cache_invalidations = Counter(
            "liveshelf_api_cache_invalidations",
            "Slates of a process that were no longer what a new one would be, by the reason [count]",
            ["reason"],
            registry=registry,
        )
        self.cache_slates = Gauge(
            "liveshelf_api_cache_slates",
            "Slates that processes keep [count]",
            registry=registry,
            multiprocess_mode="sum",
        )
        self.cache_lost = Counter(
            "liveshelf_api_cache_lost", "Slates that were not kept in Redis [count]", registry=registry
        )
        self._slates_of: dict[tuple[str, str, Fallback | None, str], tuple[Counter, Counter]] = {}
        self.rate_unchecked = Counter(
            "liveshelf_api_rate_unchecked",
            "Requests whose rate was not checked, as Redis did not answer [count]",
            registry=registry,
        )
        self.letters_lost = Counter(
            "liveshelf_api_dead_letters_lost", "Refused events that were not kept [count]", registry=registry
        )
        self.items = Gauge(
            "liveshelf_api_items", "Items in the item table [count]", registry=registry, multiprocess_mode="min"
        )
        self.ready = Gauge(
            "liveshelf_api_ready",
            "1 once all parts answer, as at the last look",
            registry=registry,
            multiprocess_mode="min",
        )
        self.model_failures = Gauge(
            "liveshelf_api_model_failures",
            "Models not taken into service [count]",
            registry=registry,
            multiprocess_mode="sum",
        )
        self.model_refused = Gauge(
            "liveshelf_api_model_refused",
            "1 while the current model cannot be taken into service",
            registry=registry,
            multiprocess_mode="max",
        )
        self.model_swap_seconds = Histogram(
            "liveshelf_api_model_swap_seconds",
            "From seeing that another model is current until it is in service [s]",
            buckets=_DELAY_BUCKETS_S,
            registry=registry,
        )
        self.model = Gauge(
            "liveshelf_api_model_info",
            "1 for the model in service",
            ["version"],
            registry=registry,
            multiprocess_mode="max",
        )
        self._shared = shared
        self._model: str | None = None
        self.change_delay_seconds = Histogram(
            "liveshelf_api_change_delay_seconds",
            "From a notice of a catalogue change to the changed item table [s]",
            buckets=_DELAY_BUCKETS_S,
            registry=registry,
        )
        ProcessCollector(registry=registry)

    def note_model(self, version: str | None) -> None:
        """Tell which model is in service."""
        if version != self._model and self._model is not None:
            if self._shared:
                self.model.labels(self._model).set(0)  # others may still have it in service
            else:
                self.model.remove(self._model)
        if version is not None:
            self.model.labels(version).set(1)
        self._model = version

    def count_slate(self, surface: str, answered_by: str, fallback: Fallback | None, result: str) -> None:
        """Count a slate that is given out."""
        key = (surface, answered_by, fallback, result)
        counters = self._slates_of.get(key)
        if counters is None:
            why = fallback.value if fallback else "none"
            slates = self.slates.labels(surface, answered_by, why)
            counters = self._slates_of[key] = (slates, self.cache_requests.labels(result))
        for counter in counters:
            counter.inc()

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class RequestTimer:
    """Times every request by the route that served it, so that ids in addresses make no label."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._seconds = cache(metrics.request_seconds.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and time it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            route = getattr(scope.get("route"), "path_format", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._seconds(method, route, status).observe(time.perf_counter() - started)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
