"""`liveshelf import` into a stopped installation and into a running one, with the real Redis and the real dataflow."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from cli import import_
from cli.import_ import Feed, run
from cli.load_display import LoadDisplay
from cli.load_report import LoadReport
from cli.problem import WRONG_USE, Problem
from cli.supervision import ProcessSpec, StopRequest
from recommender.embedded_redis import EmbeddedRedis, redis_of
from recommender.eventlog import EventLog, LogRecord, Progress, open_event_log
from recommender.history import part_files
from recommender.installation import Installation, RunRecord
from recommender.loaders import open_loader
from recommender.settings import Settings
from tests.integration.stream import Stream

HEADER = "kind,event_id,user_id,item_id,event_time\n"
ROWS = "".join(f"view,e{n},u{n % 3},i{n},{1700000000 + n}\n" for n in range(50))
REFUSED = "view,e-late,u1,i1,2026-01-02T03:04:05\nview,e-future,u1,i1,2999-01-01T00:00:00Z\n"


def generic(folder: Path) -> Path:
    path = folder / "events.csv"
    path.write_text(HEADER + ROWS + REFUSED)
    return path


def views_in(data_dir: Path) -> int:
    files = part_files(Installation(data_dir).history_dir, "events")
    return sum(pq.read_metadata(file).num_rows for file in files)


def imported(
    capsys: pytest.CaptureFixture[str], data_dir: Path, dataset: str, file: Path, limit: int | None
) -> tuple[int, dict[str, Any]]:
    code = run(data_dir, dataset, file, limit, as_json=True)
    return code, json.loads(capsys.readouterr().out)


def test_a_file_goes_into_a_stopped_installation_and_not_a_second_time_into_the_running_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIVESHELF_REDIS_URL", raising=False)
    data_dir = tmp_path / "data"
    code, summary = imported(capsys, data_dir, "generic", generic(tmp_path), None)
    assert (code, summary["drained"]) == (0, True)
    assert (summary["rows"], summary["sent"], summary["accepted"], summary["rejected"]) == (52, 52, 50, 2)
    assert summary["reasons"] == {
        "view.event_time: Input should have timezone info": 1,
        "view.event_time: must not be more than 5 minutes ahead of the server's clock": 1,
    }
    assert len(Path(summary["rejects_file"]).read_text().splitlines()) == 2
    assert views_in(data_dir) == 50
    assert not EmbeddedRedis(Installation(data_dir).redis_dir).is_running()

    with redis_of(Settings(data_dir=data_dir), "test") as redis_url:
        own = psutil.Process()
        record = RunRecord(own.pid, own.create_time(), redis_url, "http://127.0.0.1:1")
        Installation(data_dir).write_run_record(record)
        stream = Stream(Settings(data_dir=data_dir, redis_url=redis_url))
        stream.start()
        try:
            code, summary = imported(capsys, data_dir, "generic", generic(tmp_path), 30)
        finally:
            stream.kill()
    assert (code, summary["drained"], summary["accepted"]) == (0, True, 30)
    assert views_in(data_dir) == 50


@contextmanager
def live_traffic(log: EventLog) -> Iterator[None]:
    """A shop that goes on selling: the stream reads all there is, and there is always something new."""
    over = threading.Event()

    def trade() -> None:
        while not over.wait(0.01):
            ends = log.ends()
            log.append([LogRecord("shopper", f"live{n}", b"{}") for n in range(40)])
            for partition, entries in ends.items():
                log.commit("features", partition, Progress(str(entries - 1), entries))

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_an_import_waits_for_its_own_events_and_not_for_live_traffic(tmp_path: Path, log_settings: Settings) -> None:
    loader, log = open_loader("generic", generic(tmp_path)), open_event_log(log_settings)
    stop = StopRequest()
    too_late = threading.Timer(30, stop.ask)
    too_late.start()
    with LoadReport("generic", tmp_path, tmp_path) as report, LoadDisplay(loader, report) as display:
        feed = Feed(loader, None, report, display, stop)
        assert feed.read_ahead()
        log.append([LogRecord("shopper", "before", b"{}")])
        with live_traffic(log):
            assert feed.run(log)
        assert sum(log.ends().values()) > 51 + 40  # traffic there was
    too_late.cancel()
    assert (report.accepted, feed.interrupted) == (50, False)


def test_a_file_cut_short_is_appended_as_far_as_it_goes_and_told_before_the_waiting(
    tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv.gz"
    lines = "".join(f"{n},{n * 7919 % 10007},1,pv,{1511658000 + n}\n" for n in range(50_000))
    path.write_bytes(gzip.compress(lines.encode())[:100_000])
    loader, log = open_loader("taobao", path), open_event_log(settings)
    stop = StopRequest()
    stop_waiting = threading.Timer(2, stop.ask)  # nobody reads this log
    with LoadReport("taobao", path, tmp_path) as report, LoadDisplay(loader, report) as display:
        feed = Feed(loader, None, report, display, stop)
        assert feed.read_ahead()
        stop_waiting.start()
        assert not feed.run(log)
    assert feed.damaged
    assert 1_000 < report.accepted == sum(log.ends().values()) < 50_000
    assert "a.csv.gz: the gzip data ends too early" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "exit_code"), [(HEADER + REFUSED, 1), ("kind,event_time,prize\n", 1), (HEADER, 0)])
def test_nothing_is_started_for_a_file_without_a_valid_event(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, exit_code: int
) -> None:
    (tmp_path / "a.csv").write_text(content)
    code, summary = imported(capsys, tmp_path / "data", "generic", tmp_path / "a.csv", None)
    assert (code, summary["accepted"]) == (exit_code, 0)
    assert not Installation(tmp_path / "data").redis_dir.exists()


def test_nothing_is_started_for_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"none\.csv: No such file or directory$") as error:
        run(tmp_path / "data", "taobao", tmp_path / "none.csv", None, as_json=True)
    assert error.value.code == WRONG_USE
    assert not (tmp_path / "data").exists()


def test_a_dataflow_that_cannot_run_ends_the_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIVESHELF_REDIS_URL", raising=False)
    broken = ProcessSpec("dataflow", ["false"])  # a program that fails at once
    monkeypatch.setattr(import_, "service_processes", lambda *_, **__: [broken])
    code = run(tmp_path / "data", "generic", generic(tmp_path), None, as_json=True)
    out, err = capsys.readouterr()
    summary = json.loads(out)
    assert (code, summary["drained"], summary["accepted"]) == (1, False, 50)
    assert "import: the dataflow must run; see" in err
