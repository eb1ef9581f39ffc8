"""From the fields of a stream's entries to envelopes."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

import msgspec

from event_stream_engine.events.base import Envelope

Fields = Sequence[str]
"""Names and values in turn, as Redis sends them."""

_GIVEN_BY_US = ("entry_id", "stream", "partition")
_ATTRIBUTES = {
    field.name: (str if field.type is msgspec.Raw else field.type, field.default)
    for field in msgspec.structs.fields(Envelope)
    if field.name not in _GIVEN_BY_US
}


def envelope(stream: str, entry_id: str, fields: Mapping[str, str], partition: int = 0) -> Envelope:
    """The envelope that stands at `entry_id`. Raises `KeyError` or `msgspec.ValidationError` for other fields."""
    attributes: dict[str, object] = dict(fields)
    attributes |= {"entry_id": entry_id, "stream": stream, "partition": partition}
    attributes["data"] = msgspec.Raw(fields["data"].encode())
    return msgspec.convert(attributes, type=Envelope, strict=False)


def envelopes(stream: str, entries: Sequence[tuple[str, Fields]]) -> tuple[list[Envelope], int]:
    """The envelopes of (entry id, fields) together; and how many were none.

    Entries of one stream look alike as a rule: those with the same names in the same places are checked in one call.
    """
    found: list[Envelope] = []
    for _, run in groupby(entries, lambda entry: len(entry[1])):
        alike = list(run)
        try:
            found += _at_once(stream, alike)
        except (KeyError, msgspec.ValidationError):  # which of them is found one by one
            for entry_id, fields in alike:
                with suppress(KeyError, ValueError):
                    found.append(envelope(stream, entry_id, dict(zip(fields[::2], fields[1::2], strict=True))))
    return found, len(entries) - len(found)


def _at_once(stream: str, entries: Sequence[tuple[str, Fields]]) -> list[Envelope]:
    rows = msgspec.convert(list(map(itemgetter(1), entries)), type=_rows(tuple(entries[0][1][::2])), strict=False)
    return [
        Envelope(
            id=row.id, type=row.type, subject=row.subject, time=row.time, entry_id=entry[0], stream=stream,
            keyversion=row.keyversion, correlationid=row.correlationid, causationid=row.causationid,
            traceparent=row.traceparent, schemaversion=row.schemaversion, data=msgspec.Raw(row.data.encode()),
        )
        for row, entry in zip(rows, entries, strict=True)
    ]  # fmt: skip


@lru_cache(maxsize=64)
def _rows(names: tuple[str, ...]) -> Any:
    """The type of a list of fields with these names. Raises `KeyError` where an envelope has no such attribute,
    or lacks one."""
    fields: list[Any] = []
    if len(set(names)) < len(names):
        raise KeyError("a name stands there twice")
    for name in names:
        fields += [(f"name_of_{name}", Literal[name]), (name, _ATTRIBUTES[name][0])]
    for name, (kind, default) in _ATTRIBUTES.items():
        if name not in names:
            if default is msgspec.NODEFAULT:
                raise KeyError(name)
            fields.append((name, kind, default))
    row: Any = msgspec.defstruct("Row", fields, array_like=True, gc=False)
    return list[row]
