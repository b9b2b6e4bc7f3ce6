"""Fuzzes the reading of events, guided by coverage: ``python -m tests.fuzz.decoder --runs 100000`` (needs Atheris).

Pydantic and msgspec are native code that Atheris cannot see into, so what they say of a payload, without its values,
counts as coverage too: each distinct answer is a function of its own. What breaks the oracle is written to a file.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import atheris
import msgspec
from pydantic import ValidationError

with atheris.instrument_imports(
    include=["recommender.events", "recommender.features.interaction", "tests.fuzz.oracle"]
):
    from recommender.events import EVENT
    from recommender.events.fast import decode_any
    from tests.fuzz.oracle import check

from tests.spec.test_events import INVALID, VALID

_ANSWERS = 8_192
_NAMES = sorted({name for event in VALID.values() for name in event} | {"device", "country", "page", "position", "x"})
_VALUES = re.compile(r"\d+|'.*'|`.*`", re.DOTALL)
_WORDS = re.compile(rb'"[a-z_]+"')
_VALUES_TO_TRY: list[object] = [
    *(
        None,
        True,
        0,
        -1,
        1.5,
        10**6 + 1,
        10**12 + 1,
        2**63,
        10**30,
        {},
        [],
        [[]],
        [None],
        {"a": 1},
        ["a", ">"],
        ["a"] * 201,
    ),
    *(
        "",
        " ",
        "a ",
        " a",
        "a\n",
        "\0",
        "\x7f",
        "\x85",
        "\ud83d\ude00",
        "ä" * 128,
        "ä" * 129,
        "a" * 257,
        "user:",
        "user:u1",
        "user",
        "View",
    ),
    *(
        "EUR",
        "eUR",
        "EURO",
        "E\u00dcR",
        "DE",
        "D",
        "2026-11-22",
        "2026-11-22T08:00:60Z",
        "1970-01-01T00:00:00Z",
        "20261122T080000Z",
    ),
    *("2026-11-22t08:00:00z", "2026-11-22T08:00:00.9999999Z", "2026-11-22T08:00:00+01", "9999-12-31T23:59:59-01:00"),
]
_TOKENS = rb"""
    null true false -0 1e9 1.5 NaN Infinity 9223372036854775808 99999999999999999999 {} [] [[ ]] \u0000 \ud800 \udc00
    \ud83d\ude00 \n \" \\ "user: 1970-01-01T00:00:00Z 9999-12-31T23:59:59-23:59 2026-11-22T08:00:00.1234567Z +24:00
    -00:00 EUR DE
"""


def _answers() -> list[Callable[[], None]]:
    names: dict[str, Callable[[], None]] = {}
    exec("\n".join(f"def answer_{number}(): pass" for number in range(_ANSWERS)), names)  # noqa: S102
    return [atheris.instrument_func(names[f"answer_{number}"]) for number in range(_ANSWERS)]


_answered = _answers()


def _count(answer: str) -> None:
    _answered[zlib.crc32(_VALUES.sub("", answer).encode("utf-8", "replace")) % _ANSWERS]()


def mutate(payload: bytes, most: int, seed: int) -> bytes:
    """Change a field of an event, or, where it no longer is JSON and in half of all cases, bytes."""
    chance = random.Random(seed)
    try:
        event = json.loads(payload) if chance.random() < 0.5 else None
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        changed: bytes = atheris.Mutate(payload, most)
        return changed
    place = event["context"] if isinstance(event.get("context"), dict) and chance.random() < 0.3 else event
    name = chance.choice([*place, *_NAMES])
    if chance.random() < 0.2:
        place.pop(name, None)
    else:
        place[name] = chance.choice(_VALUES_TO_TRY)
    compact = (",", ":") if chance.random() < 0.5 else None
    return json.dumps(event, separators=compact, ensure_ascii=chance.random() < 0.5).encode("utf-8", "replace")[:most]


def fuzz(payload: bytes) -> None:
    """Check one payload."""
    try:
        EVENT.validate_json(payload)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False)[:5]:
            known = [part for part in problem["loc"] if isinstance(part, str)]
            _count(f"{problem['type']} {known[:2] if problem['type'] != 'extra_forbidden' else ''}")
            if problem["type"] == "json_invalid":
                _count(problem["msg"])
    try:
        decode_any(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _count(type(error).__name__ + _VALUES.sub("", str(error)))
    check(payload)


def main() -> None:
    """Fuzz; the exit code is not 0 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--found", type=Path, default=Path.cwd(), help="folder for payloads that break the oracle")
    options = parser.parse_args()
    seed = options.seed or random.SystemRandom().randrange(1, 2**31)
    print(f"seed {seed}: run it again with --seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        examples = [*VALID.values(), *(event for event, _ in INVALID.values())]
        payloads = [json.dumps(event, separators=(",", ":")).encode() for event in examples]
        for number, payload in enumerate(payloads):
            (Path(folder) / str(number)).write_bytes(payload)
        words = {word for payload in payloads for word in _WORDS.findall(payload)} | set(_TOKENS.split())
        lines = ['"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in sorted(words)]
        words_file = Path(folder) / "words.dict"
        words_file.write_text("\n".join(lines))
        prefix = f"-artifact_prefix={options.found}/event-"
        flags = [
            f"-seed={seed}",
            f"-runs={options.runs}",
            f"-dict={words_file}",
            "-max_len=4096",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *flags, prefix, folder], fuzz, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
