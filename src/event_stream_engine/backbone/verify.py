"""The proof: every committed event is in its stream once, unchanged and in order, and in the charge of every group.

It recomputes the log from the outbox and its ticks and compares it, entry by entry, with what the streams hold and
with each group's inbox. What it can look at ends where the outbox's retention does; in a stream, where its trimming
does.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from event_stream_engine.backbone import ticks
from event_stream_engine.backbone.streams import Entry, StreamWriter, position
from event_stream_engine.backbone.subscriptions import Group
from event_stream_engine.backbone.ticks import Connection
from event_stream_engine.database import Database

NAMED = 20
"""At most so many entries are named per finding; all are counted."""
_PAGE = 1000


@dataclass
class Finding:
    """Entries of one kind: how many, and the first of them."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.named) < NAMED:
            self.named.append(name)


@dataclass
class StreamProof:
    """A stream against the outbox. `waiting` events are committed and not yet published."""

    stream: str
    committed: int = 0
    published: int = 0
    trimmed: int = 0
    waiting: int = 0
    parked: int = 0
    missing: Finding = field(default_factory=Finding)
    foreign: Finding = field(default_factory=Finding)
    changed: Finding = field(default_factory=Finding)

    @property
    def holds(self) -> bool:
        return not (self.missing.count or self.foreign.count or self.changed.count)


@dataclass
class GroupProof:
    """A group's inbox against the outbox. `due` are the events it hears up to its position."""

    group: str
    stream: str
    due: int = 0
    applied: int = 0
    parked: int = 0
    dead: int = 0
    waiting: int = 0
    missing: Finding = field(default_factory=Finding)

    @property
    def holds(self) -> bool:
        return self.missing.count == 0


@dataclass(frozen=True)
class Proof:
    streams: list[StreamProof]
    groups: list[GroupProof]

    @property
    def holds(self) -> bool:
        return all(one.holds for one in self.streams) and all(one.holds for one in self.groups)


async def verify(database: Database, streams: StreamWriter, groups: Iterable[Group]) -> Proof:
    """Compare everything, while traffic goes on: what happens meanwhile counts as waiting."""
    async with database.driver() as connection:
        names = [row[0] for row in await connection.fetch("SELECT stream FROM relay_positions ORDER BY stream")]
        ends = {name: (await streams.first_id(name), await streams.last_id(name)) for name in names}
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            newest = await ticks.last_tick(connection)
            proofs = [await _stream(connection, streams, name, ends[name], newest.id) for name in names]
            of_groups = [await _group(connection, group, s, newest.id) for group in groups for s in group.streams]
    return Proof(proofs, of_groups)


async def _stream(
    connection: Connection, streams: StreamWriter, name: str, ends: tuple[str | None, str], newest: int
) -> StreamProof:
    """Walk the outbox and the stream side by side; both are in the order of their ids."""
    proof = StreamProof(name)
    first, last = ends
    parked = await _parked(connection, name)
    oldest = await ticks.oldest_tick(connection)
    held = _held(streams, name, last)
    entry = await anext(held, None)
    async for expected in _committed(connection, name, newest):
        proof.committed += 1
        here = position(expected.entry_id)
        while entry is not None and position(entry.entry_id) < here:
            if position(entry.entry_id)[0] > oldest:
                proof.foreign.add(entry.entry_id)
            entry = await anext(held, None)
        if here > position(last):
            proof.waiting += 1
        elif first is None or here < position(first):
            proof.trimmed += 1
        elif entry is None or position(entry.entry_id) > here:
            proof.missing.add(f"{expected.entry_id} {expected.fields['id']}")
        else:
            _compare(proof, expected, entry, parked)
            entry = await anext(held, None)
    while entry is not None:  # a tick is stored before its first entry leaves, and we read the stream's end first
        proof.foreign.add(entry.entry_id)
        entry = await anext(held, None)
    return proof


def _compare(proof: StreamProof, expected: Entry, entry: Entry, parked: set[str]) -> None:
    proof.published += 1
    if expected.entry_id in parked:
        proof.parked += 1
        expected = expected.tombstone()
    if entry.fields != expected.fields:
        proof.changed.add(f"{expected.entry_id} {expected.fields['id']}")


async def _committed(connection: Connection, stream: str, newest: int) -> AsyncIterator[Entry]:
    async for slice_ in ticks.history(connection, 0, newest, stream):
        for _, entry in slice_:
            yield entry


async def _held(streams: StreamWriter, stream: str, last: str) -> AsyncIterator[Entry]:
    after = "0-0"
    while entries := await streams.entries_after(stream, after, _PAGE):
        for entry in entries:
            if position(entry.entry_id) > position(last):
                return
            yield entry
        after = entries[-1].entry_id


async def _parked(connection: Connection, stream: str) -> set[str]:
    rows = await connection.fetch("SELECT entry_id FROM outbox_parked WHERE stream = $1", stream)
    return {row["entry_id"] for row in rows}


async def _group(connection: Connection, group: Group, stream: str, newest: int) -> GroupProof:
    proof = GroupProof(group.name, stream)
    types = [name for name, reaction in group.reactions.items() if reaction.event.stream == stream]
    at = await connection.fetchval(
        "SELECT entry_id FROM group_positions WHERE group_name = $1 AND stream = $2", group.name, stream
    )
    tick, seq = position(at or "0-0")
    row = await connection.fetchrow(_GROUP, 0, newest, stream, types, group.name, tick, seq)
    assert row is not None
    proof.due, proof.waiting, proof.parked, proof.dead = row["due"], row["waiting"], row["parked"], row["dead"]
    proof.applied = row["taken"] - proof.parked - proof.dead
    if row["due"] > row["taken"]:
        for lacking in await connection.fetch(_LACKING, 0, newest, stream, types, group.name, tick, seq, NAMED):
            proof.missing.add(f"{lacking['entry_id']} {lacking['event_id']}")
        proof.missing.count = row["due"] - row["taken"]
    return proof


_HEARD = f"""
SELECT h.tick, h.seq, h.event_id, (h.tick, h.seq) <= ($6::bigint, $7::bigint) AS due, i.event_id IS NOT NULL AS taken,
       EXISTS (SELECT FROM parked_events p WHERE p.group_name = $5 AND p.event_id = h.event_id) AS parked,
       EXISTS (SELECT FROM dead_letters d WHERE d.group_name = $5 AND d.event_id = h.event_id
               AND d.status IN ('open', 'discarded')) AS dead
FROM ({ticks.HISTORY_ROWS}) AS h
LEFT JOIN inbox AS i ON i.group_name = $5 AND i.event_id = h.event_id
WHERE h.type = ANY ($4::text[])
"""  # noqa: S608

_GROUP = f"""
SELECT count(*) FILTER (WHERE due) AS due, count(*) FILTER (WHERE NOT due) AS waiting,
       count(*) FILTER (WHERE due AND taken) AS taken, count(*) FILTER (WHERE due AND parked) AS parked,
       count(*) FILTER (WHERE due AND dead) AS dead
FROM ({_HEARD}) AS heard
"""  # noqa: S608

_LACKING = f"""
SELECT tick || '-' || seq AS entry_id, event_id FROM ({_HEARD}) AS heard
WHERE due AND NOT taken ORDER BY tick, seq LIMIT $8
"""  # noqa: S608
