"""``liveshelf train``: train a model on the history and make it current."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.problem import existing_installation
from recommender.installation import Installation
from recommender.model.dataset import HistoryJoin
from recommender.model.manifest import Manifest
from recommender.model.registry import ModelRegistry
from recommender.model.training import TrainingParameters
from recommender.model.version import train_version
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.repository import NotApplied, apply

_CHECKOUT = Path(__file__).resolve().parent.parent


def run(data_dir: Path | None, as_json: bool, parameters: TrainingParameters | None = None) -> int:
    """Train on an installation's history, whether it runs or not; return the exit code."""
    settings = existing_installation(data_dir)
    installation = Installation(settings.data_dir)
    with _ProgressBars() as bars:
        model = train_version(
            installation.history_dir,
            _history_join(settings),
            ModelRegistry(installation.models_dir),
            parameters or TrainingParameters(),
            bars.show,
            git_revision=_git_revision(),
        )
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(_report(model.manifest))).decode())
    else:
        _print_summary(model.manifest)
    return 0


def _history_join(settings: Settings) -> HistoryJoin:
    try:
        return FeastFeatures.open(settings).history_join
    except NotApplied:
        apply(settings)
        return FeastFeatures.open(settings).history_join


def _git_revision() -> str | None:
    """Return the commit of the source checkout, or None where there is no checkout or no git."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(_CHECKOUT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _report(manifest: Manifest) -> dict[str, object]:
    names = ("version", "examples", "users", "items", "features", "epochs", "seconds", "metrics", "baselines")
    return {name: getattr(manifest, name) for name in (*names, "events", "data_from", "data_to")}


def _print_summary(manifest: Manifest) -> None:
    table = Table(title=f"Model {manifest.version} is current")
    table.add_column("next item, last part in time")
    for name in manifest.metrics:
        table.add_column(name, justify="right")
    for name, figures in {"this model": manifest.metrics, **manifest.baselines}.items():
        table.add_row(name, *(f"{figure:.3f}" for figure in figures.values()))
    console = Console()
    console.print(table)
    console.print(
        f"{manifest.examples} of {manifest.events} events, {manifest.users} users, {manifest.items} items, "
        f"{manifest.features} features, {manifest.epochs} epochs, {manifest.seconds} s"
    )


class _ProgressBars:
    """A bar for each stage, on standard error."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._stage = ""
        self._task = TaskID(0)

    def __enter__(self) -> _ProgressBars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, stage: str, done: int, most: int) -> None:
        """Move the bar of a stage on; an earlier stage is over."""
        if stage != self._stage:
            if self._stage:
                self._progress.update(self._task, total=self._progress.tasks[self._task].completed)
            self._stage, self._task = stage, self._progress.add_task(stage, total=most)
        self._progress.update(self._task, completed=done, total=most)
