"""The metrics of a service in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COUNTS_AN_EVENT = """
from api import shared_metrics
from api.metrics import Metrics
{}
metrics = Metrics()
metrics.events.labels("accepted").inc()
assert b'liveshelf_api_events_total{{status="accepted"}} 1.0' in metrics.exposition()
"""


def test_metrics_of_one_process_are_in_no_files_even_where_the_environment_names_a_folder(tmp_path: Path) -> None:
    files = []
    for preparation in ("shared_metrics.keep_apart()", ""):
        subprocess.run(
            [sys.executable, "-c", COUNTS_AN_EVENT.format(preparation)],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            check=True,
        )
        files.append(list(tmp_path.glob("*.db")))
    apart, otherwise = files
    assert not apart
    assert otherwise
