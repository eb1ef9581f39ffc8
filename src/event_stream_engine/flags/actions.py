"""What is done with flags. Every change goes the same way: lock, load, plan in the model, save with its audit."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from event_stream_engine import audit
from event_stream_engine.database import Transaction
from event_stream_engine.errors import NotFound
from event_stream_engine.flags import store
from event_stream_engine.flags.model import CATALOGUE, Change, Facts, plan
from event_stream_engine.flags.store import AuditRow, Author
from event_stream_engine.ids import new_id

_PAGE = 500


class Verified(msgspec.Struct, frozen=True):
    """`broken_id` is the first audit row that does not say what it said, or does not follow the one before."""

    rows: int
    broken_id: int | None


async def change(
    tx: Transaction, changes: Sequence[Change], *, actor: str, account_id: UUID | None, reason: str, facts: Facts
) -> list[AuditRow]:
    """All changes or none; what would change nothing is left out. Raises `Invalid`, `NotFound`, `Stale`, `Refused`."""
    await store.lock(tx)
    steps = plan((await store.load(tx)).flags, changes, facts)
    author = Author(actor, reason, new_id())
    written = [await store.save(tx, step, author) for step in steps]
    for row in written:
        detail = {"reason": reason, "from": row.version_from, "to": row.version_to, "by": actor}
        await audit.record(tx, account_id, f"flag.{row.action}", row.flag, detail)
    return written


def kill(name: str) -> Change:
    """The kill switch: it does not ask which version was read."""
    return Change(name, {"killed": True}, action="kill")


async def rollback(tx: Transaction, name: str, version: int, expected: int | None = None) -> Change:
    """What a flag was at `version`, as a change that makes a new version. Raises `NotFound`."""
    kept = await store.version_of(tx, name, version) if version else CATALOGUE.get(name)
    if kept is None:
        raise NotFound(f"{name} has no version {version} that can be restored; its history lists them.")
    return Change(name, msgspec.to_builtins(kept), action="rollback", whole=True, expected=expected)


async def verify_audit(tx: Transaction) -> Verified:
    """Compute every hash of the audit anew. Memory is bounded, time is not: it reads all of it."""
    rows, last_id, previous = 0, 0, ""
    while page := await store.audit_after(tx, last_id, _PAGE):
        for row in page:
            if not store.is_intact(row, previous):
                return Verified(rows, row.id)
            rows, last_id, previous = rows + 1, row.id, row.hash
    return Verified(rows, None)
