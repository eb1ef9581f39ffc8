"""Names and numbers as lists show them: people by name, a key that is a phone number masked."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel

from event_stream_engine.database import Transaction
from event_stream_engine.identity import api as identity
from event_stream_engine.messaging.model.contacts import masked
from event_stream_engine.messaging.model.personal import hidden, looks_personal, scrubbed
from event_stream_engine.permissions import Permission
from event_stream_engine.web.auth import Principal
from event_stream_engine.web.guards import PermissionMissing

Shape = TypeVar("Shape", bound=BaseModel)

_BY = ("paused_by", "resolved_by", "requested_by", "by")
_PHONE = re.compile(r"\+?[0-9]{7,15}")


def shown_key(key: str) -> str:
    """The key, masked if it is a phone number."""
    return masked(key) if _PHONE.fullmatch(key) else key


_REVEAL: Permission = "contacts:reveal"


def check_search(by: Principal, *given: str | None) -> None:
    """Looking for a number or an address tells whether it is here. Raises `PermissionMissing`."""
    if any(text and looks_personal(text) for text in given) and not by.may(_REVEAL):
        raise PermissionMissing(by, _REVEAL)


def shown_event(row: Mapping[str, Any], by: Principal) -> dict[str, Any]:
    """An event or a dead letter, whole for whoever may see personal data."""
    if by.may(_REVEAL):
        return dict(row)
    texts = {name: scrubbed(row[name]) for name in ("error", "stack") if row.get(name)}
    lines = [{**line, "error": scrubbed(line.get("error") or "") or None} for line in row.get("history") or ()]
    history = {"history": lines} if "history" in row else {}
    return {**row, **texts, **history, "key": shown_key(row["key"]), "data": hidden(row["data"])}


async def named(tx: Transaction, shapes: Sequence[Shape]) -> list[Shape]:
    """The shapes with each account's id in `…_by` replaced by its name; what is no account's id stays."""
    wanted = {who for shape in shapes for part in _parts(shape) for _, who in _people(part)}
    names = await identity.names(tx, wanted)
    for shape in shapes:
        for part in _parts(shape):
            for field, who in _people(part):
                setattr(part, field, names.get(who, str(who)))
    return list(shapes)


def _parts(shape: BaseModel) -> Iterator[BaseModel]:
    """The shape itself and the lines of its history."""
    yield shape
    yield from getattr(shape, "history", ())


def _people(part: BaseModel) -> Iterator[tuple[str, UUID]]:
    for field in _BY:
        who = _uuid(getattr(part, field, None))
        if who is not None:
            yield field, who


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
