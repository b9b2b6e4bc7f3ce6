"""``liveshelf deadletters``: what was refused, and what becomes of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import redis

from cli.problem import WRONG_USE, Problem, existing_installation
from recommender.deadletters import MOST_LETTERS, DeadLetter, RedisDeadLetters
from recommender.embedded_redis import redis_of
from recommender.eventlog import EventLog, LogRecord, open_event_log, record_of
from recommender.events import InvalidEvent, decode_event, refuse_future, utc_from_us

_CHUNK = 500
_REASONS_SHOWN = 20


class _Post(NamedTuple):
    letters: RedisDeadLetters
    log: EventLog


@contextmanager
def _opened(data_dir: Path | None, purpose: str) -> Iterator[_Post]:
    settings = existing_installation(data_dir)
    with redis_of(settings, f"liveshelf deadletters {purpose}") as url, redis.Redis.from_url(url) as client:
        client.ping()
        log = open_event_log(settings.model_copy(update={"redis_url": url}))
        try:
            yield _Post(RedisDeadLetters(client), log)
        finally:
            log.close()


def run_list(data_dir: Path | None, most: int, as_json: bool) -> int:
    """Print the latest letters without their payloads; return the exit code."""
    with _opened(data_dir, "list") as post:
        count, letters = post.letters.count(), post.letters.list(most)
    if as_json:
        _print_json({"count": count, "letters": [_heading(letter) for letter in letters]})
        return 0
    for letter in letters:
        heading = _heading(letter)
        seen = f"{heading['first_seen']} .. {heading['last_seen']}" if letter.count > 1 else heading["last_seen"]
        print(f"{letter.letter_id}  {seen}  {letter.count:,}x  {letter.source}  {letter.reason}")
    print(f"{len(letters):,} of {count:,} dead letters", file=sys.stderr)
    return 0


def run_show(letter_id: str, data_dir: Path | None, as_json: bool) -> int:
    """Print one letter with its payload; return the exit code."""
    with _opened(data_dir, "show") as post:
        letter = _require(post.letters, letter_id)
    if as_json:
        _print_json(_heading(letter) | {"payload": letter.payload})
    else:
        for name, value in _heading(letter).items():
            print(f"{name}: {value}")
        print(_harmless(letter.payload) if sys.stdout.isatty() else letter.payload)
    return 0


def run_replay(letter_ids: Sequence[str], file: Path | None, data_dir: Path | None, as_json: bool) -> int:
    """Send letters through validation again and print what became of them; return 1 if some are refused still."""
    if file is not None and len(letter_ids) != 1:
        raise Problem(f"--file: goes with the id of one letter; got {len(letter_ids)} ids", WRONG_USE)
    mended = _read(file) if file is not None else None
    accepted, refused = 0, []
    with _opened(data_dir, "replay") as post:
        chosen = [_require(post.letters, letter_id) for letter_id in letter_ids] or post.letters.list(MOST_LETTERS)
        chosen.reverse()  # the oldest first, as they came
        for start in range(0, len(chosen), _CHUNK):
            taken: list[tuple[str, LogRecord]] = []
            for letter in chosen[start : start + _CHUNK]:
                try:
                    taken.append((letter.letter_id, _record(_replayed(letter) if mended is None else mended)))
                except InvalidEvent as error:
                    refused.append({"letter_id": letter.letter_id, "reason": str(error)})
            if taken:
                post.log.append([record for _, record in taken])
                post.letters.purge([letter_id for letter_id, _ in taken])
            accepted += len(taken)
    if as_json:
        _print_json({"replayed": len(chosen), "accepted": accepted, "refused": len(refused), "letters": refused})
    else:
        for letter_still in refused[:_REASONS_SHOWN]:
            print(f"{letter_still['letter_id']}  {letter_still['reason']}")
        print(f"{accepted:,} accepted, {len(refused):,} refused still")
    return 1 if refused else 0


def run_purge(letter_ids: Sequence[str], data_dir: Path | None, yes: bool, as_json: bool) -> int:
    """Drop letters for good; return the exit code."""
    with _opened(data_dir, "purge") as post:
        if letter_ids:
            chosen = [_require(post.letters, letter_id).letter_id for letter_id in letter_ids]
        else:
            chosen = [letter.letter_id for letter in post.letters.list(MOST_LETTERS)]
            if chosen and not yes and not _is_sure(len(chosen)):
                raise Problem("deadletters purge: nothing was dropped; --yes drops all without asking")
        dropped = sum(post.letters.purge(chosen[start : start + _CHUNK]) for start in range(0, len(chosen), _CHUNK))
    if as_json:
        _print_json({"purged": dropped})
    else:
        print(f"{dropped:,} dropped")
    return 0


def _is_sure(count: int) -> bool:
    if not sys.stdin.isatty():
        return False
    print(f"Drop all {count:,} dead letters for good? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _replayed(letter: DeadLetter) -> str:
    if not letter.whole:
        raise InvalidEvent(
            "event: cut, not UTF-8, or wrong beside its payload: cannot go as it is; mend it with --file"
        )
    return letter.payload


def _record(payload: str) -> LogRecord:
    event = decode_event(payload)
    refuse_future(event, datetime.now(UTC))
    return record_of(event)


def _read(file: Path) -> str:
    try:
        return sys.stdin.buffer.read().decode() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"--file: must be a file with one event in JSON; {error}", WRONG_USE) from error


def _require(letters: RedisDeadLetters, letter_id: str) -> DeadLetter:
    letter = letters.get(letter_id)
    if letter is None:
        raise Problem(f"deadletters: must be the id of a letter that is kept; got {letter_id}")
    return letter


def _heading(letter: DeadLetter) -> dict[str, Any]:
    return {
        "letter_id": letter.letter_id,
        "count": letter.count,
        "first_seen": _moment(letter.first_seen_at),
        "last_seen": _moment(letter.last_seen_at),
        "source": letter.source,
        "reason": letter.reason,
        "whole": letter.whole,
    }


def _moment(seconds: float) -> str:
    return utc_from_us(round(seconds * 1e6)).isoformat(timespec="seconds")


def _harmless(payload: str) -> str:
    """Return a text for the terminal, without characters that would steer it."""
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in payload)


def _print_json(value: object) -> None:
    print(msgspec.json.encode(value).decode())
