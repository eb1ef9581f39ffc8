"""Schemas only grow, and what was recorded under an earlier version is read as the newest."""

import importlib.util
from collections.abc import Iterator
from typing import Any, ClassVar
from uuid import uuid4

import msgspec
import pytest

from event_stream_engine.events.base import REGISTRY, Envelope, Event
from tests.architecture.sources import ROOT

_spec = importlib.util.spec_from_file_location("schemas", ROOT / "tools/schemas.py")
assert _spec is not None
assert _spec.loader is not None
schemas = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(schemas)


@pytest.fixture(autouse=True)
def nothing_registered() -> Iterator[None]:
    known = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(known)


def fact(name: str, fields: dict[str, Any], **options: Any) -> type[Event]:
    """An event class of its own, as a later release would define it."""
    REGISTRY.pop(name, None)
    namespace = {
        "__annotations__": {"stream": ClassVar[str], **{field: kind for field, (kind, *_) in fields.items()}},
        "stream": "proof.fact.v1",
        "__module__": __name__,
        "__qualname__": name,
        **{field: default for field, (_, *rest) in fields.items() for default in rest},
        **options,
    }
    return type(Event)(name, (Event,), namespace, frozen=True, kw_only=True)


def envelope(data: bytes, version: int) -> Envelope:
    return Envelope(id=uuid4(), type="Moved", subject="a", time="2026-01-01T00:00:00Z", schemaversion=version,
                    data=msgspec.Raw(data))  # fmt: skip


def test_a_field_with_a_default_may_be_added() -> None:
    before, after = fact("Moved", {"a": (str,)}), fact("Moved", {"a": (str,), "b": (int, 0)})
    assert schemas.broken_promises(schemas.schema(before), schemas.schema(after)) == []


@pytest.mark.parametrize(
    ("after", "broken"),
    [
        ({"b": (int, 0)}, "`a` was removed"),
        ({"a": (int,), "b": (int, 0)}, "`a` changed"),
        ({"a": (str,), "b": (int, 0), "c": (str,)}, "`c` became required"),
        ({"a": (str, ""), "b": (int, 0)}, "`a` is no longer required"),
    ],
)
def test_any_other_change_needs_a_new_version(after: dict[str, Any], broken: str) -> None:
    old = schemas.schema(fact("Moved", {"a": (str,), "b": (int, 0)}))
    found = schemas.broken_promises(old, schemas.schema(fact("Moved", after)))
    assert any(broken in problem for problem in found), found


def test_an_event_of_an_earlier_version_is_read_through_every_upcaster() -> None:
    upcasters = {
        1: lambda data: {"place": data["from"]},
        2: lambda data: {**data, "count": 1},
    }
    newest = fact("Moved", {"place": (str,), "count": (int,)}, schema_version=3, upcasters=upcasters)
    assert envelope(b'{"from":"x"}', 1).event() == newest(place="x", count=1)  # type: ignore[call-arg]
    assert envelope(b'{"place":"y"}', 2).event() == newest(place="y", count=1)  # type: ignore[call-arg]
    assert envelope(b'{"place":"z","count":5}', 3).event() == newest(place="z", count=5)  # type: ignore[call-arg]


def test_a_new_version_without_an_upcaster_is_refused() -> None:
    with pytest.raises(TypeError, match="lacks an upcaster from version 1"):
        fact("Moved", {"a": (str,)}, schema_version=2)


def test_fields_of_a_later_release_are_ignored() -> None:
    known = fact("Moved", {"a": (str,)})
    assert envelope(b'{"a":"x","new":1}', 1).event() == known(a="x")  # type: ignore[call-arg]


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = msgspec.json.decode((ROOT / "docs/asyncapi.json").read_bytes())

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    for reference in set(references(document)):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    assert document["channels"]["identity.user.v1"]["messages"].keys() == {"UserCreated", "UserUpdated", "UserDisabled"}
