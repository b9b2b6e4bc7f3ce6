"""The figures as a picture: a bar for each contestant, with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recommender.evaluation.report import LIVESHELF

_OURS, _THEIRS = "#1b6ca8", "#b8c4ce"
_BAR_INCHES = 0.32
_PANEL_INCHES = 4.2


def draw(report: dict[str, Any], metrics: list[str], path: Path) -> None:
    """Write a PNG with one panel for each metric, the best contestant on top.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes a second, and few runs draw
    from matplotlib.figure import Figure

    models = report["models"]
    figure = Figure(figsize=(_PANEL_INCHES * len(metrics), 1.2 + _BAR_INCHES * len(models)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{report['protocol']}, {report['queries']:,} queries, {report['users']:,} shoppers")
    for number, metric in enumerate(metrics):
        axes = figure.add_subplot(1, len(metrics), number + 1)
        ranked = sorted((name for name in models if models[name].get(metric) is not None), key=_by(models, metric))
        means = [models[name][metric] for name in ranked]
        below = [max(0.0, models[name][metric] - models[name][f"{metric}_low"]) for name in ranked]
        above = [max(0.0, models[name][f"{metric}_high"] - models[name][metric]) for name in ranked]
        colours = [_OURS if name.startswith(LIVESHELF) else _THEIRS for name in ranked]
        axes.barh(ranked, means, xerr=[below, above], color=colours, error_kw={"elinewidth": 1, "capsize": 2})
        for place, mean in enumerate(means):
            axes.annotate(f" {mean:.3f}", (above[place] + mean, place), va="center", fontsize=8)
        axes.set_title(metric)
        axes.margins(x=0.18)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130, format="png")


def _by(models: dict[str, Any], metric: str) -> Any:
    return lambda name: models[name][metric]
