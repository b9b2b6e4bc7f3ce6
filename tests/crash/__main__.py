"""Kill the worker, the API, Redis and the Kafka broker again and again during a replay; then compare everything.

``python -m tests.crash --log redis --seed 1``; the file is that of the folder ``LIVESHELF_DATA``, or ``--file``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from tests.conftest import free_port
from tests.crash.run import CrashTest, Hit, say
from tests.crash.schedule import API, BROKER, DATAFLOW, REDIS, draw, draw_drain
from tests.crash.shop import Gone, Shop
from tests.crash.verdict import Verdict, shown

_DEFAULT_SEED = 20_171_126


def main() -> int:
    """Run the crash test; return 0 when nothing is lost, doubled or different."""
    options = _options()
    logs = ["redis", "kafka"] if options.log == "both" else [options.log]
    return max([_run(options, log) for log in logs])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__.partition("\n")[0])
    parser.add_argument("--log", choices=["redis", "kafka", "both"], default="redis", help="the event log")
    parser.add_argument("--seed", type=int, default=_DEFAULT_SEED, help="the same seed kills by the same schedule")
    parser.add_argument("--kills", type=int, default=20, help="of each: worker, API, and Redis as the event log")
    parser.add_argument("--broker-kills", type=int, default=8, help="of the Kafka broker")
    parser.add_argument("--workers", type=int, default=1, help="processes of the dataflow")
    parser.add_argument("--gap", type=float, default=6.0, help="mean time from one kill to the next [s]")
    parser.add_argument("--rows", type=int, help="of the file; all without it")
    parser.add_argument("--file", type=Path, help="a taobao file; that of LIVESHELF_DATA without it")
    parser.add_argument("--keep", type=Path, help="folder to work in, kept; a temporary one without it")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    options = parser.parse_args()
    if options.file is None:
        folder = os.environ.get("LIVESHELF_DATA")
        if not folder:
            parser.error("needs the taobao file: set LIVESHELF_DATA to the folder of data sets, or give --file")
        options.file = Path(folder) / "taobao" / "UserBehavior.csv.gz"
    return options


def _run(options: argparse.Namespace, log: str) -> int:
    say(f"seed {options.seed}, event log {log}")
    folder = Path(tempfile.mkdtemp(prefix=f"liveshelf-crash-{log}-", dir=options.keep))
    kills = {DATAFLOW: options.kills, API: options.kills, REDIS: options.kills}
    drain = {DATAFLOW: 3, API: 1, REDIS: 1}
    if log == "kafka":
        kills |= {REDIS: max(1, options.kills // 5), BROKER: options.broker_kills}
        drain |= {BROKER: 1}
    began = time.monotonic()
    try:
        file, rows = _slice(options.file, options.rows, folder)
        broker = _broker(folder) if log == "kafka" else None
        shop = Shop(folder, free_port(), broker.url if broker else None, options.workers)
        test = CrashTest(shop, file, rows, options.seed, broker)
        error, verdict = "", None
        try:
            verdict = test.run(draw(options.seed, kills, options.gap), draw_drain(options.seed, drain))
        except Gone as gone:
            error = str(gone)
        finally:
            if broker:
                broker.stop()
        passed = verdict is not None and verdict.passed
        report = _report(options, log, test, rows, verdict, error) | {"seconds": round(time.monotonic() - began)}
        _print(report, test.hits, verdict, as_json=options.json)
        if not passed:
            say(f"FAILED; what is left lies in {folder}; run it again with --log {log} --seed {options.seed}")
        elif options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
        return 0 if passed else 1
    except KeyboardInterrupt:
        say(f"interrupted; what is left lies in {folder}")
        return 130


def _slice(file: Path, rows: int | None, folder: Path) -> tuple[Path, int]:
    """Return the file and its number of rows, or a file of its first rows."""
    with gzip.open(file, "rt") as lines:
        kept = list(islice(lines, rows))
    if rows is None:
        return file, len(kept)
    part = folder / "events.csv"
    part.write_text("".join(kept))
    return part, len(kept)


def _broker(folder: Path) -> Any:
    from tests.kafka.broker import KafkaBroker

    broker = KafkaBroker(folder / "kafka")
    broker.start()
    return broker


def _report(
    options: argparse.Namespace, log: str, test: CrashTest, rows: int, verdict: Verdict | None, error: str
) -> dict[str, Any]:
    return {
        "log": log,
        "seed": options.seed,
        "workers": options.workers,
        "events": rows,
        "kills": {target: _of(test.hits, target) for target in sorted({hit.target for hit in test.hits})},
        "replays": test.laps,
        "replays_broken_off": test.broken_off,
        "dead_letters": test.dead_letters,
        "rows_compared": verdict.rows_compared if verdict else 0,
        "history_rows": verdict.history_rows if verdict else {},
        "lost": verdict.lost if verdict else None,
        "doubled": verdict.doubled if verdict else None,
        "differences": len(verdict.differences) if verdict else None,
        "error": error,
        "passed": verdict is not None and verdict.passed,
    }


def _of(hits: list[Hit], target: str) -> dict[str, Any]:
    mine = [hit for hit in hits if hit.target == target]
    return {
        "kills": len(mine),
        "in_flight": sum(hit.in_flight for hit in mine),
        "in_start": sum(hit.phase == "start" for hit in mine),
        "in_drain": sum(hit.phase == "drain" for hit in mine),
        "median_lag": statistics.median([hit.lag or 0 for hit in mine]),
        "at_s": [hit.at_s for hit in mine],
    }


def _print(report: dict[str, Any], hits: list[Hit], verdict: Verdict | None, *, as_json: bool) -> None:
    for line in shown(verdict) if verdict else []:
        say(line)
    if as_json:
        sys.stdout.write(json.dumps(report | {"hits": [hit._asdict() for hit in hits]}) + "\n")
        return
    lines = ["target    kills  in flight  in its start  in the drain  median lag  moments [s]"]
    for target, told in report["kills"].items():
        moments = " ".join(f"{at:.0f}" for at in told["at_s"])
        lines.append(
            f"{target:<8}{told['kills']:>7}{told['in_flight']:>11}{told['in_start']:>14}{told['in_drain']:>14}"
            f"{told['median_lag']:>12.0f}  {moments}"
        )
    lines += [f"{name}: {report[name]}" for name in report if name not in ("kills", "error")]
    if report["error"]:
        lines.append(f"error: {report['error']}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
