"""Learning takes its share of the processor, and of the shoppers."""

from __future__ import annotations

from recommender.learning.pace import CpuShare, ShopperShare


class Hand:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_after_some_work_it_rests_until_the_share_is_kept() -> None:
    used, now = Hand(), Hand()
    share = CpuShare(0.25, used, now)
    used.at, now.at = 1.0, 1.0
    assert share.rest_s() == 3.0
    now.at = 4.0  # rested
    used.at, now.at = 1.5, 6.5  # and half of what it did was to wait
    assert share.rest_s() == 0.0


def test_rest_that_was_not_needed_is_not_saved_up() -> None:
    used, now = Hand(), Hand()
    share = CpuShare(0.5, used, now)
    now.at = 1_000.0
    assert share.rest_s() == 0.0
    used.at, now.at = 3.0, 1_003.0
    assert share.rest_s() == 3.0


def test_a_rest_that_was_cut_short_is_made_up_for() -> None:
    used, now = Hand(), Hand()
    share = CpuShare(0.5, used, now)
    used.at, now.at = 1.0, 1.0
    assert share.rest_s() == 1.0
    used.at, now.at = 1.0, 1.5  # half of it
    assert share.rest_s() == 0.5


def test_shoppers_are_left_out_by_halves_while_it_is_behind_and_come_back_when_it_is_not() -> None:
    now = Hand()
    share = ShopperShare(60.0, now)
    taken = []
    for behind_s in (100.0, 100.0, 30.0, 10.0, 10.0):
        now.at += 6.0
        share.note(behind_s)
        taken.append(share.ratio)
    assert taken == [0.5, 0.25, 0.25, 0.5, 1.0]
    now.at += 1.0
    share.note(1_000.0)
    assert share.ratio == 1.0, "one look is not enough"
    assert all(share.takes(shopper) for shopper in range(5_000))


def test_who_is_taken_at_a_small_share_is_taken_at_each_larger_one_and_some_always_are() -> None:
    now = Hand()
    share = ShopperShare(60.0, now)
    before = set(range(4_096))
    for _ in range(10):
        now.at += 6.0
        share.note(100.0)
        taken = {shopper for shopper in range(4_096) if share.takes(shopper)}
        assert taken <= before
        before = taken
    assert len(before) == 4_096 // 64
