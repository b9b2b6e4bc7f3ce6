"""How far a benchmark is, on standard error."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Display:
    """A bar for each section in a terminal, a line for each step elsewhere. A context manager."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._bars = Progress(
            TextColumn("{task.fields[name]:<16}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            refresh_per_second=2,  # drawing takes CPU from what is measured
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def section(self, name: str) -> Section:
        """Begin a section."""
        task = self._bars.add_task("", total=None, name=name)
        return Section(self._console, self._bars, task, name)


class Section:
    """One section's line."""

    def __init__(self, console: Console, bars: Progress, task: TaskID, name: str) -> None:
        self._console, self._bars, self._task, self._name = console, bars, task, name

    def say(self, what: str, total: int | None = None) -> None:
        """Tell what is done now, and of how many."""
        self._bars.reset(self._task, description=what, total=total)
        if not self._console.is_terminal:
            self._console.print(f"{self._name}: {what}", markup=False, highlight=False)

    def reached(self, count: int) -> None:
        """Tell how many are done."""
        self._bars.update(self._task, completed=count)

    def done(self, result: str) -> None:
        """End the section."""
        self.say(result, total=1)
        self._bars.update(self._task, completed=1)
        self._bars.stop_task(self._task)
