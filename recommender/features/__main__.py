"""Print the table of all features as Markdown: ``python -m recommender.features > docs/features.md``."""

from __future__ import annotations

import inspect
import sys
from datetime import timedelta

from recommender.features import ROW_TYPES, Column, FeatureRow, implicit_session
from recommender.features.ageing import CART_LIFE_US, COUNTED
from recommender.features.intake import ALLOWED_LATENESS_US, REMEMBERED_EVENTS
from recommender.features.item_activity import NEIGHBOUR_HALF_LIFE_US, POPULARITY_HALF_LIFE_US, TREND_HALF_LIFE_US
from recommender.features.pairs import NEIGHBOUR_SPAN_US, NEIGHBOURS_EACH_SIDE
from recommender.features.session import LOOKS, VISIT_GAP_US
from recommender.features.user import AFFINITY_HALF_LIFE_US, INTEREST
from recommender.features.user_items import KEPT_ITEMS, USER_ITEMS
from recommender.features.user_purchases import KEPT_LINES, KEPT_PURCHASES, USER_PURCHASES
from recommender.features.windows import SECOND_US, WINDOW_1H, WINDOW_5M, WINDOW_24H, WINDOW_30D

HEAD = """\
# Features

<!-- Made from the row classes in recommender/features by `python -m recommender.features > docs/features.md`. -->

Every column of every feature view, as its row class declares it. Feast registers, the stream writes and
validation checks exactly these. No column is ever null: what is unknown has the value its description names.
Besides its columns each row has the id of its entity and `feature_time_us`, the instant as of which they hold. To read
them as of now, see [Reading them later](#reading-them-later).
"""


def document() -> str:
    """Return the page that describes all feature views."""
    return HEAD + "".join(_section(row_type) for row_type in ROW_TYPES) + _definitions() + _reading()


def _definitions() -> str:
    all_windows = (WINDOW_5M, WINDOW_1H, WINDOW_24H, WINDOW_30D)
    windows = ", ".join(f"{window.name} of panes of {_span(window.pane_us)}" for window in all_windows)
    weights = ", ".join(f"{kind} {weight:g}" for kind, weight in INTEREST.items())
    views, purchases = NEIGHBOURS_EACH_SIDE["view"], NEIGHBOURS_EACH_SIDE["purchase"]
    return f"""
## How they are computed

`T` is the row's feature time: the latest event time of the entity plus 1 us for each event that it has had.

- **Counted events.** An `event_id` counts once among the latest {REMEMBERED_EVENTS:,} of its shopper in its session. An
  event more than {_span(ALLOWED_LATENESS_US)} older than that shopper's latest one there, in the order of the log, is
  late: it is in the history with `late` true, and in no feature. A shopper who logs in is another one from then on, so
  the same event sent once without and once with `user_id` is two events. An event of a known user without `session_id`
  belongs to the session `{implicit_session("<user_id>")}`.
- **Windows.** A window of length L and panes of width p holds the events with
  `floor(T/p) - L/p < floor(t/p) <= floor(T/p)`: {windows}.
- **Interest** weighs by kind: {weights}.
  A weight loses half of itself every half-life: its part of a score is `weight * 2^(-(T - t) / half-life)`.
  Affinities and price level have {_span(AFFINITY_HALF_LIFE_US)}, trends {_span(TREND_HALF_LIFE_US)}, popularity
  {_span(POPULARITY_HALF_LIFE_US)}, neighbours {_span(NEIGHBOUR_HALF_LIFE_US)}.
  Lists are sorted by score, largest first.
- **Visits** are the runs of a session's events without a gap of more than {_span(VISIT_GAP_US)}. An item is looked at
  by {", ".join(sorted(LOOKS))}.
  A cart holds the items whose latest of add_to_cart, remove_from_cart and purchase is an add_to_cart.
- **Items of a user.** A look is an event of a kind that shows interest. In order of (event time, item), the
  {KEPT_ITEMS} items looked at last are remembered with their looks, and the last {USER_ITEMS} of them shown. So are
  {KEPT_PURCHASES} items bought, and {USER_PURCHASES} shown; a second line of an item in an order is known among the
  latest {KEPT_LINES} lines. `T` of these two views is made of the events that they count, and several events that are
  handled at once give one row.
- **Neighbours.** In the views of one shopper in a session, in order of (event time, event id), each is paired with the
  {views} before it,
  those that are at most {_span(NEIGHBOUR_SPAN_US)} older and of another item. A pair has weight 1, dated by its later
  event, and counts for both items. The same for purchases, with {purchases}.
- **Orders** are told apart by `order_id`. Money sums quantity times price over the priced lines of one currency.
- **Categories.** An item counts, by its `trend_score`, for the category of its latest event or upsert that names one,
  and for all above it.
"""


def _reading() -> str:
    kinds = "; ".join(
        f"`{row_type.view}`: " + ", ".join(f"{place} {kind}" for place, kind in enumerate(counted))
        for row_type, counted in COUNTED.items()
    )
    pane = _span(WINDOW_5M.pane_us)
    return f"""
## Reading them later

A row stands as it is until the next event of its entity. What time alone changes is computed when the row is read,
as of the instant of reading `R`, by `recommender.features.aged(row, now_us)`:

- The counts of the windows are taken again, as of R instead of T, and the ratio of them.
- Each score is multiplied by `2^(-(R - T) / half-life)`. The order of a list stays.
- A visit is over when R is more than {_span(VISIT_GAP_US)} after T: `started_at_ms`, `duration_s`, `events`,
  `views` and `distinct_categories` are 0 then. A cart is empty when R is more than {_span(CART_LIFE_US)} after T.
- Rows of the catalogue, and of the items that a user has looked at and bought, do not change. A row whose T is R or
  later stays as it is.

`feature_time_us` of an aged row is R; a session, and what does not change, keeps its T. So a row can be aged again.

The column `panes` holds the panes that are in a window at T, by kind, the oldest first, each as one integer
`count << 20 | age << 2 | kind`. A pane begins at `(floor(T / p) - age) * p`, where p is {pane}; it is in a window if
it begins no earlier than the window's first pane. What only the longer windows still hold is put together in panes of
their width. The kinds are {kinds}.

The serving API and training age every row. The application's own reader does it for whoever names the instant; without
`now_us` it gives rows as they are stored:

```python
import time

from recommender.features import UserFeatures
from recommender.settings import Settings
from recommender.store import FeastFeatures

(row,) = FeastFeatures.open(Settings()).read(UserFeatures, ["ada"], time.time_ns() // 1_000)
```

`get_online_features` of Feast gives rows as they are stored. An on-demand feature view could not age them, because
Feast does not tell it their feature times; the response holds them, and this does:

```python
from recommender.features import aged
from recommender.store.codec import RowCodec

codec = RowCodec(UserFeatures)
response = store.get_online_features(codec.refs, [{{"user_id": "ada"}}], full_feature_names=True)
(row,) = codec.decode(response, ["ada"])
row = row and aged(row, time.time_ns() // 1_000)
```

`get_historical_features` with a frame of entity rows and `full_feature_names=True` adds a column
`<view>__event_timestamp`, the T of each row that it found.
"""


def _span(us: int) -> str:
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if us % (length * SECOND_US) == 0 and us > length * SECOND_US:
            return f"{us // (length * SECOND_US)} {unit}"
    return f"{us // SECOND_US} s"


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
