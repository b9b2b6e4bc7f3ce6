"""What a power cut, or files put back from different moments, leave on disk: exact again, or clearly refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recommender.eventlog import open_event_log, record_of
from recommender.events import decode_event
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.repository import apply
from tests.crash.shuffle import payload
from tests.crash.verdict import Verdict, judge
from tests.integration.recount import Seen, read_taobao
from tests.integration.stream import Stream, environment

EVENTS = 3_000
MORE = 300


@pytest.fixture
def events(real_data: Path) -> list[Seen]:
    return read_taobao(real_data / "taobao" / "UserBehavior.csv.gz", EVENTS + 2 * MORE)


def complete(settings: Settings, events: list[Seen]) -> None:
    """Append events, let the stream complete them, and kill it."""
    log = open_event_log(settings)
    log.append([record_of(decode_event(payload(seen))) for seen in events])
    log.close()
    stream = Stream(settings)
    stream.start()
    try:
        stream.wait_until_drained()
    finally:
        stream.kill()


def put_back(kept: Path, place: Path) -> None:
    shutil.rmtree(place)
    shutil.copytree(kept, place)


def judged(settings: Settings, events: list[Seen]) -> Verdict:
    features = FeastFeatures.open(settings)
    try:
        return judge(features, Installation(settings.data_dir).history_dir, events)
    finally:
        features.close()


@pytest.mark.long
def test_files_of_different_moments_are_refused_or_make_the_stream_repeat_its_last_seconds_exactly(
    settings: Settings, events: list[Seen], tmp_path: Path
) -> None:
    apply(settings)
    installation = Installation(settings.data_dir)
    complete(settings, events[:EVENTS])
    shutil.copytree(installation.recovery_dir, tmp_path / "older recovery")
    shutil.copytree(installation.state_dir, tmp_path / "older state")
    complete(settings, events[EVENTS : EVENTS + MORE])

    shutil.copytree(installation.state_dir, tmp_path / "right state")
    put_back(tmp_path / "older state", installation.state_dir)
    refused = run_stream(settings)
    assert refused.returncode != 0
    assert "LostState" in refused.stderr
    assert "which the recovery store names" in refused.stderr
    assert "Restore recovery/, state/ and history/ from one backup" in refused.stderr
    put_back(tmp_path / "right state", installation.state_dir)

    put_back(tmp_path / "older recovery", installation.recovery_dir)
    complete(settings, events[EVENTS + MORE :])
    verdict = judged(settings, events)
    assert verdict.differences == []
    assert verdict.rows_compared > EVENTS

    too_many, too_few = judged(settings, events[:-1]), judged(settings, [*events, events[0]._replace(id="not sent")])
    assert (too_many.doubled, too_few.lost) == (3, 3)  # the event, its row of the user, its row of the session


def run_stream(settings: Settings) -> subprocess.CompletedProcess[str]:
    """Run the stream until it has read the whole log, or has refused to."""
    command = [sys.executable, "-m", "bytewax.run", "dataflows.features", "-s", "1", "-b", "0"]
    command += ["-r", str(Installation(settings.data_dir).recovery_dir)]
    env = environment(settings) | {"LIVESHELF_UNTIL_DRAINED": "true"}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
