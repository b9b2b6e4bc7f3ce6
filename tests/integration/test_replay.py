"""`liveshelf replay` against a real HTTP server that answers as it is told."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cli.event_sender import ApiUnavailable, EventSender
from cli.replay import run
from tests.conftest import free_port

Event = dict[str, Any]
Answer = tuple[int, Any]


def judged(events: list[Event], reason_of: Callable[[Event], str | None] = lambda event: None) -> Answer:
    """The API's answer: every event accepted, or rejected for the reason given."""
    results: list[Event] = []
    for index, event in enumerate(events):
        reason = reason_of(event)
        verdict = {"status": "accepted"} if reason is None else {"status": "rejected", "error": reason}
        results.append({"index": index, "event_id": event.get("event_id"), **verdict})
    accepted = sum(result["status"] == "accepted" for result in results)
    body = {"accepted": accepted, "rejected": len(results) - accepted, "results": results}
    return (202 if accepted else 422), body


class Stub:
    """A server that keeps what it gets."""

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []
        self.sizes: list[int] = []
        self.connections: set[Any] = set()
        self.answer: Callable[[list[Event]], Answer] = judged
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                stub.connections.add(self.client_address)
                stub.sizes.append(len(body))
                events = json.loads(body)
                stub.batches.append(events)
                status, content = stub.answer(events)
                if self.path != "/v1/events":
                    status, content = 404, "no such address"
                answer = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def events(self) -> list[Event]:
        return [event for batch in self.batches for event in batch]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.close()


@pytest.fixture
def replay(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, Event]]:
    """Run the command; give its exit code and its summary."""
    monkeypatch.setenv("LIVESHELF_DATA_DIR", str(tmp_path / "data"))

    def call(dataset: str, file: Path, limit: int | None = None, speed: str = "max") -> tuple[int, Event]:
        code = run(dataset, file, stub.url, speed, limit, as_json=True)
        return code, json.loads(capsys.readouterr().out)

    return call


def taobao(path: Path, rows: int, *extra: str) -> Path:
    lines = [f"{n % 7},{n},{n % 5},pv,{1511658000 + n}" for n in range(rows)]
    path.write_text("\n".join([*lines, *extra]) + "\n")
    return path


def test_every_row_is_sent_once_in_order_over_one_connection(
    stub: Stub, replay: Callable[..., Any], tmp_path: Path
) -> None:
    code, summary = replay("taobao", taobao(tmp_path / "a.csv", 2_500))
    assert code == 0
    assert [event["item_id"] for event in stub.events] == [str(n) for n in range(2_500)]
    assert [len(batch) for batch in stub.batches] == [1_000, 1_000, 500]
    assert len(stub.connections) == 1
    counts = {name: summary[name] for name in ("rows", "sent", "accepted", "rejected", "bad_rows", "reasons")}
    assert counts == {
        "rows": 2_500,
        "sent": 2_500,
        "accepted": 2_500,
        "rejected": 0,
        "bad_rows": 0,
        "reasons": {},
    }
    assert summary["catalogue"] == {"sent": 0, "accepted": 0, "rejected": 0}
    assert summary["rejects_file"] is None
    assert not (tmp_path / "data").exists()


def test_a_second_replay_carries_the_same_event_ids(stub: Stub, replay: Callable[..., Any], tmp_path: Path) -> None:
    path = taobao(tmp_path / "a.csv", 10)
    replay("taobao", path)
    replay("taobao", path)
    assert stub.batches[0] == stub.batches[1]


def test_refused_rows_are_counted_by_rule_and_kept_with_line_and_reason(
    stub: Stub, replay: Callable[..., Any], tmp_path: Path
) -> None:
    def reason(event: Event) -> str | None:
        item = int(event["item_id"])
        return f"view.item_id: must be less than 8; got '{item}'" if item >= 8 else None

    stub.answer = lambda events: judged(events, reason)
    code, summary = replay("taobao", taobao(tmp_path / "a.csv", 10, "what,is,this"))
    assert code == 0
    assert (summary["rows"], summary["sent"], summary["accepted"], summary["rejected"]) == (11, 11, 8, 3)
    assert summary["bad_rows"] == 1
    assert summary["reasons"] == {"view.item_id: must be less than 8": 2, "row: must have 5 columns": 1}
    rejects = Path(summary["rejects_file"])
    assert rejects.parent == tmp_path / "data" / "rejects"
    assert rejects.name.startswith("taobao-")
    kept = sorted((json.loads(line) for line in rejects.read_text().splitlines()), key=lambda row: row["line_number"])
    assert [(row["file"], row["line_number"], row["reason"]) for row in kept] == [
        ("a.csv", 9, "view.item_id: must be less than 8; got '8'"),
        ("a.csv", 10, "view.item_id: must be less than 8; got '9'"),
        ("a.csv", 11, "row: must have 5 columns; got 3"),
    ]
    assert kept[0]["event"]["item_id"] == "8"
    assert kept[2]["row"] == "what,is,this"


