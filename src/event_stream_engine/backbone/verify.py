"""The proof: every committed event is in its stream once, unchanged and in order, and in the charge of every group.

It recomputes the log from the outbox and its ticks and compares it, entry by entry, with what the streams hold and
with each group's inbox. What it can look at ends where the outbox's retention does; in a stream, where its trimming
does.
"""

import math
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from event_stream_engine.backbone import life, ticks
from event_stream_engine.backbone.streams import Entry, StreamBusy, StreamRefused, StreamWriter, position
from event_stream_engine.backbone.subscriptions import Group
from event_stream_engine.backbone.ticks import Connection
from event_stream_engine.database import Database

NAMED = 20
"""At most so many entries are named per finding; all are counted."""
_PAGE = 1000
_END = (math.inf, 0)


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
    """A stream against the outbox. `waiting` events are committed and not yet published. `unreadable`: why the stream
    cannot be read, such as a key of another type; nothing else is known of it then."""

    stream: str
    committed: int = 0
    published: int = 0
    trimmed: int = 0
    waiting: int = 0
    parked: int = 0
    missing: Finding = field(default_factory=Finding)
    foreign: Finding = field(default_factory=Finding)
    changed: Finding = field(default_factory=Finding)
    unreadable: str | None = None

    @property
    def holds(self) -> bool:
        return self.unreadable is None and not (self.missing.count or self.foreign.count or self.changed.count)


@dataclass
class GroupProof:
    """A group's inbox against the outbox. `due` are the events it hears up to its position (of several partitions the
    slowest one's), and those past it that it has taken charge of; what was published `before` the group began to hear
    the type is not."""

    group: str
    stream: str
    due: int = 0
    applied: int = 0
    parked: int = 0
    dead: int = 0
    waiting: int = 0
    before: int = 0
    missing: Finding = field(default_factory=Finding)

    @property
    def holds(self) -> bool:
        return self.missing.count == 0


@dataclass(frozen=True)
class Proof:
    streams: list[StreamProof]
    groups: list[GroupProof]
    held: str | None = None
    """Why sending is held: the database went back in time, and what agrees with it proves nothing."""

    @property
    def holds(self) -> bool:
        return self.held is None and all(one.holds for one in self.streams) and all(one.holds for one in self.groups)


async def verify(database: Database, streams: StreamWriter, groups: Iterable[Group]) -> Proof:
    """Compare everything, while traffic goes on: what happens meanwhile counts as waiting."""
    async with database.driver() as connection:
        names = [row[0] for row in await connection.fetch("SELECT stream FROM relay_positions ORDER BY stream")]
        walks = {name: await _Walk.between_the_ends(streams, name) for name in names}
        async with connection.transaction(isolation="repeatable_read"):
            newest = await ticks.last_tick(connection)
            forgotten = await ticks.forgotten_tick(connection)
            for name, walk in walks.items():
                await walk.begin(streams, forgotten, await _parked(connection, name))
            async for slice_ in ticks.history(connection, 0, newest.id):
                for stream, entry in slice_:
                    if stream in walks:
                        await walks[stream].expect(entry)
            for walk in walks.values():
                await walk.finish()
            await connection.execute(_LOG, 0, newest.id, None)
            await connection.execute("ANALYZE verified_log")
            of_groups = [await _group(connection, group, s) for group in groups for s in group.streams]
    async with database.transaction() as tx:
        held = (await life.read(tx)).reason
    return Proof([walk.proof for walk in walks.values()], of_groups, held)


@dataclass
class _Walk:
    """The outbox and one stream, side by side; both are in the order of their ids."""

    proof: StreamProof
    first: str | None = None
    last: str = "0-0"
    forgotten: int = 0
    parked: set[str] = field(default_factory=set)
    _held: AsyncIterator[Entry] = field(init=False)
    _entry: Entry | None = None

    @classmethod
    async def between_the_ends(cls, streams: StreamWriter, stream: str) -> "_Walk":
        walk = cls(StreamProof(stream))
        try:
            walk.first, walk.last = await streams.first_id(stream), await streams.last_id(stream)
        except (StreamBusy, StreamRefused) as error:
            walk.proof.unreadable = str(error)
        return walk

    async def begin(self, streams: StreamWriter, forgotten: int, parked: set[str]) -> None:
        self.forgotten, self.parked = forgotten, parked
        self._held = _held(streams, self.proof.stream, self.last)
        await self._go_on()

    async def _go_on(self) -> None:
        """To the next entry that the stream holds; to none once it cannot be read."""
        try:
            self._entry = None if self.proof.unreadable else await anext(self._held, None)
        except (StreamBusy, StreamRefused) as error:
            self._entry, self.proof.unreadable = None, str(error)

    async def expect(self, expected: Entry) -> None:
        """The next committed event of the stream."""
        proof, here = self.proof, position(expected.entry_id)
        proof.committed += 1
        if proof.unreadable:
            return
        await self._pass_foreign(here)
        entry = self._entry
        if here > position(self.last):
            proof.waiting += 1
        elif self.first is None or here < position(self.first):
            proof.trimmed += 1
        elif entry is not None and position(entry.entry_id) == here:
            _compare(proof, expected, entry, self.parked)
            await self._go_on()
        elif proof.unreadable is None:
            proof.missing.add(f"{expected.entry_id} {expected.fields['id']}")

    async def finish(self) -> None:
        """What is left is nobody's: a tick is stored before its first entry leaves, and the stream's end was read
        first."""
        await self._pass_foreign(_END)

    async def _pass_foreign(self, here: tuple[float, int]) -> None:
        """Entries that nothing was expected for; of those whose ticks are forgotten nobody can tell any more."""
        while self._entry is not None and position(self._entry.entry_id) < here:
            if position(self._entry.entry_id)[0] > self.forgotten:
                self.proof.foreign.add(self._entry.entry_id)
            await self._go_on()


