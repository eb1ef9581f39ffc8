"""What the relay stores of itself: how far each stream is, the state of its lane, and the events it parked."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from event_stream_engine.backbone.streams import Entry
from event_stream_engine.backbone.ticks import Connection
from event_stream_engine.database import Transaction


@dataclass(frozen=True)
class Position:
    """A stream ends at `entry_id` and holds everything of its own up to `tick`."""

    stream: str
    entry_id: str
    tick: int
    state: str = "ok"
    code: str | None = None
    rebuild: bool = False


@dataclass(frozen=True)
class Status:
    """The relay as a whole; `handed` is the tick up to which every healthy lane was served."""

    handed: int
    ticks_per_minute: int
    events_per_minute: int
    memory_used: int | None
    memory_max: int | None
    refused: str | None
    held_by: str | None


async def load(connection: Connection) -> tuple[int, list[Position]]:
    """The tick up to which all lanes were served, and each stream's position."""
    handed = await connection.fetchval("SELECT handed FROM relay_status WHERE name = 'relay'") or 0
    rows = await connection.fetch("SELECT stream, entry_id, tick, state, code, rebuild FROM relay_positions")
    positions = [Position(*row) for row in rows]
    # Before the status was kept, positions were saved for all streams at once.
    return handed or max((int(at.entry_id.split("-")[0]) for at in positions), default=0), positions


async def save(tx: Transaction, positions: Sequence[Position], status: Status) -> None:
    """Store all of it at once: a stream that is not named had nothing up to `status.handed`."""
    if positions:
        await tx.execute(text(_SAVE_POSITION), [vars(at) for at in positions])
    await tx.execute(text(_SAVE_STATUS), vars(status))


async def note_refusal(tx: Transaction, refused: str) -> None:
    await tx.execute(text(_SAVE_REFUSAL), {"refused": refused})


async def asked_to_rebuild(tx: Transaction) -> list[str]:
    """Streams whose rebuild an operator asked for and which are not emptied yet."""
    return [row[0] for row in await tx.execute(text("SELECT stream FROM relay_positions WHERE rebuild"))]


async def rebuilding(tx: Transaction, stream: str) -> None:
    """The stream is empty; from now on this is a matter of completing it."""
    await tx.execute(
        text("UPDATE relay_positions SET rebuild = false, entry_id = '0-0', tick = 0 WHERE stream = :s"), {"s": stream}
    )


async def ask_to_rebuild(tx: Transaction, stream: str | None = None) -> int:
    """Ask the working relay to empty a stream (or all) and fill it again from the outbox; how many streams."""
    asked = await tx.execute(
        text("UPDATE relay_positions SET rebuild = true WHERE CAST(:s AS text) IS NULL OR stream = :s"), {"s": stream}
    )
    return asked.rowcount


async def park_entry(tx: Transaction, stream: str, entry: Entry, code: str, detail: str) -> None:
    """Remember an event that no stream takes; again and again is once."""
    values = {"stream": stream, "entry": entry.entry_id, "event": entry.fields["id"], "code": code, "detail": detail}
    await tx.execute(text(_PARK), values)


_PARK = """
INSERT INTO outbox_parked (stream, entry_id, event_id, code, detail)
VALUES (:stream, :entry, CAST(:event AS uuid), :code, :detail) ON CONFLICT DO NOTHING
"""

_SAVE_POSITION = """
INSERT INTO relay_positions (stream, entry_id, tick, state, code)
VALUES (:stream, :entry_id, :tick, :state, :code)
ON CONFLICT (stream) DO UPDATE
SET entry_id = excluded.entry_id, tick = excluded.tick, state = excluded.state, code = excluded.code,
    updated_at = now()
"""

_SAVE_STATUS = """
INSERT INTO relay_status (name, handed, ticks_per_minute, events_per_minute, memory_used, memory_max, refused, held_by)
VALUES ('relay', :handed, :ticks_per_minute, :events_per_minute, :memory_used, :memory_max, :refused, :held_by)
ON CONFLICT (name) DO UPDATE
SET handed = excluded.handed, ticks_per_minute = excluded.ticks_per_minute,
    events_per_minute = excluded.events_per_minute, memory_used = excluded.memory_used,
    memory_max = excluded.memory_max, refused = excluded.refused, held_by = excluded.held_by, updated_at = now()
"""

_SAVE_REFUSAL = """
INSERT INTO relay_status (name, refused) VALUES ('relay', :refused)
ON CONFLICT (name) DO UPDATE SET refused = excluded.refused, updated_at = now()
"""
