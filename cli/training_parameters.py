"""The file of ``liveshelf train --params``: TOML, or JSON, with any of the training parameters."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from cli.problem import WRONG_USE, Problem
from recommender.training.parameters import TrainingParameters


def read_parameters(file: Path) -> TrainingParameters:
    """Read training parameters; those that the file does not name keep their defaults.

    Raises:
        Problem: the file cannot be read, or a parameter breaks its rule.
    """
    given = _read(file)
    names = TrainingParameters.__struct_fields__
    for name, value in given.items():
        if name not in names:
            raise Problem(f"{file}: {name}: must be one of {', '.join(names)}; got an unknown name", WRONG_USE)
        try:
            msgspec.convert({name: value}, TrainingParameters)
        except msgspec.ValidationError as error:
            rule = str(error).partition(" - at ")[0]
            raise Problem(f"{file}: {name}: {rule}; got {json.dumps(value, default=str)[:100]}", WRONG_USE) from None
    return msgspec.convert(given, TrainingParameters)


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{file}: must be a readable TOML or JSON file; {error}", WRONG_USE) from None
    try:
        is_json = file.suffix == ".json" or text.lstrip().startswith("{")
        given = json.loads(text) if is_json else tomllib.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise Problem(f"{file}: must be TOML or JSON; {error}", WRONG_USE) from None
    if not isinstance(given, dict):
        raise Problem(f"{file}: must be an object of parameters; got {json.dumps(given)[:100]}", WRONG_USE)
    found: dict[str, Any] = given
    return found
