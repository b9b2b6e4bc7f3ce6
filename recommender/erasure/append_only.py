"""Redis' own append-only file: it holds the commands of before until it is written anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import redis

_LIMIT_LOOKS = 36_000
_NOT_ALLOWED = "redis: BGREWRITEAOF is not allowed here; its append-only file keeps old commands until it is rewritten"
_FAILED = "redis: could not rewrite its append-only file, which keeps old commands until the next time"


def rewrite_append_only(client: redis.Redis, breathe: Callable[[], None], look_s: float = 0.1) -> str:
    """Have Redis write its append-only file anew, if it has one; return what is to be remarked.

    Args:
        client: the Redis.
        breathe: called now and then; may raise to end the waiting.
        look_s: seconds between two looks.
    """
    answers: Any = client
    try:
        if not answers.info("persistence").get("aof_enabled"):
            return ""
        _wait(answers, breathe, look_s)  # one that runs already may have begun before
        answers.bgrewriteaof()
        _wait(answers, breathe, look_s)
        return "" if answers.info("persistence").get("aof_last_bgrewrite_status") == "ok" else _FAILED
    except redis.ResponseError:
        return _NOT_ALLOWED


def _wait(answers: Any, breathe: Callable[[], None], look_s: float) -> None:
    for _ in range(_LIMIT_LOOKS):
        found = answers.info("persistence")
        if not found.get("aof_rewrite_in_progress") and not found.get("aof_rewrite_scheduled"):
            return
        breathe()
        time.sleep(look_s)
