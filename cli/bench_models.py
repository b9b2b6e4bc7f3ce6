"""``liveshelf bench rollback`` and ``liveshelf bench candidates``: measure what models do while they serve."""

from __future__ import annotations

from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.candidates import run as candidates_run
from benchmarks.rollback import run as rollback_run
from cli.bench import measure
from cli.load_report import DONE, FAILED
from cli.problem import WRONG_USE, Problem


def run_rollback(
    *, items: int, rate: int, activations: int, every: float, stall_items: int, deadline_ms: float, as_json: bool
) -> int:
    """Do the drill; print one JSON object or tables; return 1 if a request failed or a damaged model was served."""
    options = rollback_run.Options(
        items=items,
        rate=rate,
        activations=activations,
        every_s=every,
        stall_items=stall_items,
        deadline_ms=deadline_ms,
    )
    passed = True

    def drill(display: Any, result: dict[str, Any]) -> None:
        nonlocal passed
        passed = False
        rollback_run.run(options, display, result)
        passed = result["passed"]

    code = measure(drill, _show_rollback if not as_json else None)
    return code if code != DONE or passed else FAILED


def run_candidates(*, items: str, queries: int, as_json: bool) -> int:
    """Measure; print one JSON object or tables, progress on standard error."""
    options = candidates_run.Options(items=_numbers(items), queries=queries)
    return measure(partial(candidates_run.run, options), _show_candidates if not as_json else None)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1_000:
        raise Problem(f"--items: must be numbers from 1000 on with commas between; got {text!r}", WRONG_USE)
    return found


def _show_rollback(console: Console, result: dict[str, Any]) -> None:
    if "requests" not in result:
        return
    console.print(
        f"{result['items']:,} items, {result['rate']} requests/s: {result['requests']:,} requests, "
        f"{result['failed']:,} failed {', '.join(result['problems'])}"
    )
    table = Table("answers [ms]", "requests", "p50", "p99", "max")
    for name in ("steady_ms", "changing_ms"):
        figures = result[name]
        if figures is not None:
            label = "one model" if name == "steady_ms" else "while models change"
            table.add_row(label, *(f"{figures[key]:,}" for key in ("requests", "p50", "p99", "max")))
    console.print(table)
    changes = Table("change to", "first answer [s]", "last of the one before [s]")
    for change in result["changes"]:
        changes.add_row(change["version"], str(change["first_answer_s"]), str(change["last_other_answer_s"]))
    console.print(changes)
    damaged = result["damaged"]
    told = "refused" if damaged["refused"] else "NOT refused"
    console.print(f"the damaged version: {told}, in {damaged['answers']} answers")
    if result.get("stall"):
        stall = result["stall"]
        console.print(
            f"longest stall of an event loop while a model of {stall['items']:,} items comes into service: "
            f"{stall['event_loop_stall_ms_max']} ms (without: {max(stall['event_loop_stall_ms_idle'])} ms)"
        )
    console.print("passed" if result["passed"] else "NOT passed")


def _show_candidates(console: Console, result: dict[str, Any]) -> None:
    table = Table("items", "search", "p50 ms", "p99 ms", f"recall@{result['most']}", "build s", "MB")
    for column in table.columns[2:]:
        column.justify = "right"
    for found in result["sizes"].values():
        exact = found["exact"]
        table.add_row(
            f"{found['items']:,}", "exact", f"{exact['p50_ms']}", f"{exact['p99_ms']}", "1", "", f"{found['matrix_mb']}"
        )
        cells = found["cells"]
        for name, figures in cells.items():
            if isinstance(figures, dict):
                numbers = [f"{figures[key]}" for key in ("p50_ms", "p99_ms", "recall")]
                asked = f"{cells['cells']:,} cells" + ("" if name == "served" else f", {name}")
                table.add_row("", asked, *numbers, f"{cells['build_s']}", f"{cells['memory_mb']}")
    console.print(table)
