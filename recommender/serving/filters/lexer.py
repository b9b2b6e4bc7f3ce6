"""From the text of a filter to its tokens."""

from __future__ import annotations

import re
from typing import NamedTuple

MOST_CHARACTERS = 2_000

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>\d[\d_]*(?:\.\d+)?)
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<word>[A-Za-z_]\w*)
      | (?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,|=)
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")


class BadFilter(ValueError):
    """The text is no filter; it says where and why."""


class Token(NamedTuple):
    """One word, sign, number or quoted text."""

    kind: str
    """number, text, word, sign or end."""
    text: str
    """Of a quoted text what it stands for."""
    at: int
    """0-based place of its first character."""


def tokens(text: str) -> list[Token]:
    """Return the tokens of a filter, the last of kind ``end``.

    Raises:
        BadFilter: it is longer than 2,000 characters, or some character begins no token.
    """
    if len(text) > MOST_CHARACTERS:
        raise BadFilter(f"must have at most {MOST_CHARACTERS:,} characters; got {len(text):,}")
    found: list[Token] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            at = place + len(text[place:]) - len(text[place:].lstrip())
            raise BadFilter(f"must be of names, numbers, quoted texts and signs; got {text[at : at + 20]!r} at {at}")
        kind = match.lastgroup or ""
        value = match[kind]
        found.append(Token(kind, _ESCAPE.sub(r"\1", value[1:-1]) if kind == "text" else value, match.start(kind)))
        place = match.end()
    return [*found, Token("end", "", end)]
