"""Structs made from models: a rule without a counterpart is an error, never left out in silence."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, create_model, field_validator

from recommender.events import View
from recommender.events.structs import struct_of

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)


def model(kind: Any, **config: Any) -> type[BaseModel]:
    return create_model("Made", __config__=STRICT | config, field=(kind, ...))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "kind",
    [
        Annotated[str, Field(pattern=r"^\d+$")],
        Annotated[str, Field(pattern="a")],
        Annotated[str, StringConstraints(strip_whitespace=True)],
        Annotated[str, StringConstraints(to_upper=True)],
        Annotated[str, BeforeValidator(str)],
        Annotated[int, Field(strict=False)],
        Annotated[int, Field(multiple_of=5)],
        Annotated[int | None, Field(ge=0)],
        dict[str, int],
        float,
        bool,
        list[int],
        tuple[int, int],
    ],
    ids=str,
)
def test_a_rule_without_a_counterpart_ends_the_import(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"must (have a counterpart|mean the same)"):
        struct_of(model(kind))


@pytest.mark.parametrize("config", [{"extra": "ignore"}, {"strict": False}, {"str_strip_whitespace": True}])
def test_other_settings_of_a_model_end_the_import(config: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="settings and validators"):
        struct_of(model(str, **config))


def test_a_new_validator_ends_the_import() -> None:
    class Stricter(View):
        @field_validator("item_id")
        @classmethod
        def _known(cls, value: str) -> str:
            return value

    with pytest.raises(TypeError, match="Stricter: its settings and validators"):
        struct_of(Stricter)


def test_a_struct_keeps_the_rules_of_its_model() -> None:
    struct = struct_of(model(Annotated[str, Field(min_length=2, max_length=3, pattern="^[a-z]+$")]))

    def accepts(text: str) -> bool:
        try:
            msgspec.convert({"field": text}, struct)
        except msgspec.ValidationError:
            return False
        return True

    assert [accepts(text) for text in ("ab", "abc", "a", "abcd", "aB", "ab\n")] == [True, True, *[False] * 4]
