"""The feature flow with marks, one of the processes that ``benchmarks.workers.cluster`` starts.

It is the very flow of ``dataflows.features``. When it ends, its marks go to a file of its own in the folder that
``LIVESHELF_BENCH_REPORT`` names.
"""

from __future__ import annotations

import atexit
import os
import time
from pathlib import Path

import msgspec

from benchmarks.stream.timing import Timers, instrument, peak_rss_mb
from benchmarks.workers.marks import Marks
from dataflows import features
from dataflows.online import OnlineWriter
from recommender.settings import Settings

_timers = Timers()
flow = instrument(features.flow, _timers, inside=False)
OnlineWriter.of_process(Settings())  # loads Feast, which takes seconds, before the first event instead of with it
_cpu_s = time.process_time()


def _write_marks() -> None:
    marks = Marks(
        began=_timers.began[0] if _timers.began else None,
        ended=time.monotonic(),
        cpu_s=time.process_time() - _cpu_s,
        peak_rss_mb=peak_rss_mb(),
    )
    path = Path(os.environ["LIVESHELF_BENCH_REPORT"]) / f"{os.getpid()}.json"
    path.write_bytes(msgspec.json.encode(marks))


atexit.register(_write_marks)
