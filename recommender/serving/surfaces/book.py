"""The surfaces in service: those that every shop has, and what the shop's own file says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from recommender.events import explain_problem
from recommender.serving.filters import Filter, opposite, parse_filter
from recommender.serving.request import Surface
from recommender.serving.surfaces.settings import AgeLimit, Campaign, SurfaceSettings, SurfacesFile
from recommender.serving.surfaces.yaml_text import read_yaml

MOST_BYTES = 1_048_576
_EMPTY = 'must say something; got an empty file ("surfaces: {}" for the surfaces of every shop)'


class BadSurfaces(ValueError):
    """A file of surfaces breaks a rule; ``problems`` are all that were found, each as where: rule; got value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems[0])
        self.problems = problems


class Rules(NamedTuple):
    """What holds for one slate."""

    surface: SurfaceSettings
    campaigns: tuple[Campaign, ...] = ()
    age_limits: tuple[AgeLimit, ...] = ()

    def filters(self, text: str, age: int | None) -> list[Filter]:
        """Return what an item has to fulfil; ``text`` is the request's own filter, ``age`` the shopper's [years]."""
        wanted = [parse_filter(each) for each in (self.surface.filter, text) if each]
        barred = [limit for limit in self.age_limits if age is None or age < limit.years]
        return [*wanted, *(opposite(parse_filter(limit.filter)) for limit in barred)]


class Book:
    """All surfaces and campaigns of one state of the file."""

    def __init__(self, content: SurfacesFile, text: str = "") -> None:
        self.content = content
        self.text = text
        """The shop's own file as it was read."""
        self.fingerprint = hashlib.sha256(content.model_dump_json().encode()).hexdigest()[:16]
        """Another one with each other content."""
        self._moments = sorted(
            moment.timestamp()
            for campaign in content.campaigns
            for moment in (campaign.start, campaign.end)
            if moment is not None
        )
        self._rules: dict[str, Rules] = {}
        self._epoch = (-1.0, -1.0)

    def rules(self, name: str, now_s: float) -> Rules | None:
        """Return what holds on a surface at an instant [s since 1970 UTC]; None for one that there is not."""
        self._turn(now_s)
        found = self._rules.get(name)
        if found is None and (surface := self.content.surfaces.get(name)) is not None:
            now = datetime.fromtimestamp(now_s, UTC)
            running = tuple(each for each in self.content.campaigns if name in each.surfaces and each.runs(now))
            found = self._rules[name] = Rules(surface, running, tuple(self.content.age_limits))
        return found

    def version(self, now_s: float) -> str:
        """Return another text whenever other rules hold: with each content, and as campaigns begin and end."""
        self._turn(now_s)
        return f"{self.fingerprint}:{self._epoch[0]}"

    def _turn(self, now_s: float) -> None:
        since, until = self._epoch
        if not since <= now_s < until:
            before = [moment for moment in self._moments if moment <= now_s]
            after = [moment for moment in self._moments if moment > now_s]
            self._epoch = (max(before, default=0.0), min(after, default=float("inf")))
            self._rules.clear()


def read_book(text: str) -> Book:
    """Read the shop's own file, over the surfaces that every shop has.

    Raises:
        BadSurfaces: it is no YAML, says nothing, or breaks a rule.
    """
    if len(text.encode()) > MOST_BYTES:
        raise BadSurfaces([f"must have at most {MOST_BYTES:,} bytes; got more"])
    try:
        own = read_yaml(text)
    except ValueError as error:
        raise BadSurfaces([str(error)]) from error
    if own is None:
        raise BadSurfaces([_EMPTY])
    if not isinstance(own, dict) or not isinstance(own.get("surfaces") or {}, dict):
        raise BadSurfaces([f"must be a mapping with surfaces, campaigns and age_limits; got {str(own)[:40]!r}"])
    default = _default()
    surfaces: dict[Any, Any] = dict(default["surfaces"])
    for name, given in (own.get("surfaces") or {}).items():
        base = surfaces.get(name) or _of_kind(given)
        surfaces[name] = {**base, **given} if isinstance(given, Mapping) else given
    try:
        return Book(SurfacesFile.model_validate({**default, **own, "surfaces": surfaces}), text)
    except ValidationError as error:
        raise BadSurfaces([_explained(problem) for problem in error.errors(include_url=False)]) from error


@cache
def built_in() -> Book:
    """Return the surfaces that every shop has."""
    return Book(SurfacesFile.model_validate(_default()))


@cache
def default_rules(kind: Surface) -> Rules:
    """Return what holds where nothing else is said."""
    return Rules(built_in().content.surfaces[kind.value])


def _explained(problem: Any) -> str:
    text = explain_problem(problem).removesuffix("; got an object")
    # What is wrong with the file as a whole names its part by itself.
    return text if problem["loc"] else text.removeprefix("event: ")


def _of_kind(given: Any) -> Mapping[str, Any]:
    """Return the settings that a surface of the shop's own begins with: those of its kind."""
    kind = given.get("kind") if isinstance(given, Mapping) else None
    base: Mapping[str, Any] = _default()["surfaces"].get(kind, {}) if isinstance(kind, str) else {}
    return base


@cache
def _default() -> dict[str, Any]:
    text = files("recommender.serving.surfaces").joinpath("default.yaml").read_text()
    found: dict[str, Any] = yaml.safe_load(text)
    return found
