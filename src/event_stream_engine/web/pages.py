"""Lists: keyset pagination, and versions as ETags."""

import base64
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Header, Query, Response
from pydantic import BaseModel

from event_stream_engine.errors import Invalid, Stale

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=200, description="At most this many items.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")]
IfMatch = Annotated[str | None, Header(description='The ETag you read, such as `"3"`; 412 if it changed.')]


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: str | None = None
    total: int | None = None


def encode_cursor(*values: Any) -> str:
    """The sort values of the last row of a page, opaque to the caller."""
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def decode_cursor(cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """The values of `encode_cursor`. Raises `Invalid` for anything that is not one of this list's cursors."""
    if cursor is None:
        return None
    try:
        values = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if len(values) != len(types):
            raise ValueError
        return tuple(msgspec.convert(v, type=t, strict=False) for v, t in zip(values, types, strict=True))
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise Invalid.field("cursor", "Not a cursor of this list: start again without it.") from error


def require_version(if_match: str | None, version: int) -> None:
    """Raise `Stale` when the caller edited another version than the stored one."""
    if if_match not in (None, "*", f'"{version}"', f'W/"{version}"'):
        raise Stale("Somebody saved a newer version. Load it, then make your change again.")


def set_version(response: Response, version: int) -> None:
    """Send the version as a strong ETag."""
    response.headers["etag"] = f'"{version}"'
