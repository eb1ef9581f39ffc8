"""Entries that look alike are made into envelopes together; the result is that of each alone."""

from uuid import UUID

import pytest

from event_stream_engine.backbone.streams.envelopes import envelope, envelopes
from event_stream_engine.ids import new_id

STREAM = "proof.fact.v1"


def fields(number: int, **more: str) -> dict[str, str]:
    return {
        "id": str(UUID(int=number)), "type": "ProofFact", "subject": f"key-{number}", "time": "2026-11-21T10:00:00Z",
        "data": f'{{"entity":"é","version":{number}}}', **more,
    }  # fmt: skip


def flat(given: dict[str, str]) -> list[str]:
    return [part for pair in given.items() for part in pair]


OURS = [
    fields(1),
    fields(2, keyversion="7", correlationid=str(new_id())),
    fields(3, correlationid=str(new_id()), causationid=str(new_id()), traceparent="00-ab-cd-01", schemaversion="2"),
    fields(4, keyversion="9"),
    fields(5, schemaversion="3"),
    dict(reversed(fields(6).items())),
]
FOREIGN = {
    "other names": flat({"id": str(new_id()), "kind": "x", "subject": "k", "time": "t", "data": "{}"}),
    "no id": flat(fields(7) | {"id": "seven"}),
    "a name twice": ["id", str(new_id()), "id", str(new_id()), "type", "x", "subject", "k", "data", "{}"],
    "one field": ["hello", "world"],
    "too few": ["id", str(new_id()), "type", "x", "subject", "k", "time", "t"],
    "a number that is none": flat(fields(8, keyversion="many")),
}


def test_entries_made_together_are_what_each_is_alone() -> None:
    entries = [(f"5-{number}", flat(given)) for number, given in enumerate(OURS)]
    alone = [envelope(STREAM, f"5-{number}", given) for number, given in enumerate(OURS)]
    assert envelopes(STREAM, entries * 2) == (alone * 2, 0)


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_envelope_is_left_out_and_counted_and_takes_no_other_along(foreign: list[str]) -> None:
    entries = [("5-1", flat(OURS[0])), ("5-2", foreign), ("5-3", flat(OURS[3])), ("5-4", flat(OURS[0]))]
    found, others = envelopes(STREAM, entries)
    assert [one.entry_id for one in found] == ["5-1", "5-3", "5-4"]
    assert others == 1
