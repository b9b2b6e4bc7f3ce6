"""The parts of an erasure, each on its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflows.intake import IntakeState
from dataflows.keyed_state import KeyedState, LostState
from recommender.erasure.audit import AuditLog
from recommender.erasure.control import Controls, EraseControl, FalseControl, Subject, is_control
from recommender.erasure.late import forget_erased_since
from recommender.erasure.naming import named_in_entry, named_in_reason, named_in_text
from recommender.erasure.secret import Secret
from recommender.eventlog import CATALOGUE, SHOPPER, Partition
from recommender.events import InvalidEvent, decode_event
from recommender.features import Interaction
from recommender.history import HistoryWriter, part_files, parts
from recommender.history.erasing import Persons, theirs
from recommender.installation import Installation
from recommender.model.forgetting import forget_shoppers
from recommender.model.registry import ModelRegistry
from recommender.settings import Settings
from tests.learning import blank_model

ANN = Persons(frozenset(["ann"]), frozenset(["s-ann"]))
PARTITIONS = [Partition(SHOPPER, 0), Partition(SHOPPER, 1), Partition(CATALOGUE, 0)]


def control(step: str, *, batch_id: str = "b1") -> EraseControl:
    return EraseControl(batch_id, step, (Subject("ann", ("s-ann", "user:ann")),))  # type: ignore[arg-type]


# Control events


def test_a_control_event_names_nobody_and_is_read_back_while_its_erasure_is_open(tmp_path: Path) -> None:
    controls = Controls(Settings(data_dir=tmp_path))
    controls.write("b1", [Subject("ann", ("s-ann",))])
    records = controls.records("b1", "drop", PARTITIONS)
    assert [(record.topic, record.partition) for record in records] == [(SHOPPER, 0), (SHOPPER, 1)]
    payload = records[0].payload
    assert is_control(payload)
    assert b"ann" not in payload
    read = controls.read(payload)
    assert read.step == "drop"
    assert (set(read.users), set(read.sessions)) == ({"ann"}, {"s-ann"})
    controls.forget("b1")
    assert controls.read(payload).subjects == ()


def test_a_control_event_that_others_made_is_refused_and_no_event_at_all(tmp_path: Path) -> None:
    own, other = (Controls(Settings(data_dir=tmp_path / name)) for name in ("own", "other"))
    payload = other.records("b1", "drop", PARTITIONS)[0].payload
    for false in (payload, payload[:-9] + b'"}', b'{"liveshelf_control":1}', b'{"liveshelf_control":'):
        with pytest.raises(FalseControl):
            own.read(false)
    with pytest.raises(InvalidEvent, match="kind"):
        decode_event(payload)


# Who is named


@pytest.mark.parametrize(
    "text",
    [
        '{"user_id": "ann"}',
        '{"user_id": " ann "}',
        '{"userId": "ann", "item_id": "x"}',
        '{"user_id": "\\u0061nn"}',
        '{"session_id": "user:ann"}',
        '{"user_id": "bob", "session_id": "s-ann"}',
        '[{"user_id": "bob"}, {"deep": [{"user": "ann"}]}]',
        '{"ann": 1}',
        '{"user_id": "ann", "item',
        "a,ann,b",
    ],
)
def test_a_text_names_a_user_by_any_field_that_could_hold_the_id(text: str) -> None:
    assert list(named_in_text(text, ANN))


@pytest.mark.parametrize(
    "text",
    [
        '{"user_id": "anna"}',
        '{"user_id": "bob", "item_id": "ann"}',
        '{"query": "ann"}',
        '{"user_id": "joann", "item',
        "anna, ann-marie",
        "{}",
        "",
    ],
)
def test_other_ids_that_contain_it_and_other_fields_do_not_name_the_user(text: str) -> None:
    assert list(named_in_text(text, ANN)) == []


def test_numbers_are_compared_as_they_are_written() -> None:
    assert list(named_in_text('{"user_id": 42, "quantity": 7}', Persons(frozenset(["42", "7"]), frozenset()))) == ["42"]


def test_the_reason_of_a_letter_names_a_user_also_when_it_is_cut() -> None:
    long = "u" * 128
    reason = f"view.user_id: String should match; got {repr(long)[:79]}…"
    assert list(named_in_reason(reason, Persons(frozenset([long]), frozenset()))) == [long]
    assert list(named_in_reason("view.item_id: must be; got 'ann'", ANN)) == []
    assert list(named_in_reason("a.user_id: b; got 'bob' | a.session_id: c; got 's-ann'", ANN)) == ["s-ann"]


@pytest.mark.parametrize("name", ["a b@c.d", "Ännchen", "\u00fcber.x", 'say "ann"'])
def test_any_id_is_found_in_what_is_no_json(name: str) -> None:
    persons = Persons(frozenset([name]), frozenset())
    assert list(named_in_text(f"1;{name};2", persons)) == [name]
    assert list(named_in_text('{"user_id": %s, ' % json.dumps(name), persons)) == [name]  # noqa: UP031
    assert list(named_in_text(f"x{name}x", persons)) == []


def test_an_event_is_its_users_and_an_anonymous_one_its_sessions() -> None:
    assert list(named_in_entry(b'{"user_id":"ann","session_id":"x"}', ANN)) == ["ann"]
    assert list(named_in_entry(b'{"session_id":"s-ann"}', ANN)) == ["s-ann"]
    assert list(named_in_entry(b'{"user_id":"bob","session_id":"s-ann"}', ANN)) == []
    assert list(named_in_entry(b'{"user_id":"ann"', ANN)) == ["ann"]


# Part-files


def event(number: int, user_id: str, session_id: str = "") -> Interaction:
    return Interaction(f"e{number}", "view", 1_000_000 + number, session_id or f"s-{user_id}", user_id, "i1")


def users(history_dir: Path) -> list[str]:
    found: list[str] = []
    for path in part_files(history_dir, "events"):
        found += pq.read_table(path).column("user_id").to_pylist()
    return found


def write(writer: HistoryWriter, *names: str) -> None:
    for number, name in enumerate(names):
        writer.add_event(event(number, name))


def test_an_erasure_leaves_out_what_waits_and_rewrites_what_was_written_but_not_what_comes_later(
    tmp_path: Path,
) -> None:
    writer = HistoryWriter(tmp_path, "0", 0)
    write(writer, "ann", "bob")
    writer.add_event(event(9, "", "s-ann"))
    writer.add_event(event(10, "", "s-else"))
    writer.add_event(event(11, "bob", "s-ann"))
    writer.flush()
    write(writer, "ann", "cid")
    writer.erase(control("drop"))
    write(writer, "ann", "dan")
    writer.flush()
    writer.erase(control("sweep"))
    writer.flush()
    assert sorted(users(tmp_path)) == ["", "ann", "bob", "bob", "cid", "dan"]
    writer.close()


def test_small_files_that_were_merged_already_are_rewritten_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_MERGE_AT", 3)
    monkeypatch.setattr(parts, "_SETTLED", 1)
    writer = HistoryWriter(tmp_path, "0", 0)
    for number in range(6):
        write(writer, "ann", f"user-{number}")
        writer.flush()
    writer.erase(control("drop"))
    writer.flush()
    writer.erase(control("sweep"))
    writer.flush()
    names = {path.name for path in (tmp_path / "events").iterdir()}
    assert any(name.startswith("merged-") for name in names)
    for name in names:
        assert "ann" not in pq.read_table(tmp_path / "events" / name).column("user_id").to_pylist(), name
    assert sorted(users(tmp_path)) == [f"user-{number}" for number in range(6)]
    writer.close()


def test_after_a_crash_in_the_middle_the_second_step_finishes_the_rewriting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = HistoryWriter(tmp_path, "0", 0)
    for number in range(5):
        write(writer, "ann", f"user-{number}")
        last = writer.flush()
    real, left = parts._write, [2]

    def failing(table: object, path: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            path.with_name(f".{path.name}.writing").write_bytes(b"ann")
            raise OSError("killed")
        real(table, path)

    monkeypatch.setattr(parts, "_write", failing)
    writer.erase(control("drop"))
    writer.flush()
    writer.close()
    assert users(tmp_path).count("ann") == 3
    monkeypatch.setattr(parts, "_write", real)

    again = HistoryWriter(tmp_path, "0", last)
    assert not list((tmp_path / "events").glob(".*")), "half a file is no longer there"
    again.erase(control("sweep"))
    again.flush()
    assert sorted(users(tmp_path)) == [f"user-{number}" for number in range(5)]
    again.close()


def test_a_part_file_that_cannot_be_read_is_left_and_all_others_are_rewritten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = HistoryWriter(tmp_path, "0", 0)
    for number in range(3):
        write(writer, "ann", f"user-{number}")
        writer.flush()
    damaged = part_files(tmp_path, "events")[1]
    damaged.write_bytes(b"PAR1")
    writer.erase(control("drop"))
    writer.flush()
    writer.erase(control("sweep"))
    writer.flush()
    writer.close()
    assert damaged.read_bytes() == b"PAR1"
    damaged.unlink()
    assert sorted(users(tmp_path)) == ["user-0", "user-2"]
    assert "must be a sound part-file" in caplog.text


def test_rows_without_a_user_stay() -> None:
    table = pa.table({"user_id": ["ann", None, "", "bob"], "session_id": ["x", "s-ann", "s-ann", "s-ann"]})
    assert theirs("events", table, ANN).to_pylist() == [True, False, True, False]


# States


def test_a_state_is_dropped_at_once_and_swept_from_the_file_when_no_crash_can_bring_it_back(tmp_path: Path) -> None:
    path = tmp_path / "intake" / "00.sqlite3"
    states = KeyedState(path, IntakeState, 0)
    for name in ("ann", "bob"):
        states.touch(name).latest_us = 1
    states.snapshot()
    states.drop(states.find(lambda key: key == "ann"), "b1")
    dropped_at = states.snapshot()
    assert (states.peek("ann"), len(states)) == (None, 1)
    assert b"ann" in everything(path), "a crash may still go back"
    states.touch("cid")
    states.snapshot()
    states.sweep("b1")
    states.snapshot()
    assert b"ann" not in everything(path)
    states.close()
    back = KeyedState(path, IntakeState, dropped_at)
    assert (back.peek("ann"), back.peek("cid")) == (None, None)
    assert back.peek("bob") is not None
    back.close()
    with pytest.raises(LostState):
        KeyedState(path, IntakeState, dropped_at - 1)


def test_a_sweep_after_a_restart_goes_no_further_than_what_was_resumed(tmp_path: Path) -> None:
    path = tmp_path / "intake" / "00.sqlite3"
    states = KeyedState(path, IntakeState, 0)
    states.touch("ann")
    states.snapshot()
    states.drop(["ann"], "b1")
    resumed_at = states.snapshot()
    states.close()
    states = KeyedState(path, IntakeState, resumed_at)
    states.touch("bob")
    states.snapshot()
    states.sweep("b1")
    states.snapshot()
    states.close()
    assert b"ann" not in everything(path)
    KeyedState(path, IntakeState, resumed_at).close()


def everything(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


# Models


def test_a_version_forgets_a_user_under_its_own_name_and_stays_sound(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    model = blank_model()
    model.shopper_features = [f"user=u{row}" for row in range(len(model.shopper_features))]
    versions = [registry.save(model, datetime(2026, 11, 22, 8, second, tzinfo=UTC)) for second in (1, 2)]
    before = registry.load(versions[0])
    done = forget_shoppers(tmp_path / "models", ["u1", "nobody"])
    assert (done.counts, done.damaged) == ({"u1": 2}, [])
    assert forget_shoppers(tmp_path / "models", ["u1"]).counts == {}
    after = registry.load(versions[0])
    assert registry.damage(versions[1]) is None
    assert after.shopper_features == [before.shopper_features[0], "erased=1", *before.shopper_features[2:]]
    assert not after.shopper_embeddings[1].any()
    assert (after.shopper_embeddings[2:] == before.shopper_embeddings[2:]).all()
    assert not after.user_vector({"user=u1": 1.0})[1]
    assert all(b"user=u1" + b'"' not in path.read_bytes() for path in (tmp_path / "models").rglob("*.*"))


def test_a_model_that_was_trained_on_what_was_erased_meanwhile_forgets_it(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    model = blank_model()
    model.shopper_features = [f"user=u{row}" for row in range(len(model.shopper_features))]
    registry = ModelRegistry(installation.models_dir)
    version = registry.save(model)
    audit = AuditLog(installation.audit_path, Secret(installation.secret_path))
    audit.note("erasure_requested", "u0")
    began = datetime.now(UTC)
    audit.note("export", "u2")
    assert forget_erased_since(installation, began + timedelta(seconds=1), model.shopper_features) == []
    audit.note("erasure_requested", "u1")
    assert forget_erased_since(installation, began, model.shopper_features) == ["user=u1"]
    assert registry.load(version).shopper_features[:3] == ["user=u0", "erased=1", "user=u2"]
    assert "u1" not in installation.audit_path.read_text()
    assert [json.loads(line)["act"] for line in installation.audit_path.read_text().splitlines()][-1] == (
        "erasure_requested"
    )
