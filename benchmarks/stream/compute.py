"""One flow in a process of its own: ``python -m benchmarks.stream.compute FLOW EVENTS REPORT``.

FLOW is ``compute``, ``passthrough`` or ``fold-window``. Recovery is off, there is one worker, and the sinks drop what
they get. The report has the wall and CPU time from the first read until the last effect has reached its sink.
"""

from __future__ import annotations

import argparse
import gc
from datetime import timedelta
from pathlib import Path

import msgspec
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from benchmarks.stream import events
from benchmarks.stream.flows import DropOnline, DropPartitionedSink, MemorySource, fold_window_flow, passthrough_flow
from benchmarks.stream.sampling import Sampler
from benchmarks.stream.timing import Timers, instrument
from dataflows import features
from recommender.settings import Settings

FLOWS = ("compute", "passthrough", "fold-window")
_NO_EPOCH = timedelta(hours=1)
"""No snapshot comes in between."""


def main() -> None:
    """Run one flow once."""
    parser = argparse.ArgumentParser(description="Measure one flow on events in memory.")
    parser.add_argument("flow", choices=FLOWS)
    parser.add_argument("events", type=Path, help="what benchmarks.stream.events has saved")
    parser.add_argument("report", type=Path, help="where the JSON goes")
    parser.add_argument("--first", type=int, help="only so many events")
    parser.add_argument("--profile", action="store_true", help="time each part")
    arguments = parser.parse_args()
    records = events.load(arguments.events).log_records()[: arguments.first]
    timers = Timers()
    flow = instrument(_flow(arguments.flow, MemorySource(records, timers), timers), timers, inside=arguments.profile)
    gc.collect()
    gc.freeze()  # the prepared events are no part of what is measured
    sampler = Sampler()
    if arguments.profile:
        timers.at_first_read, timers.at_end = sampler.start, sampler.stop
    run_main(flow, epoch_interval=_NO_EPOCH)
    report = {"events": len(records), **timers.report(to_the_end=False), "functions": sampler.functions()}
    arguments.report.write_bytes(msgspec.json.encode(report))


def _flow(name: str, source: MemorySource, timers: Timers) -> Dataflow:
    if name == "passthrough":
        return passthrough_flow(source)
    if name == "fold-window":
        return fold_window_flow(source)
    return features.build(Settings(), source, lambda: DropOnline(timers), DropPartitionedSink())


if __name__ == "__main__":
    main()
