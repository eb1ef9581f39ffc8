"""What became of events: in each group that reacts to them, whether it has taken charge, and how it fared there.

A group that reacts and has not read as far as the event is said to wait. One that has read past it without taking
charge (it was not there yet in an earlier release) is not named.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text

from event_stream_engine.backbone.reports import ENTRY_ID
from event_stream_engine.backbone.streams import position
from event_stream_engine.backbone.subscriptions import GROUPS
from event_stream_engine.database import Transaction

State = Literal["applied", "parked", "dead", "waiting"]


@dataclass(frozen=True)
class Fate:
    """Of one event: (group, state) by name of the group; `listeners` groups of this release react to its type."""

    groups: tuple[tuple[str, State], ...] = ()
    listeners: int = 0


async def fates(tx: Transaction, event_ids: Collection[UUID]) -> dict[UUID, Fate]:
    """Of each of the events that the outbox holds. `GROUPS` must be loaded."""
    events = (await tx.execute(text(_EVENTS), {"ids": list(event_ids)})).all()
    charged: dict[UUID, dict[str, State]] = defaultdict(dict)
    for row in await tx.execute(text(_CHARGED), {"ids": list(event_ids)}):
        charged[row.event_id][row.group_name] = row.state
    read = await _positions(tx)
    return {event.event_id: _fate(event, charged[event.event_id], read) for event in events}


def _fate(event: Any, charged: dict[str, State], read: dict[tuple[str, str], tuple[int, int]]) -> Fate:
    listeners = [name for name, group in GROUPS.items() if event.type in group.reactions]
    here = position(event.entry_id) if event.entry_id else None
    waiting: dict[str, State] = {
        name: "waiting"
        for name in listeners
        if name not in charged and (here is None or read.get((name, event.stream), (0, 0)) < here)
    }
    return Fate(tuple(sorted({**charged, **waiting}.items())), len(listeners))


async def _positions(tx: Transaction) -> dict[tuple[str, str], tuple[int, int]]:
    """(group, stream) -> how far it has read: in the slowest of its partitions."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    rows: Sequence[Any] = (await tx.execute(text("SELECT group_name, stream, entry_id FROM group_positions"))).all()
    for row in rows:
        place, key = position(row.entry_id), (row.group_name, row.stream)
        found[key] = min(found.get(key, place), place)
    return found


_EVENTS = f"""
SELECT o.event_id, o.stream, o.type, {ENTRY_ID} FROM outbox o WHERE o.event_id = ANY (CAST(:ids AS uuid[]))
"""  # noqa: S608

_CHARGED = """
SELECT i.event_id, i.group_name,
       CASE WHEN EXISTS (SELECT FROM parked_events p WHERE p.group_name = i.group_name AND p.event_id = i.event_id)
            THEN 'parked'
            WHEN EXISTS (SELECT FROM dead_letters d WHERE d.group_name = i.group_name AND d.event_id = i.event_id
                         AND d.status IN ('open', 'discarded')) THEN 'dead'
            ELSE 'applied' END AS state
FROM inbox i WHERE i.event_id = ANY (CAST(:ids AS uuid[]))
"""
