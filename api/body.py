"""Request bodies: their size, type and text."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from pydantic_core import from_json

from api.errors import RequestProblem
from api.headers import header


async def read_json_body(request: Request, most_bytes: int) -> bytes:
    """Return the body of a JSON request. Reading ends as soon as it is too large, whatever its declared length.

    Raises:
        RequestProblem: the body is of another type, too large or empty.
    """
    content_type = header(request.scope, b"content-type")
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != "application/json":
        raise RequestProblem(
            415,
            "unsupported_media_type",
            f"content-type: must be application/json; got {content_type[:80]!r}",
        )
    charset = parameters.partition("charset=")[2].strip().strip('"').lower()
    if charset not in ("", "utf-8", "utf8"):
        raise RequestProblem(415, "unsupported_media_type", f"content-type: must be in UTF-8; got {charset[:40]!r}")
    encoding = header(request.scope, b"content-encoding", "identity")
    if encoding.lower() != "identity":
        raise RequestProblem(415, "unsupported_media_type", f"content-encoding: must be absent; got {encoding[:40]!r}")
    declared = header(request.scope, b"content-length")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > most_bytes:
        raise _too_large(most_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise _too_large(most_bytes)
    if not body.strip():
        raise RequestProblem(400, "not_json", "body: must not be empty")
    return bytes(body)


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        RequestProblem: it is not JSON, or not UTF-8.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise RequestProblem(
            400, "not_json", f"body: must be UTF-8; got byte 0x{body[error.start]:02x} at offset {error.start}"
        ) from None
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise RequestProblem(400, "not_json", f"body: must be JSON; {error}") from None


def _too_large(most_bytes: int) -> RequestProblem:
    return RequestProblem(413, "body_too_large", f"body: must be at most {most_bytes} bytes")
