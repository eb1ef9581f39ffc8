"""Whether the audit trail is as it was written.

Each entry's hash covers its content and the hash of the entry before, so that a changed, removed, inserted or reordered
entry shows at its place. What the chain alone cannot show is that its newest entries were cut off, or that all of it
was written anew: for that keep `last_id` and `last_hash` of a proof elsewhere and give them as `known` next time.
"""

from dataclasses import dataclass

from event_stream_engine.audit import reports
from event_stream_engine.audit.store import digest
from event_stream_engine.database import Transaction


@dataclass(frozen=True)
class Proof:
    """`broken_at`: the first entry whose hash does not follow from its content and the one before."""

    checked: int
    first_id: int | None
    last_id: int | None
    last_hash: str | None
    broken_at: int | None
    known_holds: bool | None

    @property
    def holds(self) -> bool:
        return self.broken_at is None and self.known_holds is not False


async def prove(tx: Transaction, *, newest: int | None = None, known: tuple[int, str] | None = None) -> Proof:
    """Follow the chain, of all entries or of the newest ones only; `known` is an entry's id and hash kept elsewhere."""
    after = await reports.start_of_newest(tx, newest) if newest is not None else 0
    before = await reports.entry(tx, after) if after else None
    previous = before.hash if before else ""
    checked, first, last, last_hash = 0, None, None, None
    known_holds = await _known_holds(tx, known)
    async for rows in reports.oldest_first(tx, after):
        first = first or rows[0].id
        for row in rows:
            if row.hash != digest(previous, row._mapping):
                return Proof(checked, first, last, last_hash, row.id, known_holds)
            previous, last, last_hash = row.hash, row.id, row.hash
            checked += 1
    return Proof(checked, first, last, last_hash, None, known_holds)


async def _known_holds(tx: Transaction, known: tuple[int, str] | None) -> bool | None:
    if known is None:
        return None
    found = await reports.entry(tx, known[0])
    return found is not None and found.hash == known[1]
