"""Print the table of all features as Markdown: ``python -m recommender.features > docs/features.md``."""

from __future__ import annotations

import inspect
import sys
from datetime import timedelta

from recommender.features import ROW_TYPES, Column, FeatureRow

HEAD = """\
# Features

<!-- Made from the row classes in recommender/features by `python -m recommender.features > docs/features.md`. -->

Every column of every feature view, as its row class declares it. Feast registers, the stream writes and
validation checks exactly these. No column is ever null: what is unknown has the value its description names.
Besides its columns each row has the id of its entity and `feature_time_us`, the instant as of which they hold.
"""


def document() -> str:
    """Return the page that describes all feature views."""
    return HEAD + "".join(_section(row_type) for row_type in ROW_TYPES)


def _section(row_type: type[FeatureRow]) -> str:
    promise = " ".join(inspect.cleandoc(row_type.__doc__ or "").replace("``", "`").split())
    lines = [
        "",
        f"## {row_type.view}",
        "",
        f"{promise} Entity: `{row_type.entity}`. Training joins rows {_age(row_type.ttl)}.",
        "",
        "| column | type | bounds | description |",
        "|---|---|---|---|",
        *(_line(column) for column in row_type.columns()),
    ]
    for names in row_type.parallel_lists:
        lines += ["", f"In step, element by element: {', '.join(f'`{name}`' for name in names)}."]
    return "\n".join(lines) + "\n"


def _line(column: Column) -> str:
    return f"| `{column.name}` | {column.type.value} | {_bounds(column)} | {column.description} |"


def _bounds(column: Column) -> str:
    least = "" if column.minimum is None else f"≥ {column.minimum:g}"
    most = "" if column.maximum is None else f"≤ {column.maximum:g}"
    return ", ".join(bound for bound in (least, most) if bound)


def _age(ttl: timedelta) -> str:
    return f"up to {ttl} old" if ttl else "of any age"


if __name__ == "__main__":
    sys.stdout.write(document())
