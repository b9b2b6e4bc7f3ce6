"""From tokens to a tree, by recursive descent.

::

    filter     = every { "or" every }
    every      = each { "and" each }
    each       = "not" each | "(" filter ")" | comparison
    comparison = field sign value | field ["not"] "in" list | text ["not"] "in" "tags"
    list       = "[" [ value { "," value } ] "]"
    sign       = "==" | "!=" | "<" | "<=" | ">" | ">="
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from recommender.serving.filters.lexer import BadFilter as BadFilter
from recommender.serving.filters.lexer import Token, tokens

MOST_DEPTH = 20
MOST_VALUES = 200
MOST_COMPARISONS = 20
TEXT_FIELDS = ("category", "brand", "item_id")
NUMBER_FIELDS = ("price", "stock", "listed_days")
_WHOLE = ("price", "stock")
TAGS = "tags"
FIELDS = (*TEXT_FIELDS, TAGS, *NUMBER_FIELDS)
_ORDERS = ("<", "<=", ">", ">=")
_EQUALS = ("==", "!=")
_KEYWORDS = ("and", "or", "not", "in")


class Among(msgspec.Struct, frozen=True):
    """The field's value is one of these texts; of ``tags`` any one. Case is of no regard but in ids."""

    field: str
    values: frozenset[str]


class AmongNumbers(msgspec.Struct, frozen=True):
    """The field's number is one of these."""

    field: str
    numbers: frozenset[float]


class Compare(msgspec.Struct, frozen=True):
    """The field's number stands to another as the sign says; ``!=`` is the opposite of ``==``, even of the unknown."""

    field: str
    sign: str
    number: float


class Not(msgspec.Struct, frozen=True):
    """The other does not hold."""

    inner: Node


class All(msgspec.Struct, frozen=True):
    """All hold."""

    parts: tuple[Node, ...]


class Any(msgspec.Struct, frozen=True):
    """At least one holds."""

    parts: tuple[Node, ...]


Node = Among | AmongNumbers | Compare | Not | All | Any


class Filter(msgspec.Struct, frozen=True):
    """A parsed filter."""

    text: str
    node: Node
    volatile: bool
    """Whether it names what changes without the description of an item: its stock, the time since it was listed."""


def opposite(wanted: Filter) -> Filter:
    """Return the filter that allows what this one does not. It is made without parsing, so it has no limits to keep."""
    return Filter(f"not ({wanted.text})", Not(wanted.node), wanted.volatile)


def named_texts(wanted: Filter) -> list[tuple[str, str]]:
    """Return which texts a filter compares which fields with, those of one comparison in alphabetical order."""
    found: list[tuple[str, str]] = []
    left: list[Node] = [wanted.node]
    while left:
        node = left.pop()
        if isinstance(node, Among):
            found += [(node.field, value) for value in sorted(node.values)]
        elif isinstance(node, Not):
            left.append(node.inner)
        elif isinstance(node, (All, Any)):
            left += reversed(node.parts)
    return found


@lru_cache(maxsize=1_024)
def parse_filter(text: str) -> Filter:
    """Parse a filter. Its size is limited, so that neither parsing nor asking it can take long.

    Raises:
        BadFilter: the text is no filter, or too large a one.
    """
    parser = _Parser(tokens(text))
    node = parser.whole()
    return Filter(text, node, parser.volatile)