def _compare(proof: StreamProof, expected: Entry, entry: Entry, parked: set[str]) -> None:
    proof.published += 1
    if expected.entry_id in parked:
        proof.parked += 1
        expected = expected.tombstone()
    if entry.fields != expected.fields:
        proof.changed.add(f"{expected.entry_id} {expected.fields['id']}")


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


async def _group(connection: Connection, group: Group, stream: str) -> GroupProof:
    proof = GroupProof(group.name, stream)
    types = [name for name, reaction in group.reactions.items() if reaction.event.stream == stream]
    rows = await connection.fetch(
        "SELECT entry_id FROM group_positions WHERE group_name = $1 AND stream = $2", group.name, stream
    )
    tick, seq = min((position(row["entry_id"]) for row in rows), default=(0, 0))  # of all its partitions
    row = await connection.fetchrow(_GROUP, stream, types, group.name, tick, seq)
    assert row is not None
    proof.due, proof.waiting, proof.parked, proof.dead = row["due"], row["waiting"], row["parked"], row["dead"]
    proof.before = row["before"]
    proof.applied = row["taken"] - proof.parked - proof.dead
    if row["due"] > row["taken"]:
        for lacking in await connection.fetch(_LACKING, stream, types, group.name, tick, seq, NAMED):
            proof.missing.add(f"{lacking['entry_id']} {lacking['event_id']}")
        proof.missing.count = row["due"] - row["taken"]
    return proof


# The log without its data, once for all groups.
_LOG = f"""
CREATE TEMP TABLE verified_log ON COMMIT DROP AS
SELECT h.tick, h.seq, h.stream, h.type, h.event_id FROM ({ticks.HISTORY_ROWS}) AS h
"""  # noqa: S608

_HEARD = """
SELECT h.tick, h.seq, h.event_id, i.event_id IS NOT NULL AS taken,
       (h.tick, h.seq) > (coalesce(s.after_tick, 0), coalesce(s.after_seq, 0)) AS owed,
       (h.tick, h.seq) <= ($4::bigint, $5::bigint) AS passed,
       p.event_id IS NOT NULL AS parked, d.event_id IS NOT NULL AS dead
FROM verified_log AS h
LEFT JOIN inbox AS i ON i.group_name = $3 AND i.event_id = h.event_id
LEFT JOIN parked_events AS p ON p.group_name = $3 AND p.event_id = h.event_id
LEFT JOIN (
    SELECT DISTINCT event_id FROM dead_letters WHERE group_name = $3 AND status IN ('open', 'discarded')
) AS d ON d.event_id = h.event_id
LEFT JOIN heard_types AS s ON s.group_name = $3 AND s.stream = h.stream AND s.type = h.type
WHERE h.stream = $1 AND h.type = ANY ($2::text[])
"""

_GROUP = f"""
SELECT count(*) FILTER (WHERE taken OR owed AND passed) AS due,
       count(*) FILTER (WHERE owed AND NOT taken AND NOT passed) AS waiting,
       count(*) FILTER (WHERE NOT owed AND NOT taken) AS before,
       count(*) FILTER (WHERE taken) AS taken, count(*) FILTER (WHERE taken AND parked) AS parked,
       count(*) FILTER (WHERE taken AND dead AND NOT parked) AS dead
FROM ({_HEARD}) AS heard
"""  # noqa: S608

_LACKING = f"""
SELECT tick || '-' || seq AS entry_id, event_id FROM ({_HEARD}) AS heard
WHERE owed AND passed AND NOT taken ORDER BY tick, seq LIMIT $6
"""  # noqa: S608
