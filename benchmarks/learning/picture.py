"""The figures of learning as a picture: the hit rate over time with and without it, and what a batch costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_WITH, _WITHOUT, _COST = "#1b6ca8", "#9aa5af", "#c4622d"


def draw(result: dict[str, Any], path: Path) -> None:
    """Write a PNG.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes a second, and few runs draw
    from matplotlib.figure import Figure

    panels = [(name, result[name]) for name in ("embeddings", "slates") if name in result] or [("embeddings", result)]
    levels = result.get("levels", [])
    figure = Figure(figsize=(5.2 * (len(panels) + bool(levels)), 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    count = len(panels) + bool(levels)
    for number, (name, found) in enumerate(panels, 1):
        axes = figure.add_subplot(1, count, number)
        times = [part["up_to_example"] for part in found["over_time"]]
        for key, colour, label in (
            ("with_learning", _WITH, "with online updates"),
            ("without_learning", _WITHOUT, "without"),
        ):
            axes.plot(times, [part[key]["hit_rate@20"] for part in found["over_time"]], color=colour, label=label)
        axes.set_title(f"progressive hit rate @20, {name}")
        axes.set_xlabel("examples")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    if levels:
        axes = figure.add_subplot(1, count, count)
        users = [level["users"] for level in levels]
        axes.plot(users, [level["fit_ms_per_batch"] for level in levels], color=_COST, label="train 500 examples")
        axes.plot(users, [level["test_ms_per_batch"] for level in levels], color=_WITHOUT, label="test 200")
        axes.set_title("milliseconds a batch, median")
        axes.set_xlabel("known shoppers")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130, format="png")
