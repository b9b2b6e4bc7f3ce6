"""The feature flow with marks, for ``python -m bytewax.run benchmarks.stream.worker``.

It is the very flow of ``dataflows.features``. When it ends, a report of its times goes to the file that
``LIVESHELF_BENCH_REPORT`` names: from the first batch that was not empty until the flow has ended, all its effects are
stored and its last snapshot is committed. ``LIVESHELF_BENCH_PROFILE`` puts timers around each part as well.
"""

from __future__ import annotations

import atexit
import os
from pathlib import Path

import msgspec

from benchmarks.stream.sampling import Sampler
from benchmarks.stream.timing import Timers, instrument
from dataflows import features
from dataflows.online import OnlineWriter
from recommender.settings import Settings

_profiles = "LIVESHELF_BENCH_PROFILE" in os.environ
_timers = Timers()
_sampler = Sampler()
flow = instrument(features.flow, _timers, inside=_profiles)


def _write_report() -> None:
    _sampler.stop()
    report = {**_timers.report(to_the_end=True), "functions": _sampler.functions()}
    Path(os.environ["LIVESHELF_BENCH_REPORT"]).write_bytes(msgspec.json.encode(report))


atexit.register(_write_report)
OnlineWriter.of_process(Settings())  # loads Feast, which takes seconds, before the first event instead of with it
if _profiles:
    _timers.at_first_read = _sampler.start
