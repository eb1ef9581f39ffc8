"""Segments: add, change, remove, evaluate."""

import time
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.database import Transaction
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.model.contacts import Contact
from event_stream_engine.messaging.model.segments import (
    EVERYBODY,
    AllOf,
    Condition,
    Rule,
    Segment,
    SegmentInUse,
    SegmentNameTaken,
    SegmentNotFound,
    conditions,
    parse_rule,
)
from event_stream_engine.messaging.store import contacts as contacts_store
from event_stream_engine.messaging.store import segments as store
from event_stream_engine.web.auth import Principal
from event_stream_engine.web.pages import require_version


@dataclass(frozen=True)
class SegmentChange:
    """What to set; None leaves a field as it is."""

    name: str | None = None
    description: str | None = None
    definition: dict[str, Any] | None = None


@dataclass(frozen=True)
class Unreadable:
    """Contacts that a condition passes over because their value is no date or no number: `condition` is its place
    among the rule's conditions, from 0, in the order they stand."""

    condition: int
    field: str
    needs: Literal["number", "date"]
    count: int
    samples: list[str]


@dataclass(frozen=True)
class Evaluation:
    """A segment as it is at this moment; `took_ms` is the time PostgreSQL needed for both questions."""

    size: int
    sample: list[Contact]
    took_ms: float
    warnings: list[str]
    unreadable: list[Unreadable]


async def add_segment(tx: Transaction, given: SegmentChange, *, by: Principal) -> Segment:
    """Raises `SegmentNameTaken` or `Invalid`."""
    definition = given.definition or {"all": []}
    now = clock.now()
    segment = Segment(
        id=new_id(),
        name=(given.name or "").strip(),
        description=given.description or "",
        definition=definition,
        size=await store.size(tx, parse_rule(definition)),
        size_at=now,
        created_at=now,
        updated_at=now,
        version=1,
    )
    if not await store.add(tx, segment):
        raise SegmentNameTaken(f"There is a segment called {segment.name!r} already.")
    await audit.record(tx, by.account_id, "segment.add", segment.id, {"name": segment.name})
    return segment


async def change_segment(
    tx: Transaction, segment_id: UUID, given: SegmentChange, *, by: Principal, if_match: str | None
) -> Segment:
    """Raises `SegmentNotFound`, `SegmentNameTaken`, `Stale` or `Invalid`."""
    segment = await find_segment(tx, segment_id)
    require_version(if_match, segment.version)
    set_ = {name: value for name, value in vars(given).items() if value is not None}
    now = clock.now()
    changed = replace(segment, **set_, updated_at=now, version=segment.version + 1)
    changed = replace(changed, size=await store.size(tx, parse_rule(changed.definition)), size_at=now)
    if await store.name_taken(tx, changed.name, segment.id):
        raise SegmentNameTaken(f"There is another segment called {changed.name!r}.")
    await store.save(tx, changed)
    await audit.record(tx, by.account_id, "segment.change", segment.id, {"fields": sorted(set_)})
    return changed


async def remove_segment(tx: Transaction, segment_id: UUID, *, by: Principal) -> None:
    """Raises `SegmentNotFound`, or `SegmentInUse` while a campaign refers to it."""
    segment = await find_segment(tx, segment_id)
    if await store.is_used(tx, segment_id):
        raise SegmentInUse("A campaign uses this segment. Delete the draft campaign first.")
    await store.remove(tx, segment_id)
    await audit.record(tx, by.account_id, "segment.remove", segment_id, {"name": segment.name})


async def find_segment(tx: Transaction, segment_id: UUID) -> Segment:
    """Raises `SegmentNotFound`."""
    segment = await store.segment(tx, segment_id)
    if segment is None:
        raise SegmentNotFound("This segment does not exist. It may have been deleted.")
    return segment


async def rule_of(tx: Transaction, segment_id: UUID | None) -> Rule:
    """The rule of a segment; everybody when there is none."""
    if segment_id is None:
        return EVERYBODY
    return parse_rule((await find_segment(tx, segment_id)).definition)


async def audience_of(tx: Transaction, segment_id: UUID | None, topic: str | None) -> Rule:
    """Whom a campaign is for: the segment, and of it those who have the topic, if it names one."""
    rule = await rule_of(tx, segment_id)
    return AllOf((rule, Condition("topics", "contains", topic))) if topic else rule


async def evaluate(tx: Transaction, definition: dict[str, Any], sample: int) -> Evaluation:
    """Size and sample now. Raises `Invalid` for a definition that is not one."""
    rule = parse_rule(definition)
    started = time.perf_counter()
    size = await store.size(tx, rule)
    found = await store.sample(tx, rule, sample) if sample else []
    took_ms = (time.perf_counter() - started) * 1000
    return Evaluation(size, found, round(took_ms, 1), await _warnings(tx, rule, size), await _unreadable(tx, rule))


async def _unreadable(tx: Transaction, rule: Rule) -> list[Unreadable]:
    """Each kind of value is counted once, however many conditions compare it."""
    counted: dict[tuple[str, str], tuple[int, list[str]]] = {}
    found = []
    for place, condition in enumerate(conditions(rule)):
        if condition.needs is None:
            continue
        key = (condition.field, condition.needs)
        if key not in counted:
            counted[key] = await store.unreadable(tx, condition)
        count, samples = counted[key]
        if count:
            found.append(Unreadable(place, condition.field, condition.needs, count, samples))
    return found


async def _warnings(tx: Transaction, rule: Rule, size: int) -> list[str]:
    named = dict.fromkeys(c.attribute for c in conditions(rule) if c.attribute is not None)
    unknown = [name for name in named if not await contacts_store.has_attribute(tx, name)]
    warnings = [f"No contact has the attribute {name!r}: check its spelling." for name in unknown]
    if size == 0:
        warnings.append("Nobody matches. A campaign to this segment would send nothing.")
    return warnings
