"""What a group has taken charge of: inbox rows, and a position per stream.

An inbox row means that the event is in PostgreSQL's charge for this group: applied, parked behind or because of a
failure, or dead. A position means that everything up to it has such a row (or is not heard by the group).
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from event_stream_engine.backbone.streams import position
from event_stream_engine.backbone.subscriptions import Group
from event_stream_engine.database import Transaction
from event_stream_engine.events.base import Envelope

_HEX = msgspec.json.Encoder(uuid_format="hex")

Place = tuple[str, int]
"""A stream and its partition."""
Given = Mapping[Place, Sequence[Envelope]]
"""What was read of each place, in order; of each at least one."""


class Taken(NamedTuple):
    """New events of a batch: those to apply now, and those whose key waits behind a parked one."""

    free: list[Envelope]
    waiting: list[Envelope]


class PositionMoved(Exception):
    """Somebody else consumed for this group: nothing of this batch may be committed."""


class UnknownTicks(Exception):
    """The streams hold what this database never published: it is older than what was published, or somebody else
    wrote there. The relay says which, and makes the streams anew when it may."""


class TakenBefore(Exception):
    """Something of the batch had its row already: the transaction is lost, `take` tells which."""


async def take_new(tx: Transaction, group: str, entries: Sequence[Envelope]) -> Taken:
    """Insert the rows of a batch that is most likely new: that costs a third less than `take`, for PostgreSQL need not
    look before it writes. Raises `TakenBefore` when it is not, and `UnknownTicks`."""
    try:
        row = (await tx.execute(_TAKE_NEW, _given(group, entries))).one()
    except IntegrityError as error:
        raise TakenBefore from error
    _check_known(row.unknown)
    return await _free(tx, group, list(entries), parked=row.parked)


async def take(tx: Transaction, group: str, entries: Sequence[Envelope]) -> Taken:
    """Insert the batch's inbox rows; what had one already is in charge and left out. Raises `UnknownTicks`."""
    row = (await tx.execute(_TAKE, {**_given(group, entries), "count": len(entries)})).one()
    _check_known(row.unknown)
    new = list(entries)
    if row.inserted < len(entries):  # some came before, or twice in this batch
        known = set(row.known)
        new = list({entry.id: entry for entry in entries if entry.id not in known}.values())
    return await _free(tx, group, new, parked=row.parked)


def _given(group: str, entries: Sequence[Envelope]) -> dict[str, object]:
    """Arrays as texts: the driver would look at a list piece by piece."""
    ids = _HEX.encode([entry.id for entry in entries])[1:-1].decode()
    ticks = ",".join({entry.entry_id.partition("-")[0] for entry in entries})
    return {"group": group, "ids": f"{{{ids}}}", "ticks": f"{{{ticks}}}"}


def _check_known(unknown: Sequence[int]) -> None:
    if unknown:
        raise UnknownTicks(f"{len(unknown)} ticks that this database does not know, from {min(unknown)} on")


async def _free(tx: Transaction, group: str, new: list[Envelope], *, parked: bool) -> Taken:
    if not parked:
        return Taken(new, [])
    blocked = await _blocked(tx, group, new)
    return Taken([e for e in new if e.id not in blocked], [e for e in new if e.id in blocked])


async def _blocked(tx: Transaction, group: str, entries: Sequence[Envelope]) -> set[UUID]:
    """The ids of those whose key has parked events."""
    streams, keys = [entry.stream for entry in entries], [entry.subject for entry in entries]
    given = {"group": group, "ids": _ids(entries), "streams": streams, "keys": keys}
    return {row[0] for row in await tx.execute(_BLOCKED, given)}


def _ids(entries: Sequence[Envelope]) -> list[UUID]:
    return [entry.id for entry in entries]


async def in_charge(tx: Transaction, group: str, entries: Sequence[Envelope]) -> set[UUID]:
    """The ids among `entries` that have a row already."""
    rows = await tx.execute(
        text("SELECT event_id FROM inbox WHERE group_name = :group AND event_id = ANY (CAST(:ids AS uuid[]))"),
        {"group": group, "ids": _ids(entries)},
    )
    return {row[0] for row in rows}


