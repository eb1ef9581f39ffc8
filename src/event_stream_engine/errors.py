"""The errors a caller can meet. Each class knows its HTTP status and its stable `code`.

Features derive their own from these in their `model.py`; the web edge turns any of them into an RFC 9457
problem document, the CLI into one line and an exit status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class FieldError:
    """One field of the input and what is wrong with it; `field` is a dotted path such as `mapping.2.target`."""

    field: str
    message: str


class EseError(Exception):
    """Something the caller can understand and act on; `detail` says what to do, `members` are facts for programs."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong"

    def __init__(
        self, detail: str, *, errors: tuple[FieldError, ...] = (), members: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.members = dict(members or {})


class Invalid(EseError):
    status = 422
    code = "invalid"
    title = "The input is not valid"

    @classmethod
    def field(cls, field: str, message: str) -> "Invalid":
        """One wrong field."""
        return cls(message, errors=(FieldError(field, message),))


class BadRequest(EseError):
    status = 400
    code = "bad_request"
    title = "The request cannot be understood"


class Unauthorized(EseError):
    status = 401
    code = "unauthorized"
    title = "Sign in first"


class Forbidden(EseError):
    status = 403
    code = "forbidden"
    title = "Not allowed"


class NotFound(EseError):
    status = 404
    code = "not_found"
    title = "There is no such thing"


class Conflict(EseError):
    status = 409
    code = "conflict"
    title = "The current state does not allow this"


class Stale(EseError):
    status = 412
    code = "stale_version"
    title = "Somebody changed it in the meantime"


class TooLarge(EseError):
    status = 413
    code = "too_large"
    title = "Too large"


class TooManyRequests(EseError):
    """`retry_after`: seconds after which it may work."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(EseError):
    status = 503
    code = "unavailable"
    title = "A service that this needs does not answer"
