"""Starts the flow with marks as ``dataflows.cluster`` starts the flow: ``python -m benchmarks.workers.cluster ...``."""

from __future__ import annotations

import sys

from dataflows import cluster

if __name__ == "__main__":
    sys.exit(cluster.main(flow="benchmarks.workers.flow"))
