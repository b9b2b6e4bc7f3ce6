"""The benchmarks of serving, small: they end well and print what they promise; how large it is is not judged here."""

from __future__ import annotations

import pytest

from benchmarks.rollback.shop import item_ids
from benchmarks.serve.sources import item_ids_of
from benchmarks.storm.source import SLATE, STOCK, Storm
from tests.integration.test_bench_models import bench

pytestmark = pytest.mark.timeout(300)


@pytest.mark.long
def test_serve_tells_rates_and_latencies_of_each_kind_of_traffic() -> None:
    result = bench(
        "serve", "--items", "1000", "--users", "50", "--seconds", "1", "--mixed-rate", "60", "--think", "0.5"
    )
    figures = result["sizes"]["1000"]
    for kind in ("live", "cached", "mixed"):
        for load in figures[kind].values():
            assert load["failed"] == 0, load["problems"]
            assert load["p50_ms"] <= load["p90_ms"] <= load["p99_ms"] <= load["p99.9_ms"] <= load["max_ms"]
            assert load["api_cpu_ms_per_request"] > 0
            assert load["api_rss_mb"] > 0
        assert figures["per_trivial"][kind] < 1.5
    assert set(figures["mixed"]["steady"]["kinds"]) == {"home", "listing", "item", "click"}
    assert figures["live"]["steady"]["cache"] == {"bypass": figures["live"]["steady"]["requests"]}
    assert figures["cached"]["steady"]["hit_ratio"] > 0.9
    assert {target["target"] for target in figures["targets"]} >= {"cached per trivial", "mixed, hit ratio"}


@pytest.mark.long
def test_freshness_tells_when_a_click_has_changed_the_slate() -> None:
    result = bench(
        *("freshness", "--items", "500", "--users", "20", "--seconds", "3", "--slates", "10", "--events", "20")
    )
    assert result["clicks"] > 3
    assert result["unchanged"] == 0
    assert 0 < result["changed"]["p50_ms"] <= result["changed"]["p99_ms"]
    assert result["features"]["p50_ms"] > 0
    assert result["others"]["failed"] == 0


@pytest.mark.long
def test_a_storm_of_stock_changes_tells_for_how_long_sold_out_items_were_seen() -> None:
    result = bench(
        *("storm", "--items", "500", "--flipping", "500", "--changes", "200", "--slates", "20"),
        *("--api-workers", "2", "--seconds", "4"),
    )
    sent = {kind: told["requests"] for kind, told in result["load"]["kinds"].items()}
    assert (result["stock_changes"], result["slates_seen"]) == (20 * sent["stock"], sent["slate"])
    assert 0 < sent["slate"] <= 80, "fewer where this computer was too busy to send them in time"
    assert result["slates_with_flipping_items"] > 0
    assert result["slates_too_late"] == 0
    assert result["passed"] is True


@pytest.mark.long
def test_chaos_tells_what_was_answered_while_processes_were_killed() -> None:
    result = bench(*("chaos", "--seconds", "5", "--rate", "20", "--only", "api"), *("--items", "500", "--users", "50"))
    assert set(result["drills"]) == {"api"}
    for drill in result["drills"].values():
        assert 0 < drill["requests"] <= 90, "fewer where this computer was too busy to send them in time"
        assert drill["answered_ratio"] >= drill["answered_ratio_without_retry"] > 0.5
        assert drill["events_acknowledged"] > 0
        assert drill["events_lost"] == 0


def slate(*items: str) -> bytes:
    entries = ",".join(f'{{"item_id":"{item}","score":1}}' for item in items)
    return f'{{"slate_id":"1","items":[{entries}],"answered_by":"cached"}}'.encode()


def test_the_storm_counts_an_item_as_sold_out_from_the_acknowledgement_until_it_may_be_back() -> None:
    first, other = flipping = item_ids(2)
    storm = Storm(flipping, 2, ["anna"], 1, 20, limit_s=1.0)
    sell_first_out, look = storm.next(), storm.next()
    assert (sell_first_out.kind, look.kind) == (STOCK, SLATE)
    storm.answered(look, 200, slate(first), 9.0)
    storm.answered(sell_first_out, 202, b"", 10.0)
    storm.answered(look, 200, slate(first, other), 10.5)
    storm.answered(look, 200, slate(first), 11.5)
    storm.next()  # first comes back and the other one sells out, which has not been acknowledged yet
    storm.answered(look, 200, slate(first, other), 12.0)
    found = storm.figures()
    assert (found["slates_seen"], found["slates_too_late"], found["sold_out_still_seen"]) == (4, 1, 1)
    assert found["longest_seen_ms"] == 1500


def test_the_items_of_a_slate_are_read_in_their_order() -> None:
    assert item_ids_of(slate("b", "a", "c")) == ["b", "a", "c"]