async def positions(tx: Transaction, group: Group, epoch: int, partitions: Mapping[str, int]) -> dict[Place, str]:
    """Where the group stands in each partition of the streams, given how many each has. A stream that it never read
    stands at `0-0`, or where the relay noted its end last, as the group `begins`; and where it stands is kept of each
    type that it hears for the first time: what came before is not owed to it.

    Where a stream has another number of partitions than before (another transport, a topic laid out anew), all of them
    stand where the slowest stood: everything up to there is in charge, wherever it lay.
    """
    rows = await tx.execute(
        text("SELECT stream, partition, entry_id FROM group_positions WHERE group_name = :group AND stream = ANY(:s)"),
        {"group": group.name, "s": list(partitions)},
    )
    known: dict[str, dict[int, str]] = {stream: {} for stream in partitions}
    for row in rows:
        known[row.stream][row.partition] = row.entry_id
    is_new = not any(known.values())
    for stream, count in partitions.items():
        if set(known[stream]) != set(range(count)):
            at = min(known[stream].values(), key=position, default=None) or await _beginning(tx, group, stream)
            known[stream] = dict.fromkeys(range(count), at)
            await tx.execute(_LAY_OUT, {"group": group.name, "stream": stream, "count": count, "at": at})
            await fence(tx, group.name, epoch)
    await _note_heard(tx, group, epoch, known, is_new=is_new)
    return {(stream, number): at for stream, found in known.items() for number, at in found.items()}


async def _note_heard(
    tx: Transaction, group: Group, epoch: int, known: Mapping[str, Mapping[int, str]], *, is_new: bool
) -> None:
    """A type's first owner notes where the furthest partition stood. A group that ran before this was noted hears all
    of its types from the beginning."""
    heard = {(reaction.event.stream, name) for name, reaction in group.reactions.items()}
    rows = await tx.execute(
        text("SELECT stream, type FROM heard_types WHERE group_name = :group"), {"group": group.name}
    )
    noted = {(row.stream, row.type) for row in rows}
    ran_before = not (noted or is_new or epoch == 1)
    for stream, name in sorted(heard - noted):
        after = (0, 0) if ran_before else max(map(position, known[stream].values()))
        given = {"group": group.name, "stream": stream, "type": name, "tick": after[0], "seq": after[1]}
        await tx.execute(_NOTE_HEARD, given)
    if heard - noted:
        await fence(tx, group.name, epoch)


async def _beginning(tx: Transaction, group: Group, stream: str) -> str:
    if group.begins.get(stream, "start") == "start":
        return "0-0"
    end = await tx.execute(text("SELECT entry_id FROM relay_positions WHERE stream = :stream"), {"stream": stream})
    return str(end.scalar_one_or_none() or "0-0")


async def advance(
    tx: Transaction, group: str, epoch: int, before: Mapping[Place, str], after: Mapping[Place, str], consumed: int
) -> None:
    """Move the positions with the effects, in one transaction. Raises `PositionMoved` when the group has another
    owner or stands elsewhere."""
    places = sorted(after)
    moved = await tx.execute(
        _ADVANCE,
        {
            "group": group,
            "epoch": epoch,
            "consumed": consumed,
            "streams": [stream for stream, _ in places],
            "partitions": [partition for _, partition in places],
            "expected": [before.get(place, "0-0") for place in places],
            "entries": [after[place] for place in places],
        },
    )
    row = moved.one()
    if not row.owned or row.moved != len(places):
        raise PositionMoved(f"{group} stands elsewhere, or has another owner")


async def fence(tx: Transaction, group: str, epoch: int) -> None:
    """Hold the group's owner in place until `tx` commits, for effects whose position moves later. Call it last: it
    makes the heartbeat wait. Raises `PositionMoved` when the group has another owner."""
    owned = await tx.execute(
        text("SELECT 1 FROM consumer_groups WHERE group_name = :group AND epoch = :epoch FOR SHARE"),
        {"group": group, "epoch": epoch},
    )
    if owned.first() is None:
        raise PositionMoved(f"{group} has another owner")


def by_place(entries: Sequence[Envelope]) -> dict[Place, list[Envelope]]:
    """The entries of each stream and partition, in order."""
    found: dict[Place, list[Envelope]] = {}
    for place, run in groupby(entries, attrgetter("stream", "partition")):
        found.setdefault(place, []).extend(run)
    return found


