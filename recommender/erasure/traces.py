"""What Redis holds of users beside feature rows: slates, hidden items, dead letters, change notices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis

from recommender.changes import ERASED, HIDDEN, ChangePublisher
from recommender.deadletters import DeadLetter, RedisDeadLetters
from recommender.erasure.naming import named_in_reason, named_in_text
from recommender.eventlog.compaction import rewrite_stream
from recommender.features import ROW_TYPES, SessionFeatures, UserFeatures
from recommender.history.erasing import Persons

_CHANGES = "liveshelf:changes"
_NOTICES = 500
"""Read at once."""
_PERSONAL_VIEWS = {
    row_type.view.encode() for row_type in ROW_TYPES if row_type.entity in (UserFeatures.entity, SessionFeatures.entity)
} | {ERASED.encode(), HIDDEN.encode()}


def slate_keys(persons: Persons) -> list[str]:
    """Return the Redis keys of cached slates."""
    users = [f"liveshelf:slates:user:{user_id}" for user_id in persons.users]
    return users + [f"liveshelf:slates:session:{session_id}" for session_id in persons.sessions]


def hidden_key(user_id: str) -> str:
    """Return the Redis key of the items that a user does not want to see."""
    return f"liveshelf:hidden:{user_id}"


def clean_slates(client: redis.Redis, persons: Persons) -> dict[str, int]:
    """Remove cached slates and hidden items; return how many of the latter each user had."""
    answers: Any = client
    hidden = {user_id: int(answers.scard(hidden_key(user_id))) for user_id in persons.users}
    keys = [*slate_keys(persons), *map(hidden_key, persons.users)]
    for start in range(0, len(keys), 1_000):
        answers.unlink(*keys[start : start + 1_000])
    return hidden


def letters_of(letters: RedisDeadLetters, persons: Persons) -> Iterator[tuple[str, DeadLetter]]:
    """Yield the dead letters that name one of them, with the name."""
    for letter in letters.all():
        names = [*named_in_text(letter.payload, persons), *named_in_reason(letter.reason, persons)]
        if names:
            yield names[0], letter


def clean_notices(client: redis.Redis, persons: Persons) -> int:
    """Remove the change notices that name one of them; of others in the same notice a new one tells."""
    answers: Any = client
    publisher = ChangePublisher(client)
    names = {name.encode() for name in persons.users | persons.sessions}
    removed, position = 0, "-"
    while True:
        notices = answers.xrange(_CHANGES, min=position, count=_NOTICES)
        for notice, fields in notices:
            keys = fields[b"keys"].split(b"\n")
            if fields[b"view"] not in _PERSONAL_VIEWS or names.isdisjoint(keys):
                continue
            rest = [key.decode() for key in keys if key not in names]
            if rest and fields[b"view"] != ERASED.encode():
                publisher.publish(fields[b"view"].decode(), rest)
            answers.xdel(_CHANGES, notice)
            removed += 1
        if len(notices) < _NOTICES:
            if removed:
                rewrite_stream(answers, _CHANGES)
            return removed
        position = f"({notices[-1][0].decode()}"