def test_a_batch_of_which_nothing_is_accepted_is_counted_too(
    stub: Stub, replay: Callable[..., Any], tmp_path: Path
) -> None:
    stub.answer = lambda events: judged(events, lambda event: "event: must not be" if len(stub.batches) < 2 else None)
    code, summary = replay("taobao", taobao(tmp_path / "a.csv", 1_001))
    assert (code, summary["accepted"], summary["rejected"]) == (0, 1, 1_000)


def test_a_load_of_which_nothing_is_accepted_has_failed_and_says_why(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVESHELF_DATA_DIR", str(tmp_path / "data"))
    stub.answer = lambda events: judged(events, lambda event: "event: must not be; got 1")
    path = taobao(tmp_path / "a.csv", 3)
    assert run("taobao", path, stub.url, "max", None, as_json=False) == 1
    out, err = capsys.readouterr()
    assert "rejected rows: " in out
    assert err == f"liveshelf: {path}: at least one row must be accepted; got 3 rejected (3 x event: must not be)\n"


def test_an_error_before_anything_was_sent_is_told_without_a_table_of_zeros(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVESHELF_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "a.csv").write_text("kind,event_time,prize\n")
    assert run("generic", tmp_path / "a.csv", stub.url, "max", None, as_json=False) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "each column must be named as an event field" in err


def test_catalogue_events_go_first_and_are_counted_apart(
    stub: Stub, replay: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,Toy Story (1995),Comedy\n2,Heat (1995),Crime\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n9,1,4.0,964982703\n9,2,4.0,964982703\n")
    _, summary = replay("movielens", tmp_path, limit=1)
    assert [event["kind"] for event in stub.events] == ["item_upsert", "item_upsert", "view"]
    assert summary["catalogue"] == {"sent": 2, "accepted": 2, "rejected": 0}
    assert (summary["rows"], summary["sent"]) == (1, 1)


@pytest.mark.parametrize(("limit", "rows"), [(0, 0), (1, 1), (7, 7), (99, 10)])
def test_a_limit_stops_after_so_many_rows(
    stub: Stub, replay: Callable[..., Any], tmp_path: Path, limit: int, rows: int
) -> None:
    _, summary = replay("taobao", taobao(tmp_path / "a.csv", 10), limit=limit)
    assert summary["rows"] == summary["sent"] == len(stub.events) == rows


def test_no_request_is_larger_than_the_api_takes(stub: Stub, replay: Callable[..., Any], tmp_path: Path) -> None:
    event = {"kind": "item_upsert", "item_id": "1", "event_time": 1700000000, "title": "x" * 1000}
    long = event | {"attributes": {f"a{n}": "y" * 100 for n in range(90)}}
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(long) + "\n" for _ in range(300)))
    _, summary = replay("generic", tmp_path / "a.jsonl")
    assert summary["accepted"] == 300
    assert 500_000 < max(stub.sizes) <= 1_048_576


def test_a_batch_that_is_too_large_goes_in_halves(stub: Stub, replay: Callable[..., Any], tmp_path: Path) -> None:
    stub.answer = lambda events: judged(events) if len(events) <= 300 else (413, "too many")
    _, summary = replay("taobao", taobao(tmp_path / "a.csv", 1_000))
    assert summary["accepted"] == 1_000
    assert [int(event["item_id"]) for batch in stub.batches if len(batch) <= 300 for event in batch] == list(
        range(1_000)
    )


def test_one_event_that_is_too_large_is_rejected_alone() -> None:
    server = Stub()
    server.answer = lambda events: (413, "too large")
    try:
        with EventSender(server.url, print) as sender:
            assert sender.send([b"{}", b"[1]"]) == [
                "event: too large for the API; got 2 bytes",
                "event: too large for the API; got 3 bytes",
            ]
    finally:
        server.close()


def test_a_busy_api_is_asked_again_with_the_same_events(stub: Stub, replay: Callable[..., Any], tmp_path: Path) -> None:
    stub.answer = lambda events: (503, "the event log does not answer") if len(stub.batches) < 3 else judged(events)
    code, summary = replay("taobao", taobao(tmp_path / "a.csv", 5))
    assert (code, summary["accepted"]) == (0, 5)
    assert stub.batches[0] == stub.batches[1] == stub.batches[2]


