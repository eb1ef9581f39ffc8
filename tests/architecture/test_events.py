"""Every event is emitted by somebody and heard by somebody, or says that it is for the record."""

import ast
import importlib
import pkgutil

import event_stream_engine.events
from event_stream_engine.events.base import REGISTRY, Event
from tests.architecture.sources import Source, called_name, explain, package

SUBSCRIPTIONS = {"subscribe", "subscribe_batch", "subscribe_task"}


def events() -> list[type[Event]]:
    for module in pkgutil.iter_modules(event_stream_engine.events.__path__):
        importlib.import_module(f"event_stream_engine.events.{module.name}")
    return list(REGISTRY.values())


def outside_events() -> list[Source]:
    return [source for source in package() if not source.name.startswith("events/")]


def emitted() -> set[str]:
    return {name for source in outside_events() for node in source.nodes() if (name := called_name(node))}


def heard() -> set[str]:
    """Classes given to a subscription, and those whose stream is followed directly (`LiveUpdate.stream`)."""
    found: set[str] = set()
    for source in outside_events():
        for node in source.nodes():
            if called_name(node) in SUBSCRIPTIONS and isinstance(node, ast.Call) and node.args:
                found |= {part.id for part in ast.walk(node.args[0]) if isinstance(part, ast.Name)}
            elif isinstance(node, ast.Attribute) and node.attr == "stream" and isinstance(node.value, ast.Name):
                found.add(node.value.id)
    return found


def test_every_event_is_emitted() -> None:
    silent = sorted({event.__name__ for event in events()} - emitted())
    assert not silent, explain(
        silent, "Nobody records these events: record them in the action that makes them true, or remove them."
    )


def test_every_event_is_heard_or_for_the_record() -> None:
    expected = {event.__name__ for event in events() if not event.for_the_record}
    unheard = sorted(expected - heard())
    assert not unheard, explain(
        unheard,
        "Nobody reacts to these events: subscribe to them in a `consumers.py`, or say "
        "`for_the_record: ClassVar[bool] = True` when they are there to be traced only.",
    )


def test_streams_are_named_domain_entity_version() -> None:
    wrong = [
        f"{event.__name__}: {event.stream}"
        for event in events()
        if len(event.stream.split(".")) != 3 or not event.stream.rsplit(".v", 1)[-1].isdigit()
    ]
    assert not wrong, explain(wrong, "A stream is called `<domain>.<entity>.v<N>`, such as `identity.user.v1`.")
