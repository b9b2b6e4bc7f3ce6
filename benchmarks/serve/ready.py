"""Whether an API has loaded what a benchmark has made up."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


def serves(metrics: str, items: int, version: str) -> bool:
    """Tell by its metrics whether an API has loaded so many items and this model.

    Args:
        metrics: in Prometheus' text format.
        items: how many there are.
        version: of the model.
    """
    loaded, in_service = False, False
    for sample in (sample for family in text_string_to_metric_families(metrics) for sample in family.samples):
        if sample.name == "liveshelf_api_items":
            loaded = sample.value == items
        elif sample.name == "liveshelf_api_model_info" and sample.labels["version"] == version:
            in_service = sample.value == 1.0
    return loaded and in_service