def test_an_api_that_comes_up_late_gets_everything() -> None:
    port = free_port()
    servers: list[ThreadingHTTPServer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            events = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = json.dumps(judged(events)[1]).encode()
            self.send_response(202)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    def come_up() -> None:
        servers.append(ThreadingHTTPServer(("127.0.0.1", port), Handler))
        servers[0].serve_forever(0.01)

    late = threading.Timer(0.5, come_up)
    late.start()
    with EventSender(f"http://127.0.0.1:{port}", print, give_up_after_s=20) as sender:
        assert sender.send([b'{"event_id": "a"}']) == [None]
    servers[0].shutdown()
    late.join()
    servers[0].server_close()


def test_an_api_that_never_answers_is_given_up_with_its_address() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    said: list[str] = []
    with EventSender(url, said.append, give_up_after_s=0.3) as sender, pytest.raises(ApiUnavailable) as error:
        sender.send([b"{}"])
    assert str(error.value).startswith(f"{url}/v1/events: must answer within 0 s; last: ConnectError")
    assert len(said) == 1  # of several tries
    assert re.fullmatch(
        rf"{url}/v1/events does not answer \(ConnectError: .*\); tries again until \d\d:\d\d:\d\d", said[0]
    )


def test_a_busy_api_is_told_before_it_is_asked_again(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVESHELF_DATA_DIR", str(tmp_path / "data"))
    stub.answer = lambda events: (503, "full") if len(stub.batches) < 2 else judged(events)
    assert run("taobao", taobao(tmp_path / "a.csv", 5), stub.url, "max", None, as_json=True) == 0
    assert f"taobao: {stub.url}/v1/events is busy (status 503: full); tries again until " in capsys.readouterr().err


@pytest.mark.parametrize("answer", [(500, "oh"), (404, "{}"), (202, "{}"), (202, "[]"), (202, {"results": []})])
def test_an_answer_that_says_nothing_of_the_events_ends_the_replay(
    stub: Stub, replay: Callable[..., Any], tmp_path: Path, answer: Answer
) -> None:
    stub.answer = lambda events: answer
    code, summary = replay("taobao", taobao(tmp_path / "a.csv", 5))
    assert code == 1
    assert (summary["rows"], summary["sent"], summary["accepted"]) == (5, 0, 0)
    assert len(stub.batches) == 1


def test_a_file_cut_short_is_sent_as_far_as_it_goes_and_then_told(
    stub: Stub, replay: Callable[..., Any], tmp_path: Path
) -> None:
    whole = taobao(tmp_path / "a.csv", 50_000).read_bytes()
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(whole)[:100_000])
    code, summary = replay("taobao", tmp_path / "b.csv.gz")
    assert code == 1
    assert 1_000 < summary["accepted"] == summary["rows"] < 50_000


def test_a_wrong_format_is_told_before_anything_is_sent(stub: Stub, replay: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("no,such\nformat,here\n")
    code, summary = replay("taobao", tmp_path / "a.csv")
    assert (code, summary["sent"], stub.batches) == (1, 0, [])


def test_events_come_as_far_apart_as_the_speed_says(stub: Stub, replay: Callable[..., Any], tmp_path: Path) -> None:
    arrivals: list[float] = []

    def note(events: list[Event]) -> Answer:
        arrivals.extend(time.monotonic() for _ in events)
        return judged(events)

    stub.answer = note
    _, summary = replay("taobao", taobao(tmp_path / "a.csv", 4), speed="5")
    assert summary["accepted"] == 4
    gaps = [later - earlier for earlier, later in pairwise(arrivals)]
    assert all(gap > 0.1 for gap in gaps)
    assert 0.55 < arrivals[-1] - arrivals[0] < 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_the_summary_and_the_rejects_so_far(
    stub: Stub, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,2,3,what,1511658000\n" + taobao(path, 10).read_text())
    two_sent = threading.Event()

    def note(events: list[Event]) -> Answer:
        if len(stub.batches) == 2:
            two_sent.set()
        return judged(events)

    stub.answer = note
    # Where the tests themselves run in the background, their children ignore Ctrl-C unless told otherwise.
    heeding = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from cli.main import main; main()"
    )
    command = [sys.executable, "-c", heeding, "replay", "taobao", str(path), "--url", stub.url, "--speed", "2"]
    env = os.environ | {"LIVESHELF_DATA_DIR": str(tmp_path / "data")}
    with subprocess.Popen([*command, "--json"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert two_sent.wait(60)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == b""
    summary = json.loads(out)
    assert summary["interrupted"] is True
    assert summary["accepted"] in (1, 2)
    assert summary["sent"] == summary["accepted"] + summary["rejected"]
    assert [json.loads(line)["line_number"] for line in Path(summary["rejects_file"]).read_text().splitlines()] == [1]
