"""The feature flow on real events that arrive out of order, some very late and some twice."""

from __future__ import annotations

from pathlib import Path

from recommender.settings import Settings
from tests.crash.shuffle import of_busy_users, read_by_the_rules, run, shuffle
from tests.integration.recount import Seen, read_taobao

EVENTS = 10_000
SEED = 3


def seen(t: int, number: int) -> Seen:
    return Seen("u1", "i1", "c1", "view", t, f"e{number}")


def test_the_rules_judge_repeats_before_lateness_and_by_the_order_of_arrival() -> None:
    arriving = [seen(5_000, 1), seen(3_200, 2), seen(3_199, 3), seen(3_199, 3), seen(9_000, 1), seen(6_000, 4)]
    arrivals = read_by_the_rules(arriving)
    assert [event.id for event in arrivals.counted] == ["e1", "e2", "e4"]
    assert [event.id for event in arrivals.late] == ["e3"]
    assert arrivals.repeated == 2


def test_features_of_shuffled_late_and_repeated_events_equal_an_independent_recount(
    settings: Settings, real_data: Path
) -> None:
    events = of_busy_users(read_taobao(real_data / "taobao" / "UserBehavior.csv.gz"), EVENTS)
    arriving = shuffle(events, SEED)
    expected = read_by_the_rules(arriving)
    assert len(expected.late) > 20
    assert expected.repeated > 400
    outcome = run(settings, arriving, drained_within_s=120)
    assert outcome.verdict.differences == []
    assert outcome.verdict.rows_compared > 20_000
    assert (outcome.late, outcome.repeated) == (len(expected.late), expected.repeated)
