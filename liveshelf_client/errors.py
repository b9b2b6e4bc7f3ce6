"""What can go wrong."""

from __future__ import annotations


class LiveshelfError(Exception):
    """Base of all errors of this client."""


class Unavailable(LiveshelfError):
    """No answer, or one that says to come again later, in all tries."""


class RefusedRequest(LiveshelfError):
    """The API answers that this cannot be done; asking again would not help."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{message} (status {status}, {code})")
        self.status = status
        self.code = code
        self.message = message


class NotFound(RefusedRequest):
    """The item or category is not known."""
