"""Problems that a command tells in one line, instead of a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import ValidationError

from recommender.events import explain
from recommender.settings import Settings

WRONG_USE = 2
"""Exit code when the command cannot do what was asked as it was asked."""
_TOLD_BY = ("cli.", "recommender.", "validation.", "redis.exceptions", "httpx")


class Problem(Exception):
    """A command cannot go on; the text says why."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


def tell(error: Exception) -> int | None:
    """Print an error whose text is made for people, and return the exit code; None for any other."""
    if not type(error).__module__.startswith(_TOLD_BY):
        return None
    print(f"liveshelf: {error}", file=sys.stderr)
    return error.code if isinstance(error, Problem) else 1


def read_settings(**given: object) -> Settings:
    """Read the settings from the environment; those given (and not None) come first.

    Raises:
        Problem: a value breaks its rule.
    """
    try:
        return Settings.model_validate({**Settings().model_dump(), **_chosen(given)})
    except ValidationError as error:
        raise Problem(f"settings: {explain(error)}", WRONG_USE) from None


def _chosen(given: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in given.items() if value is not None}


def existing_installation(data_dir: Path | None) -> Settings:
    """Return the settings of a data folder that is there.

    Raises:
        Problem: the folder is no data folder.
    """
    settings = read_settings(data_dir=data_dir)
    if not settings.data_dir.is_dir():
        raise Problem(f"--data-dir: must be the folder of an installation; got {settings.data_dir}", WRONG_USE)
    return settings