def ends(given: Given) -> dict[Place, str]:
    """The last entry of each place."""
    return {place: entries[-1].entry_id for place, entries in given.items()}


def beyond(given: Given, positions: Mapping[Place, str]) -> dict[Place, Sequence[Envelope]]:
    """What lies past the positions. As a rule the first entry of a place tells for all."""
    found: dict[Place, Sequence[Envelope]] = {}
    for place, entries in given.items():
        at = position(positions.get(place, "0-0"))
        if position(entries[0].entry_id) > at:
            found[place] = entries
        elif past := [entry for entry in entries if position(entry.entry_id) > at]:
            found[place] = past
    return found


# A tick is durable before its first entry leaves, and ticks go from the oldest on.
_UNKNOWN = """
ARRAY(SELECT tick FROM unnest(CAST(CAST(:ticks AS text) AS bigint[])) AS tick
      WHERE NOT EXISTS (SELECT FROM outbox_ticks WHERE id = tick)
        AND tick > coalesce((SELECT min(id) FROM outbox_ticks), 0)) AS unknown
"""

_TAKE = text(f"""
WITH given AS (
    SELECT unnest(CAST(CAST(:ids AS text) AS uuid[])) AS event_id
), new AS (
    INSERT INTO inbox (group_name, event_id) SELECT :group, event_id FROM given
    ON CONFLICT DO NOTHING RETURNING event_id
)
SELECT (SELECT count(*) FROM new) AS inserted,
       CASE WHEN (SELECT count(*) FROM new) = :count THEN '{{}}'
            ELSE ARRAY(SELECT event_id FROM given EXCEPT SELECT event_id FROM new) END AS known,
       EXISTS (SELECT FROM parked_events WHERE group_name = :group) AS parked, {_UNKNOWN}
""")  # noqa: S608

_TAKE_NEW = text(f"""
WITH new AS (
    INSERT INTO inbox (group_name, event_id) SELECT :group, unnest(CAST(CAST(:ids AS text) AS uuid[]))
)
SELECT EXISTS (SELECT FROM parked_events WHERE group_name = :group) AS parked, {_UNKNOWN}
""")  # noqa: S608

_BLOCKED = text("""
SELECT g.event_id
FROM unnest(CAST(:ids AS uuid[]), CAST(:streams AS text[]), CAST(:keys AS text[]))
         AS g (event_id, stream, key)
WHERE EXISTS (
    SELECT FROM parked_events p WHERE p.group_name = :group AND p.stream = g.stream AND p.key = g.key
)
""")

_LAY_OUT = text("""
WITH gone AS (
    DELETE FROM group_positions WHERE group_name = :group AND stream = :stream AND partition >= :count
)
INSERT INTO group_positions (group_name, stream, partition, entry_id)
SELECT :group, :stream, number, :at FROM generate_series(0, CAST(:count AS int) - 1) AS number
ON CONFLICT (group_name, stream, partition) DO UPDATE SET entry_id = excluded.entry_id, updated_at = now()
""")

_NOTE_HEARD = text("""
INSERT INTO heard_types (group_name, stream, type, after_tick, after_seq)
VALUES (:group, :stream, :type, :tick, :seq) ON CONFLICT DO NOTHING
""")

_ADVANCE = text("""
WITH owned AS (
    UPDATE consumer_groups
    SET consumed_total = consumed_total + :consumed,
        last_consumed_at = CASE WHEN :consumed > 0 THEN clock_timestamp() ELSE last_consumed_at END
    WHERE group_name = :group AND epoch = :epoch RETURNING 1
), given AS (
    SELECT * FROM unnest(CAST(:streams AS text[]), CAST(:partitions AS int[]), CAST(:expected AS text[]),
                         CAST(:entries AS text[])) AS given (stream, partition, expected, entry_id)
), moved AS (
    INSERT INTO group_positions AS p (group_name, stream, partition, entry_id)
    SELECT :group, stream, partition, entry_id FROM given, owned
    ON CONFLICT (group_name, stream, partition) DO UPDATE SET entry_id = excluded.entry_id, updated_at = now()
    WHERE p.entry_id = (SELECT g.expected FROM given g
                        WHERE g.stream = excluded.stream AND g.partition = excluded.partition)
    RETURNING 1
)
SELECT (SELECT count(*) FROM moved) AS moved, EXISTS (SELECT FROM owned) AS owned
""")
