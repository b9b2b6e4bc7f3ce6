"""``liveshelf train``: train a model on the history and make it current, if it is good enough."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.problem import WRONG_USE, Problem, existing_installation
from cli.training_parameters import read_parameters
from recommender.folder_lock import FolderInUse
from recommender.installation import Installation
from recommender.model.manifest import Manifest
from recommender.settings import Settings
from recommender.training.parameters import TrainingParameters

if TYPE_CHECKING:
    from recommender.model.registry import ModelRegistry
    from recommender.training.history_source import PointInTimeJoin
    from recommender.training.version import Outcome

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHECKOUT = Path(__file__).resolve().parent.parent


def run(
    data_dir: Path | None,
    as_json: bool,
    since: str | None = None,
    until: str | None = None,
    parameters_file: Path | None = None,
    force: bool = False,
    keep: int | None = None,
    parameters: TrainingParameters | None = None,
) -> int:
    """Train on an installation's history, whether it runs or not; return the exit code."""
    since_us, until_us = _instant("--since", since), _instant("--until", until)
    if since_us is not None and until_us is not None and since_us >= until_us:
        raise Problem(f"--until: must be after --since, {since}; got {until}", WRONG_USE)
    if parameters_file is not None:
        parameters = read_parameters(parameters_file)
    settings = existing_installation(data_dir)
    installation = Installation(settings.data_dir)
    # Imported only now, since it takes seconds, and a wrong option is to be told of at once.
    from recommender.erasure.late import forget_erased_since
    from recommender.model.registry import ModelRegistry
    from recommender.training.history_source import HistorySource
    from recommender.training.version import train_version

    registry, join = ModelRegistry(installation.models_dir), _history_join(settings)
    began = datetime.now(UTC)
    with _ProgressBars() as bars:
        bars.show("read history", 0, 1)
        source = HistorySource(installation.history_dir, join, since_us, until_us)
        bars.show("read history", 1, 1)
        if not len(source.targets()) and (since or until):
            raise Problem(
                f"{'--since' if since else '--until'}: must leave events to learn from; got none from "
                f"{since or 'the beginning'} until {until or 'now'}",
                WRONG_USE,
            )
        outcome = train_version(
            source,
            registry,
            parameters or TrainingParameters(),
            bars.show,
            force=force,
            git_revision=_git_revision(),
        )
    forget_erased_since(installation, began, outcome.model.shopper_features)
    removed = [] if keep is None else _prune(registry, keep)
    if as_json:
        used = {"stages": bars.seconds(), "peak_rss_mb": round(_peak_rss_mb()), "removed": removed}
        print(msgspec.json.format(msgspec.json.encode(_report(outcome) | used)).decode())
    else:
        _print_summary(outcome)
        for version in removed:
            print(f"{version} removed")
    return 0


def _prune(registry: ModelRegistry, keep: int) -> list[str]:
    """Remove old versions; that they cannot be is told, and takes nothing from the training."""
    try:
        return registry.prune(keep).removed
    except (FolderInUse, OSError) as error:
        print(f"liveshelf: --keep: nothing is removed now; {error}", file=sys.stderr)
        return []


def _instant(option: str, text: str | None) -> int | None:
    """Return an ISO date, its beginning, or date and time as microseconds; without an offset it is UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        rule = "must be a date or a time, as 2026-11-01 or 2026-11-01T12:00Z"
        raise Problem(f"{option}: {rule}; got {text}", WRONG_USE) from None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def _history_join(settings: Settings) -> PointInTimeJoin:
    from recommender.store import FeastFeatures
    from recommender.store.repository import NotApplied, apply

    try:
        return FeastFeatures.open(settings).history_batches
    except NotApplied:
        apply(settings)
        return FeastFeatures.open(settings).history_batches


def _git_revision() -> str | None:
    """Return the commit of the source checkout, or None where there is no checkout or no git."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(_CHECKOUT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _report(outcome: Outcome) -> dict[str, object]:
    names = ("version", "examples", "users", "items", "features", "epochs", "seconds", "metrics", "baselines")
    told = {name: getattr(outcome.model.manifest, name) for name in (*names, "events", "data_from", "data_to")}
    return told | {"activated": outcome.verdict.activate, "reason": outcome.verdict.reason}


def _print_summary(outcome: Outcome) -> None:
    manifest = outcome.model.manifest
    table = Table(title=f"Model {manifest.version}")
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
    console.print(_sentence(manifest, outcome))


def _sentence(manifest: Manifest, outcome: Outcome) -> str:
    if outcome.verdict.activate:
        return f"Model {manifest.version} is current: {outcome.verdict.reason}."
    return (
        f"Model {manifest.version} is kept, but not current: {outcome.verdict.reason}. To make it current "
        f"nevertheless: liveshelf models activate {manifest.version}"
    )


class _ProgressBars:
    """A bar for each stage, on standard error."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._stage = ""
        self._task = TaskID(0)
        self._since = time.monotonic()
        self._seconds: dict[str, float] = {}

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
            self._count()
            self._stage, self._task = stage, self._progress.add_task(stage, total=most)
        self._progress.update(self._task, completed=done, total=most)

    def seconds(self) -> dict[str, float]:
        """Return how long each stage has taken; what comes before the first one, and is imported, is not in it."""
        self._count()
        return {stage: round(seconds, 1) for stage, seconds in self._seconds.items()}

    def _count(self) -> None:
        now = time.monotonic()
        if self._stage:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
        self._since = now


def _peak_rss_mb() -> float:
    """Return the most memory that this process has held [MB]; what its parent held before it does not count."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1_024 / 1e6
    except FileNotFoundError:  # not Linux
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1_024 / 1e6
