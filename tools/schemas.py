"""JSON Schemas of the events, the rule that they only ever grow, and the AsyncAPI document made from them.

`docs/schemas/<stream>/<Event>.<version>.json` is what readers were promised. A version's file may gain properties
that are not required; any other change is refused here, and needs a new `schema_version` with an upcaster. Files of
earlier versions stay: events recorded under them are still read.
"""

import copy
import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from event_stream_engine import __version__
from event_stream_engine.events.base import REGISTRY, Event

FOLDER = "docs/schemas"


class Incompatible(Exception):
    """A schema changed in a way that readers were not promised."""


def schema(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event's data, complete in itself."""
    (reference,), components = msgspec.json.schema_components([event], ref_template="#/$defs/{name}")
    name = reference["$ref"].rsplit("/", 1)[-1]
    own = dict(components.pop(name))
    own["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    own["description"] = inspect.cleandoc(event.__doc__ or "")
    return {**own, **({"$defs": components} if components else {})}


def schema_files(root: Path) -> dict[str, str]:
    """Path in the checkout -> content, for each event's current version. Raises `Incompatible`."""
    files, problems = {}, []
    for event in REGISTRY.values():
        path = f"{FOLDER}/{event.stream}/{event.__name__}.{event.schema_version}.json"
        new = schema(event)
        if (root / path).exists():
            problems += [f"{path}: {p}" for p in broken_promises(json.loads((root / path).read_text()), new)]
        for version in range(1, event.schema_version):
            if not (root / f"{FOLDER}/{event.stream}/{event.__name__}.{version}.json").exists():
                problems.append(f"{path}: the schema of version {version} is gone")
        files[path] = json.dumps(new, indent=1, ensure_ascii=False) + "\n"
    if problems:
        raise Incompatible("\n".join([*problems, "Raise the event's `schema_version` and add an upcaster."]))
    return files


def broken_promises(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What a reader of `old` could trip over in data written by `new`, or the other way round."""
    found = [f"`{name}` was removed" for name in old["properties"] if name not in new["properties"]]
    found += [
        f"`{name}` changed from {json.dumps(was)} to {json.dumps(new['properties'][name])}"
        for name, was in old["properties"].items()
        if name in new["properties"] and _bare(was) != _bare(new["properties"][name])
    ]
    required, was_required = set(new.get("required", ())), set(old.get("required", ()))
    found += [f"`{name}` became required" for name in sorted(required - was_required)]
    found += [f"`{name}` is no longer required" for name in sorted(was_required - required)]
    for name, definition in old.get("$defs", {}).items():
        now = new.get("$defs", {}).get(name)
        found += [f"{name}.{p}" for p in broken_promises(definition, now)] if now and "properties" in definition else []
    return found


def asyncapi() -> str:
    """The AsyncAPI 3.0 document: one channel a stream, one message an event."""
    streams = sorted({event.stream for event in REGISTRY.values()})
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": "Event Stream Engine", "version": __version__, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {stream: _channel(stream) for stream in streams},
        "operations": {
            f"read {stream}": {"action": "receive", "channel": {"$ref": f"#/channels/{stream}"}} for stream in streams
        },
        "components": {
            "messages": {event.__name__: _message(event) for event in _sorted()},
            "schemas": {event.__name__: _nested(event) for event in _sorted()},
        },
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _channel(stream: str) -> dict[str, Any]:
    events = [event.__name__ for event in _sorted() if event.stream == stream]
    return {
        "address": stream,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in events},
        # AsyncAPI's binding for Redis has no fields, so what a reader must know stands in an extension.
        "x-redis-stream": {"key": stream, "entryId": "<tick in ms>-<sequence number>", "field": "data"},
    }


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.__name__,
        "summary": inspect.cleandoc(event.__doc__ or "").splitlines()[0],
        "headers": _HEADERS,
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "x-schema-version": event.schema_version,
    }


def _nested(event: type[Event]) -> dict[str, Any]:
    """The schema with its definitions found from where it stands in the document."""
    text = json.dumps(schema(event)).replace("#/$defs/", f"#/components/schemas/{event.__name__}/$defs/")
    nested: dict[str, Any] = json.loads(text)
    return nested


def _sorted() -> list[type[Event]]:
    return sorted(REGISTRY.values(), key=lambda event: (event.stream, event.__name__))


def _bare(property_: dict[str, Any]) -> dict[str, Any]:
    """Without what only explains."""
    bare = copy.deepcopy(property_)
    for word in ("description", "title", "examples"):
        bare.pop(word, None)
    return bare


_DESCRIPTION = (
    "Every fact that the platform publishes. An entry of a stream is flat: CloudEvents 1.0 attributes (`source` is "
    "`ese` and `specversion` 1.0 throughout, and not repeated), and `data` as JSON."
)
_HEADERS: dict[str, Any] = {
    "type": "object",
    "required": ["id", "type", "subject", "time"],
    "properties": {
        "id": {"type": "string", "format": "uuid", "description": "UUIDv7"},
        "type": {"type": "string"},
        "subject": {"type": "string", "description": "The key: the unit of order"},
        "time": {"type": "string", "format": "date-time"},
        "correlationid": {"type": "string", "format": "uuid"},
        "causationid": {"type": "string", "format": "uuid"},
        "traceparent": {"type": "string"},
        "keyversion": {"type": "string"},
        "schemaversion": {"type": "string", "description": "Absent for 1"},
    },
}
