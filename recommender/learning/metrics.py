"""What the learner counts and measures, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("liveshelf_learner_events_total", "Events read from the event log and valid")
EXAMPLES = Counter("liveshelf_learner_examples_total", "Examples trained on")
SKIPPED = Counter("liveshelf_learner_skipped_total", "Shopper events left out while the learner was behind")
LOST = Counter("liveshelf_learner_positions_lost_total", "Positions from which the event log could not be read on")
BEHIND_SECONDS = Gauge("liveshelf_learner_behind_seconds", "How long the event read last had waited; 0 at the end")
SHOPPERS_RATIO = Gauge("liveshelf_learner_shoppers_ratio", "Share of the shoppers whose events are learned from")
FEATURES = Gauge("liveshelf_learner_features", "Features that have an embedding", ["of"])
HIT_RATE = Gauge("liveshelf_learner_hit_rate", "Progressive hit rate at 20, half-life 2,000 examples", ["model"])
MRR = Gauge("liveshelf_learner_mrr", "Progressive mean reciprocal rank at 20, half-life 2,000 examples", ["model"])
BATCH_SECONDS = Histogram(
    "liveshelf_learner_batch_seconds",
    "Time to test and to train a batch",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
PUBLISH_SECONDS = Histogram(
    "liveshelf_learner_publish_seconds",
    "Time to write a version and to make it current",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
VERSIONS = Counter("liveshelf_learner_versions_total", "Versions made current")
WITHHELD = Counter("liveshelf_learner_withheld_total", "Times that no version was published since it was in doubt")
FALLBACKS = Counter("liveshelf_learner_fallbacks_total", "Times that the parent was gone back to", ["reason"])
LEARNING = Gauge("liveshelf_learner_learning", "1 while it learns, 0 while it waits for a full training")
for _reason in ("worse", "diverged"):
    FALLBACKS.labels(_reason)  # at 0 from the beginning, so that the first one is seen as a rise
