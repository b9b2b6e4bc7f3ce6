"""``liveshelf surfaces``: what each place in the shop shows, and by which rules."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.problem import WRONG_USE, Problem, read_settings
from recommender.installation import Installation
from recommender.serving.surfaces import BadSurfaces, Book, SurfaceSettings, SurfacesFile, built_in
from recommender.serving.surfaces.watch import read_file

_WIDTH = 140
"""Where standard output is no terminal, so that nothing is cut."""


def run_show(data_dir: Path | None, as_json: bool) -> int:
    """Print the surfaces as the installation's file, as it is now, and the built-in ones make them."""
    settings = read_settings(data_dir=data_dir)
    path = settings.surfaces or Installation(settings.data_dir).surfaces_path
    try:
        book = _read(path) if path.exists() else built_in()
    except BadSurfaces as error:
        raise Problem(f"{path}: {error}", WRONG_USE) from error
    if as_json:
        print(json.dumps(book.content.model_dump(mode="json")))
        return 0
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    table = Table("surface", "kind", "ranker", "size", "cached [s]", "only", "sources")
    for name, surface in book.content.surfaces.items():
        sources = ", ".join(f"{source} {weight:g}" for source, weight in surface.weights.items())
        cells = (
            surface.kind.value,
            surface.ranker,
            str(surface.size),
            f"{surface.cache_seconds:g}",
            escape(_only(surface)),
        )
        table.add_row(name, *cells, sources)
    console.print(table)
    now = datetime.fromtimestamp(time.time(), UTC)
    for campaign in book.content.campaigns:
        running = "runs" if campaign.runs(now) else "does not run now"
        print(f"campaign {campaign.name} on {', '.join(campaign.surfaces)}: {running}")
        for pin in campaign.pins:
            print(f"  pin {pin.item_id} at {pin.position}")
        for boost in campaign.boosts:
            print(f"  boost {boost.factor:g} for {boost.filter}")
    for limit in book.content.age_limits:
        print(f"from {limit.years} years on: {limit.filter}")
    print(f"from {path}" if path.exists() else f"There is no {path}; these are the surfaces that every shop has.")
    return 0


def _only(surface: SurfaceSettings) -> str:
    """Return what a surface leaves out or limits, in the words of the file."""
    excluded = [
        f"{name} {value:g}" if name == "bought_days" else name
        for name, value in surface.exclude.model_dump(exclude_defaults=True).items()
    ]
    limits = {"category": surface.most_per_category, "brand": surface.most_per_brand}
    parts = [
        *([f"filter: {surface.filter}"] if surface.filter else []),
        *([f"exclude: {', '.join(excluded)}"] if excluded else []),
        *(f"most_per_{name}: {share:g}" for name, share in limits.items() if share is not None),
    ]
    return "\n".join(parts)


def run_check(file: Path, as_json: bool) -> int:
    """Tell whether a file can be taken into service; return 0 if so."""
    try:
        book = _read(file)
    except BadSurfaces as error:
        if as_json:
            print(json.dumps({"valid": False, "problems": error.problems}))
        else:
            for problem in error.problems:
                print(f"{file}: {problem}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps({"valid": True, "problems": []}))
    else:
        content = book.content
        print(f"{file}: valid; {len(content.surfaces)} surfaces, {len(content.campaigns)} campaigns")
    return 0


def run_schema() -> int:
    """Print the JSON Schema of the file."""
    schema = SurfacesFile.model_json_schema()
    # A file need not say what the surface has anyway, or one of its kind.
    schema["$defs"]["SurfaceSettings"].pop("required")
    print(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2))
    return 0


def run_example() -> int:
    """Print the surfaces that every shop has, as a file to begin with."""
    content = built_in().content.model_dump(mode="json", exclude_defaults=True)
    print(yaml.safe_dump(content, sort_keys=False), end="")
    return 0


def _read(file: Path) -> Book:
    if not file.is_file():
        raise Problem(f"{file}: must be a file that can be read; there is none", WRONG_USE)
    return read_file(file)
