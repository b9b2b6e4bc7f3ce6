"""Questions for slates: the body of a POST, and the same as parameters of an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request

from api.errors import RequestProblem, invalid_request
from recommender.events.fields import Country, ItemId, SessionId, ShortText, UserId
from recommender.serving.filters import BadFilter, parse_filter
from recommender.serving.request import SlateRequest, Surface
from recommender.serving.surfaces import Rules

MOST_ITEMS = 1_000
CategoryKey = Annotated[str, Field(max_length=1_100, description='path from the root, "Shoes > Running"')]
SurfaceName = Annotated[str, Field(max_length=64, pattern=r"^[a-z][a-z0-9_]*$", description="as in GET /v1/surfaces")]
FilterText = Annotated[
    str,
    Field(
        max_length=2_000,
        description="only such items",
        examples=['category in ["Shoes"] and price < 50_00 and not ("clearance" in tags)'],
    ),
]
ExcludedItems = Annotated[list[ItemId], Field(max_length=MOST_ITEMS)]
_EXCLUDED: TypeAdapter[list[str]] = TypeAdapter(ExcludedItems)
_ANCHORED = (Surface.SIMILAR, Surface.BOUGHT_TOGETHER)
_NEEDS = {
    Surface.SIMILAR: "item_id",
    Surface.BOUGHT_TOGETHER: "item_id",
    Surface.CATEGORY: "category",
    Surface.SEARCH: "query",
}


class Question(BaseModel):
    """Who asks, and what else is known at this moment."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user_id: UserId | None = None
    session_id: SessionId | None = None
    filter: FilterText | None = None
    age: Annotated[int, Field(ge=0, le=150, description="of the shopper [years]")] | None = None
    device: ShortText | None = None
    country: Country | None = None
    exclude_item_ids: ExcludedItems = []


class SlateQuestion(Question):
    """Who asks, for which place in the shop, and what else is known at this moment."""

    surface: SurfaceName = "home"
    n: (
        Annotated[int, Field(ge=1, le=100, description="length of the slate; without it the surface's [count]")] | None
    ) = None
    item_id: ItemId | None = Field(default=None, description="what the items shall be similar to, or go with")
    category: CategoryKey | None = Field(default=None, description="limits the slate to a category")
    query: ShortText | None = Field(default=None, description="what is searched for")


class RankQuestion(Question):
    """Items of the caller's, to be put in the order in which this shopper will like them."""

    surface: SurfaceName = "rank"
    item_ids: Annotated[list[ItemId], Field(min_length=1, max_length=MOST_ITEMS)]
    query: ShortText | None = Field(default=None, description="what is searched for")


def question_in_address(request: Request, **fixed: str | None) -> tuple[SlateQuestion, bool]:
    """Return the question that an address asks by its parameters, and whether it wants explanations.

    Raises:
        RequestProblem: a parameter breaks its rule.
    """
    found: dict[str, Any] = {name: value for name, value in fixed.items() if value is not None}
    excluded: list[str] = []
    explain = False
    query_string = request.scope["query_string"]
    if query_string:
        for name, value in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
            if name == "explain":
                explain = _flag(value)
            elif name == "exclude_item_ids":
                excluded.append(value)
            elif name in fixed and fixed[name] is not None:
                message = f"query.{name}: must be left out, as the address says it"
                raise RequestProblem(422, "invalid_request", message, [message])
            elif name != "surface" or value:
                found[name] = value
    try:
        question = SlateQuestion.model_validate_strings(found)
    except ValidationError as error:
        raise invalid_request(error, "query") from None
    if excluded:  # a list, of which texts alone know nothing
        try:
            question = question.model_copy(update={"exclude_item_ids": _EXCLUDED.validate_python(excluded)})
        except ValidationError as error:
            raise invalid_request(error, "query.exclude_item_ids") from None
    return question, explain


def slate_request(question: SlateQuestion, rules: Rules) -> SlateRequest:
    """Return what serving is asked.

    Raises:
        RequestProblem: the surface needs what the question does not name, or the filter is none.
    """
    kind = rules.surface.kind
    needed = _NEEDS.get(kind)
    if needed and not getattr(question, needed):
        raise _problem(f"{needed}: is required on surface {question.surface}")
    if kind is Surface.RANK:
        raise _problem(f"surface: must not be of kind rank here, but at POST /v1/rank; got {question.surface!r}")
    personal = rules.surface.personal
    return SlateRequest(
        kind,
        question.n or rules.surface.size,
        question.user_id if personal else None,
        question.session_id if personal else None,
        question.item_id if kind in _ANCHORED else None,
        question.category or None,
        question.query or "",
        question.device or "",
        question.country or "",
        frozenset(question.exclude_item_ids),
        _filter(question),
        question.age,
    )


def rank_request(question: RankQuestion, rules: Rules) -> SlateRequest:
    """Return what serving is asked.

    Raises:
        RequestProblem: the surface is not one for ranking, or the filter is none.
    """
    if rules.surface.kind is not Surface.RANK:
        raise _problem(f"surface: must be of kind rank here; got {question.surface!r}")
    return SlateRequest(
        Surface.RANK,
        len(question.item_ids),
        question.user_id,
        question.session_id,
        None,
        None,
        question.query or "",
        question.device or "",
        question.country or "",
        frozenset(question.exclude_item_ids),
        _filter(question),
        question.age,
        tuple(question.item_ids),
    )


def unknown_surface(name: str, known: Mapping[str, object]) -> RequestProblem:
    """Return what is answered to a question for a surface that there is not."""
    return _problem(f"surface: must be one of {', '.join(known)}; got {name!r}")


def wants_explanations(request: Request) -> bool:
    """Tell whether a POST asks for explanations in its address.

    Raises:
        RequestProblem: the parameter breaks its rule.
    """
    given = request.query_params.get("explain")
    return given is not None and _flag(given)


def _flag(value: str) -> bool:
    if value.lower() in ("true", "1"):
        return True
    if value.lower() in ("false", "0"):
        return False
    raise _problem(f"query.explain: must be true or false; got {value[:40]!r}")


def _filter(question: Question) -> str:
    text = question.filter or ""
    try:
        if text.strip():
            parse_filter(text)
    except BadFilter as error:
        raise _problem(f"filter: {error}") from None
    return text if text.strip() else ""


def _problem(message: str) -> RequestProblem:
    return RequestProblem(422, "invalid_request", message, [message])
