"""Dead letters in a real Redis: kept once, counted exactly, bounded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from recommender.deadletters import DeadLetter, Kept, RedisDeadLetters, dead_letter


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def from_log(number: int, payload: bytes = b"{", partition: str = "shopper-0") -> DeadLetter:
    return dead_letter(f"{partition} {number}-0", "not JSON", payload, 1_000.0 + number, number)


def test_a_payload_refused_again_is_the_same_letter_and_counts(client: redis.Redis) -> None:
    letters = RedisDeadLetters(client)
    letters.add([from_log(1), from_log(2), from_log(3, b"[")])
    letters.add([from_log(4)])

    latest, other = letters.list()
    assert (latest.payload, latest.count, latest.first_seen_at, latest.last_seen_at) == ("{", 3, 1_001.0, 1_004.0)
    assert latest.source == "shopper-0 1-0"
    assert (other.payload, other.count) == ("[", 1)
    assert letters.get(latest.letter_id) == latest


def test_entries_that_the_stream_reads_again_are_not_counted_again(client: redis.Redis) -> None:
    epoch = [from_log(1), from_log(2), from_log(1, b"[", "shopper-1")]
    RedisDeadLetters(client).add(epoch)
    RedisDeadLetters(client).add([*epoch, from_log(3), from_log(2, b"[", "shopper-1")])

    assert {letter.payload: letter.count for letter in RedisDeadLetters(client).list()} == {"{": 3, "[": 2}


def test_an_entry_read_again_whose_letter_is_gone_is_kept_again(client: redis.Redis) -> None:
    letters = RedisDeadLetters(client)
    letters.add([from_log(1), from_log(2)])
    letters.purge([from_log(1).letter_id])
    letters.add([from_log(1), from_log(2)])

    assert [letter.count for letter in letters.list()] == [2]


def test_each_refusal_by_the_api_counts(client: redis.Redis) -> None:
    letters = RedisDeadLetters(client)
    for seen_at in (2.0, 1.0):
        letters.add([dead_letter("api", "a rule", b"{}", seen_at), dead_letter("api", "a rule", b"{}", seen_at)])

    (letter,) = letters.list()
    assert (letter.count, letter.last_seen_at) == (4, 2.0)


def test_the_same_payload_for_another_reason_or_from_the_other_side_is_another_letter() -> None:
    made = [
        dead_letter("api", "a", b"{}"),
        dead_letter("api", "b", b"{}"),
        dead_letter("shopper-0 1-0", "a", b"{}", 1.0, 0),
    ]

    assert len({letter.letter_id for letter in made}) == 3


def test_beyond_the_limit_the_letters_not_seen_for_longest_go(client: redis.Redis) -> None:
    letters = RedisDeadLetters(client, most=3)
    letters.add([from_log(number, b"%d" % number) for number in range(1, 4)])
    kept = letters.add([from_log(4, b"1"), from_log(5, b"5")])

    assert [letter.payload for letter in letters.list()] == ["5", "1", "3"]
    assert (kept.letters, kept.dropped) == (3, 1)


def test_all_letters_together_take_no_more_than_the_limit(client: redis.Redis) -> None:
    letters = RedisDeadLetters(client, most_bytes=50_000)
    for number in range(20):
        kept = letters.add([from_log(number, b"%d" % number + b"x" * 10_000)])
        assert kept.size <= 50_000

    assert letters.count() == kept.letters == 4
    assert [letter.number for letter in letters.list()] == [19, 18, 17, 16]
    letters.purge([letter.letter_id for letter in letters.list()])
    assert letters.add([]) == Kept(0, 0, 0)
    assert letters.add([from_log(99)]).size < 1_000


def test_the_bounds_hold_in_redis_itself(client: redis.Redis) -> None:
    letters = RedisDeadLetters(client, most=10)
    letters.add(from_log(number, b"%d" % number) for number in range(5_000))

    assert letters.count() == 10
    lengths = [client.hlen("liveshelf:deadletters:letters"), client.hlen("liveshelf:deadletters:counts")]
    assert lengths == [10, 10]


@pytest.mark.parametrize(
    ("payload", "whole"),
    [(b'{"a": "\xc3\xa4"}', True), (b"\xff", False), (b"x" * 16_384, True), (b"x" * 16_385, False), (b"", True)],
)
def test_a_letter_tells_whether_its_payload_is_whole(client: redis.Redis, payload: bytes, whole: bool) -> None:
    letters = RedisDeadLetters(client)
    letters.add([dead_letter("api", "a rule", payload)])

    assert [letter.whole for letter in letters.list()] == [whole]
