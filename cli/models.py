"""``liveshelf models``: the versions of the model, and which one is current."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from cli.problem import existing_installation
from recommender.installation import Installation
from recommender.model.overview import Overview
from recommender.model.registry import Activated, ModelRegistry

_MAIN_METRICS = 3
_WIDTH = 140
"""Where standard output is no terminal, so that no figure is cut."""


def run_list(data_dir: Path | None, as_json: bool) -> int:
    """Print all versions, the newest first; return the exit code."""
    registry = _registry(data_dir)
    overviews = registry.overviews()[::-1]
    if as_json:
        current = registry.current_version()
        _print_json({"current": current, "models": [overview.summary() for overview in overviews]})
        return 0
    if not overviews:
        print("There is no model yet. `liveshelf train` makes one from the history.")
        return 0
    table = Table(*("", "version", "kind", "created", "data until"))
    for name in ("events", "metrics", "MB"):
        table.add_column(name, justify="right")
    for overview in overviews:
        table.add_row(*_cells(overview))
    _console().print(table)
    for overview in overviews:
        if overview.damage is not None:
            print(f"cannot be served: {overview.damage}")
    return 0


def run_show(version: str, data_dir: Path | None, as_json: bool) -> int:
    """Print all that is known of one version; return 1 if it cannot be served."""
    registry = _registry(data_dir)
    overview = registry.overview(registry.named(version))
    activations = [msgspec.to_builtins(each) for each in registry.history() if each.version == overview.version]
    whole = overview.whole() | {"activations": activations}
    if as_json:
        _print_json(whole)
    else:
        table = Table(show_header=False, title=f"Model {overview.version}")
        table.add_row("current", "yes" if overview.current else "no")
        table.add_row("can be served", f"no: {overview.damage}" if overview.damage is not None else "yes")
        table.add_row("size", f"{overview.size_bytes / 1e6:,.1f} MB")
        for name, value in (whole["manifest"] or {}).items():
            if name not in ("version", "files"):
                table.add_row(name.replace("_", " "), _words(value))
        for each in activations[-5:]:
            table.add_row(each["act"], f"{each['at']}  {each['reason']}")
        _console().print(table)
    return 0 if overview.damage is None else 1


def run_activate(version: str, reason: str, data_dir: Path | None, as_json: bool) -> int:
    """Make a version current; return the exit code."""
    registry = _registry(data_dir)
    done = registry.activate(registry.named(version), reason=reason or "by the command line")
    return _tell(done, as_json)


def run_rollback(reason: str, data_dir: Path | None, as_json: bool) -> int:
    """Make the version current that was so before; return the exit code."""
    return _tell(_registry(data_dir).rollback(reason=reason or "by the command line"), as_json)


def run_prune(keep: int, data_dir: Path | None, as_json: bool) -> int:
    """Remove versions until so many are left; return the exit code."""
    done = _registry(data_dir).prune(keep)
    if as_json:
        _print_json(done._asdict())
    else:
        for version in done.removed:
            print(f"{version} removed")
        print(f"{len(done.removed)} removed, {len(done.kept)} kept, {done.freed_bytes / 1e6:,.1f} MB freed")
    return 0


def _registry(data_dir: Path | None) -> ModelRegistry:
    return ModelRegistry(Installation(existing_installation(data_dir).data_dir).models_dir)


def _tell(done: Activated, as_json: bool) -> int:
    if as_json:
        _print_json(done._asdict())
        return 0
    for version, why in done.skipped.items():
        print(f"{version} passed over: {why}", file=sys.stderr)
    before = f"{done.before} was before" if done.before else "none was before"
    print(f"{done.version} is current{'; ' + before if done.before != done.version else ' already'}")
    return 0


def _cells(overview: Overview) -> tuple[str, ...]:
    manifest = overview.manifest
    mark = "current" if overview.current else ""
    if overview.damage is not None:
        mark = f"{mark} damaged".strip()
    size = f"{overview.size_bytes / 1e6:,.1f}"
    if manifest is None:
        return mark, overview.version, "", "", "", "", "", size
    return (
        mark,
        overview.version,
        manifest.kind,
        manifest.created_at[:16].replace("T", " "),
        manifest.data_to[:16].replace("T", " "),
        f"{manifest.events:,}",
        ", ".join(f"{name} {figure:.3f}" for name, figure in list(manifest.own_metrics().items())[:_MAIN_METRICS]),
        size,
    )


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH)


def _print_json(value: object) -> None:
    print(msgspec.json.encode(value).decode())