class _Parser:
    def __init__(self, found: Sequence[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0
        self._values = 0
        self._comparisons = 0
        self.volatile = False

    def whole(self) -> Node:
        node = self._any()
        if self._next.kind != "end":
            raise self._expected('"and", "or" or the end')
        return node

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> bool:
        token = self._next
        if token.kind in ("word", "sign") and token.text in texts:
            self._at += 1
            return True
        return False

    def _any(self) -> Node:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        parts = _merged(parts)
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def _all(self) -> Node:
        parts = [self._each()]
        while self._take("and"):
            parts.append(self._each())
        parts = list(dict.fromkeys(parts))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _each(self) -> Node:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise BadFilter(f"must be nested at most {MOST_DEPTH} deep; got more at {self._next.at}")
        if self._take("not"):
            node: Node = Not(self._each())
        elif self._take("("):
            node = self._any()
            if not self._take(")"):
                raise self._expected('")"')
        else:
            node = self._comparison()
        self._depth -= 1
        return node

    def _count(self) -> None:
        self._comparisons += 1
        if self._comparisons > MOST_COMPARISONS:
            raise BadFilter(f"must have at most {MOST_COMPARISONS} comparisons; got more at {self._next.at}")

    def _comparison(self) -> Node:
        self._count()
        if self._next.kind == "text":
            return self._in_tags()
        name = self._next
        if name.kind != "word" or name.text in _KEYWORDS:
            raise self._expected("a field, " + ", ".join(FIELDS))
        if name.text not in FIELDS:
            raise BadFilter(f"must name a field, one of {', '.join(FIELDS)}; got {name.text[:40]!r} at {name.at}")
        self._at += 1
        self.volatile |= name.text in ("stock", "listed_days")
        negated = self._take("not")
        if self._take("in"):
            return _negated(self._list(name.text), negated)
        if negated:
            raise self._expected('"in"')
        return self._sign(name.text)

    def _in_tags(self) -> Node:
        value = self._text(TAGS)
        negated = self._take("not")
        if not self._take("in") or not self._take(TAGS):
            raise self._expected('"in tags"')
        return _negated(Among(TAGS, frozenset([value])), negated)

    def _list(self, field: str) -> Node:
        if not self._take("["):
            raise self._expected('"["')
        texts: set[str] = set()
        numbers: set[float] = set()
        while not self._take("]"):
            if field in NUMBER_FIELDS:
                if numbers:
                    self._count()  # each number is compared with by itself
                numbers.add(self._number(field))
            else:
                texts.add(self._text(field))
            if not self._take(",") and not (self._next.kind == "sign" and self._next.text == "]"):
                raise self._expected('"," or "]"')
        if field in NUMBER_FIELDS:
            return AmongNumbers(field, frozenset(numbers))
        return Among(field, frozenset(texts))

    def _sign(self, field: str) -> Node:
        sign = self._next
        if self._take("="):
            raise BadFilter(f'must compare by "=="; got "=" at {sign.at}')
        if field in NUMBER_FIELDS:
            if not self._take(*_EQUALS, *_ORDERS):
                raise self._expected("a sign, " + ", ".join((*_EQUALS, *_ORDERS)) + ", or in")
            return Compare(field, sign.text, self._number(field))
        if field == TAGS or not self._take(*_EQUALS):
            allowed = ("in",) if field == TAGS else (*_EQUALS, "in")
            raise self._expected(f"one of {', '.join(allowed)} behind {field}")
        return _negated(Among(field, frozenset([self._text(field)])), sign.text == "!=")

    def _text(self, field: str) -> str:
        text = self._value("text", f"a quoted text to compare {field} with").text
        return text if field == "item_id" else text.casefold()

    def _number(self, field: str) -> float:
        value = self._value("number", f"a number to compare {field} with")
        if "." in value.text and field in _WHOLE:
            whole, _, part = value.text.partition(".")
            hint = f" (write {whole}_{part:0<2})" if field == "price" and len(part) <= 2 else ""
            what = f"a whole number{' of cents' * (field == 'price')} to compare {field} with"
            raise BadFilter(f"must have {what} at {value.at}; got {value.text[:40]!r}{hint}")
        return float(value.text.replace("_", ""))

    def _value(self, kind: str, what: str) -> Token:
        token = self._next
        if token.kind != kind:
            raise self._expected(what)
        self._values += 1
        if self._values > MOST_VALUES:
            raise BadFilter(f"must have at most {MOST_VALUES} values; got more at {token.at}")
        self._at += 1
        return token

    def _expected(self, what: str) -> BadFilter:
        token = self._next
        got = "the end" if token.kind == "end" else repr(token.text[:40])
        return BadFilter(f"must have {what} at {token.at}; got {got}")


def _negated(node: Node, negated: bool) -> Node:
    return Not(node) if negated else node


def _merged(parts: Sequence[Node]) -> list[Node]:
    """Return the alternatives with those of one field's texts as one, and each once."""
    values: dict[str, frozenset[str]] = {}
    for part in parts:
        if isinstance(part, Among):
            values[part.field] = values.get(part.field, frozenset()) | part.values
    every = [Among(part.field, values[part.field]) if isinstance(part, Among) else part for part in parts]
    return list(dict.fromkeys(every))
