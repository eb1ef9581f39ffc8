"""The generation of the log: which life of the database the transaction ids belong to.

After a dump was restored elsewhere, or a standby was promoted that had not received everything, new transactions
may carry smaller ids than recorded ones, and the streams may hold events whose transactions no longer exist. The
relay refuses to guess: it publishes nothing until an operator has accepted the new generation.
"""

import contextlib
from dataclasses import dataclass

from sqlalchemy import text

from event_stream_engine.backbone import ticks
from event_stream_engine.backbone.relay.positions import Position, ask_to_rebuild
from event_stream_engine.backbone.streams import StreamBusy, StreamWriter
from event_stream_engine.backbone.ticks import Connection, Tick
from event_stream_engine.database import Transaction

_LOOKED_AT = 100
_OURS = {"id", "type", "subject", "data"}


class GenerationRefused(Exception):
    """The database is not the one that was published from; the message says what differs and what to do."""


@dataclass(frozen=True)
class Origin:
    """Which cluster and timeline, and the next transaction id to be given out."""

    system_identifier: str
    timeline: int
    next_xid: int


async def origin(connection: Connection) -> Origin:
    row = await connection.fetchrow(_ORIGIN)
    assert row is not None
    return Origin(row["system_identifier"], row["timeline"], row["next_xid"])


async def guard(connection: Connection, streams: StreamWriter, newest: Tick, positions: list[Position]) -> int:
    """The current generation. Raises `GenerationRefused`; the first call ever accepts what it finds."""
    now = await origin(connection)
    known = await connection.fetchrow("SELECT * FROM outbox_generations ORDER BY generation DESC LIMIT 1")
    if known is None:
        await _accept(connection, 1, now, "relay", "first start")
        return 1
    if known["system_identifier"] != now.system_identifier:
        raise GenerationRefused(
            "This database was restored into another PostgreSQL cluster (system identifier "
            f"{now.system_identifier}, published from {known['system_identifier']}). {_WHAT_TO_DO}"
        )
    if int(newest.xmax) > now.next_xid and newest.generation == known["generation"]:
        raise GenerationRefused(
            f"Transaction ids went back: {newest.xmax} was published, the next one is {now.next_xid}. {_WHAT_TO_DO}"
        )
    ahead = [at.stream for at in positions if not at.rebuild and await is_ahead(streams, at.stream, newest.id)]
    if ahead:
        raise GenerationRefused(
            f"The database (timeline {now.timeline}, published from {known['timeline']}) lacks events that "
            f"{', '.join(sorted(ahead))} hold: it is older than what was published. {_WHAT_TO_DO}"
        )
    if known["timeline"] != now.timeline:
        await connection.execute(
            "UPDATE outbox_generations SET timeline = $1 WHERE generation = $2", now.timeline, known["generation"]
        )
    return int(known["generation"])


async def accept(tx: Transaction, by: str, reason: str) -> int:
    """Open a new generation: what was published under the old one keeps its ids, what was not gets a last tick,
    and every stream is rebuilt from the outbox, so that events that no longer exist leave it. The new number.

    The relay must not be working. Raises `RuntimeError` when it is.
    """
    if (await tx.execute(text(_LEASE_HELD))).scalar_one():
        raise RuntimeError("A relay is at work in this database. Stop it first, then accept the generation.")
    await tx.execute(text("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"))
    generation = (await tx.execute(text(_NEXT_GENERATION))).scalar_one()
    await tx.execute(text(_LAST_TICK), {"generation": generation - 1})
    # A default cannot be a parameter; the number is ours.
    await tx.execute(text(f"ALTER TABLE outbox ALTER COLUMN generation SET DEFAULT {int(generation)}"))
    await tx.execute(text(_INSERT_ACCEPTED), {"generation": generation, "by": by, "reason": reason})
    await tx.execute(text(_BEGIN_LIFE), {"generation": generation})
    await ask_to_rebuild(tx)
    return int(generation)


async def accepted(tx: Transaction) -> list[dict[str, object]]:
    """Every generation, newest first."""
    rows = await tx.execute(text("SELECT * FROM outbox_generations ORDER BY generation DESC"))
    return [dict(row) for row in rows.mappings()]


async def is_ahead(streams: StreamWriter, stream: str, newest: int) -> bool:
    """Whether the stream holds events of a tick later than `newest`, which this database does not know.

    A tick is durable before its first entry leaves: only a database that went back in time knows less. What somebody
    else wrote there is no event of ours. A stream that cannot be asked now is asked by its lane when it can be.
    """
    with contextlib.suppress(StreamBusy):
        later = await streams.entries_after(stream, f"{newest}-{2**63 - 1}", _LOOKED_AT)
        return any(entry.fields.keys() >= _OURS for entry in later)
    return False


async def _accept(connection: Connection, generation: int, now: Origin, by: str, reason: str) -> None:
    await connection.execute(
        "INSERT INTO outbox_generations (generation, system_identifier, timeline, accepted_by, reason) "
        "VALUES ($1, $2, $3, $4, $5)",
        generation,
        now.system_identifier,
        now.timeline,
        by,
        reason,
    )


async def newest_of(connection: Connection, generation: int) -> Tick:
    """The newest tick, as the predecessor of the next one of `generation`."""
    return (await ticks.last_tick(connection)).before(generation)


_WHAT_TO_DO = (
    "Events published after the backup may be missing here, and their effects outside (messages sent) may happen "
    "again, so sending is held. If this database is the one to go on with, run `ese restore release` "
    "(`ese backbone accept-generation` accepts the log alone)."
)

# The control file learns of a promotion only at the next checkpoint; the name of the log being written tells at once.
_TIMELINE = "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
_ORIGIN = f"""
SELECT s.system_identifier::text AS system_identifier, {_TIMELINE} AS timeline,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid
FROM pg_control_system() s
"""  # noqa: S608

# Sending stays held until an operator releases it; marks are compared within the new life only.
_BEGIN_LIFE = """
UPDATE platform_life
SET life = :generation, system_identifier = (SELECT system_identifier::text FROM pg_control_system())
"""

_LEASE_HELD = "SELECT EXISTS (SELECT FROM relay_lease WHERE expires_at > clock_timestamp())"
_NEXT_GENERATION = "SELECT coalesce(max(generation), 1) + 1 FROM outbox_generations"

# Rows that the last tick did not cover are those of transactions it did not see; as far as they came along, they
# are committed, and a snapshot above them all sees them.
_LAST_TICK = """
INSERT INTO outbox_ticks (id, snapshot, generation)
SELECT greatest(coalesce((SELECT max(id) FROM outbox_ticks), 0) + 1,
                floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint),
       (top.xid || ':' || top.xid || ':')::pg_snapshot, :generation
FROM (SELECT (max(xid)::text::bigint + 1)::text AS xid FROM outbox WHERE generation = :generation) AS top
WHERE top.xid IS NOT NULL
"""

_INSERT_ACCEPTED = f"""
INSERT INTO outbox_generations (generation, system_identifier, timeline, accepted_by, reason)
SELECT :generation, s.system_identifier::text, {_TIMELINE}, :by, :reason
FROM pg_control_system() s
"""  # noqa: S608
