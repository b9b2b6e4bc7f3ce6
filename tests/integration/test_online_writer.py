"""The writer beside the flow: what it leaves readable of what it was given."""

from __future__ import annotations

import pytest

from dataflows.effects import Effects, Forgotten
from dataflows.online import OnlineWriter
from recommender.features import SessionFeatures
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.repository import apply

NOON_US = 1_700_000_000_000_000


def session(session_id: str, time_us: int) -> SessionFeatures:
    return SessionFeatures(session_id, time_us, "", 0, 0.0, 0, 0, 0, [], [], [], [], [], "", "")


@pytest.mark.parametrize("newer_us", [1, -1])
def test_who_is_forgotten_and_comes_back_in_one_batch_has_the_new_row(settings: Settings, newer_us: int) -> None:
    apply(settings)
    writer = OnlineWriter(settings)
    writer.add(Effects(rows=[session("back", NOON_US), session("gone", NOON_US)]))
    writer.complete()
    back = session("back", NOON_US + newer_us)
    forgotten = [Forgotten("session_id", "back"), Forgotten("session_id", "gone")]
    writer.add(Effects(rows=[back], forgotten=forgotten))  # as a step makes them: it forgets, then looks at what came
    writer.complete()
    features = FeastFeatures.open(settings)
    assert features.read(SessionFeatures, ["back", "gone"]) == [back, None]
    features.close()
