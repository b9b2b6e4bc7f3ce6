"""Ten thousand random and damaged payloads through the real event log and the real flow, which is killed on the way."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime

import pyarrow.parquet as pq
import redis

from recommender.deadletters import MOST_LETTERS, RedisDeadLetters, dead_letter
from recommender.eventlog import SHOPPER, TOPICS, LogRecord, open_event_log, record_of
from recommender.events import View
from recommender.features import Interaction, ItemActivity
from recommender.history import part_files
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.repository import apply
from tests.fuzz.oracle import Verdict, check
from tests.fuzz.payloads import payloads
from tests.integration.stream import Stream, eventually

SENT = 10_000
GOOD = 200
AT_ONCE = 500


def test_each_payload_is_accepted_or_becomes_a_dead_letter_and_the_flow_goes_on(settings: Settings) -> None:
    seed = int(os.environ.get("LIVESHELF_TEST_SEED", random.SystemRandom().randrange(2**31)))
    print(f"seed {seed}: run it again with LIVESHELF_TEST_SEED={seed}")
    chance = random.Random(seed)
    apply(settings)
    poison = payloads(chance, SENT)
    verdicts = {payload: check(payload) for payload in poison}
    moment = datetime.now(UTC)
    good = [View(event_id=f"g{n}", event_time=moment, session_id=f"g{n}", item_id="good") for n in range(GOOD)]
    records = [addressed(payload, verdict, chance) for payload, verdict in verdicts.items()]
    again = [addressed(payload, verdicts[payload], chance) for payload in poison[:100]]
    records = [*records, *map(record_of, good), *again]
    chance.shuffle(records)
    log = open_event_log(settings)
    for start in range(0, len(records), AT_ONCE):
        log.append(records[start : start + AT_ONCE])

    stream = Stream(settings)
    stream.start()
    eventually(lambda: log.lag("features") <= len(records) * chance.uniform(0.3, 0.7), 120)
    stream.kill()
    stream.run_to_the_end()
    assert log.lag("features") == 0
    log.close()

    refused = {payload: verdict.reason for payload, verdict in verdicts.items() if verdict.event is None}
    assert 0 < len(refused) < SENT
    assert letters(settings) == {
        dead_letter("log", reason, payload, number=0).letter_id: 1 + (payload in poison[:100])
        for payload, reason in refused.items()
    }
    assert shopper_events(settings) == expected_shopper_events(list(verdicts.values()), good)
    (activity,) = FeastFeatures.open(settings).read(ItemActivity, ["good"])
    assert activity is not None
    assert activity.views_5m == GOOD


def addressed(payload: bytes, verdict: Verdict, chance: random.Random) -> LogRecord:
    """A record under its shopper's key, by which events find their repetitions, or under any."""
    if isinstance(verdict.event, Interaction):
        return LogRecord(SHOPPER, verdict.event.user_id or verdict.event.session_id, payload)
    return LogRecord(chance.choice(TOPICS), f"k{chance.randrange(50)}", payload)


def letters(settings: Settings) -> dict[str, int]:
    """Letter ids, and how often each was refused; each has a reason."""
    with redis.Redis.from_url(str(settings.redis_url)) as client:
        found = RedisDeadLetters(client).list(MOST_LETTERS)
    assert all(letter.reason for letter in found)
    return {letter.letter_id: letter.count for letter in found}


def shopper_events(settings: Settings) -> list[str]:
    found: list[str] = []
    for path in part_files(Installation(settings.data_dir).history_dir, "events"):
        table = pq.read_table(path, columns=["session_id", "event_id"])
        found += [f"{row['session_id']} {row['event_id']}" for row in table.to_pylist()]
    return sorted(found)


def expected_shopper_events(verdicts: list[Verdict], good: list[View]) -> list[str]:
    """Each event id once in its shopper's session."""
    events = [verdict.event for verdict in verdicts if isinstance(verdict.event, Interaction)]
    once = {(event.user_id, event.session_id, event.event_id) for event in events}
    return sorted([f"{session} {event}" for _, session, event in once] + [f"{v.session_id} {v.event_id}" for v in good])
