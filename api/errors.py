"""One shape for every error that leaves the service."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from api.headers import OF_AN_ANSWER
from recommender.eventlog import LogUnavailable
from recommender.events import explain_problem
from recommender.folder_lock import FolderInUse
from recommender.model.artifact import DamagedModel
from recommender.model.registry import NoEarlierModel, UnknownModel
from recommender.serving.request import UnknownCategory, UnknownItem

JSON = "application/json"
RETRY_AFTER_S = 1

_CODES = {404: "not_found", 405: "method_not_allowed"}
_MESSAGES = {404: "no such address", 405: "this address does not take this method"}

_log = logging.getLogger(__name__)


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str = Field(description="stable name of the kind of error", examples=["invalid_request"])
    message: str = Field(description="where: rule; got value", examples=["query.n: ...; got 0"])
    details: list[str] = Field(default=[], description="every problem found, each as where: rule; got value")


class ErrorAnswer(BaseModel):
    """Every answer that is not a success."""

    error: ErrorBody


class RequestProblem(Exception):
    """The request cannot be served; it says so to the caller."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = list(details)
        self.headers = headers


def error_content(code: str, message: str, details: Sequence[str] = ()) -> dict[str, object]:
    """Return the value of the key ``error``."""
    return {"code": code, "message": message, "details": list(details)}


def error_response(
    status: int, code: str, message: str, details: Sequence[str] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """Make the answer to a failed request."""
    body = orjson.dumps({"error": error_content(code, message, details)})
    return Response(body, status, dict(headers or {}), JSON)


def invalid_request(error: ValidationError, where: str) -> RequestProblem:
    """Tell what is wrong with a part of the request that was validated by hand."""
    details = [
        explain_problem({**problem, "loc": (where, *problem["loc"])}) for problem in error.errors(include_url=False)
    ]
    return RequestProblem(422, "invalid_request", details[0], details)


def register(app: FastAPI) -> None:
    """Give every exception its answer."""

    @app.exception_handler(RequestProblem)
    async def problem(_: Request, error: RequestProblem) -> Response:
        return error_response(error.status, error.code, str(error), error.details, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        details = [explain_problem(problem) for problem in error.errors()]
        return error_response(422, "invalid_request", details[0], details)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "http_error")
        message = _MESSAGES.get(error.status_code, str(error.detail))
        return error_response(error.status_code, code, message, headers=error.headers)

    @app.exception_handler(UnknownItem)
    async def unknown_item(_: Request, error: UnknownItem) -> Response:
        return error_response(404, "unknown_item", f"item_id: must be a known item; got {error.args[0]!r}")

    @app.exception_handler(UnknownCategory)
    async def unknown_category(_: Request, error: UnknownCategory) -> Response:
        return error_response(404, "unknown_category", f"category: must be a known category; got {error.args[0]!r}")

    @app.exception_handler(UnknownModel)
    async def unknown_model(_: Request, error: UnknownModel) -> Response:
        return error_response(404, "unknown_model", str(error))

    @app.exception_handler(DamagedModel)
    async def damaged_model(_: Request, error: DamagedModel) -> Response:
        return error_response(409, "damaged_model", str(error))

    @app.exception_handler(NoEarlierModel)
    async def no_earlier_model(_: Request, error: NoEarlierModel) -> Response:
        return error_response(409, "no_earlier_model", str(error))

    @app.exception_handler(FolderInUse)
    async def busy(_: Request, error: FolderInUse) -> Response:
        _log.warning("%s", error)
        message = "models: are being changed by somebody else; try again"
        return error_response(409, "models_busy", message, headers={"Retry-After": str(RETRY_AFTER_S)})

    @app.exception_handler(LogUnavailable)
    async def unavailable(_: Request, error: LogUnavailable) -> Response:
        _log.warning("%s", error)
        return error_response(
            503,
            "event_log_unavailable",
            "the event log has not confirmed the events; send them again with the same event_id",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        _log.error("unexpected %s while answering", type(error).__name__)
        return error_response(
            500, "internal", "the service failed to answer; the cause is in its log", headers=OF_AN_ANSWER
        )
