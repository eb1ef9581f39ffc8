"""Who stands behind a credential now: the role of an account, the scopes of an API key, as PostgreSQL has them.

Answers are kept for `STALE_SECONDS`, so that a busy account costs one look-up a second and process, and a role that was
changed is in force everywhere after at most that. `fresh` looks anew: whatever changes something asks like this. At
most `KNOWN_MAX` answers are kept; at the bound all are forgotten and looked up again.
"""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import cast
from uuid import UUID

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.identity.access import store
from event_stream_engine.identity.access.model import USE_NOTED_EVERY, digest
from event_stream_engine.permissions import PERMISSIONS, Role
from event_stream_engine.web.auth import STALE_SECONDS, Principal

KNOWN_MAX = 10_000


class Directory:
    """`web.auth.Accounts` over the accounts and keys of a database; `time` in seconds, for tests."""

    def __init__(self, database: Database, time: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._time = time
        self._known: dict[str, tuple[float, Principal | None]] = {}

    async def person(self, account_id: UUID, *, fresh: bool) -> Principal | None:
        return await self._kept(str(account_id), fresh, lambda: self._person(account_id))

    async def key(self, secret: str, *, fresh: bool) -> Principal | None:
        hashed = digest(secret)
        return await self._kept(hashed, fresh, lambda: self._key(hashed))

    async def _kept(
        self, name: str, fresh: bool, look_up: Callable[[], Awaitable[Principal | None]]
    ) -> Principal | None:
        now = self._time()
        known = self._known.get(name)
        if known is not None and not fresh and now - known[0] < STALE_SECONDS:
            return known[1]
        found = await look_up()
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[name] = (now, found)
        return found

    async def _person(self, account_id: UUID) -> Principal | None:
        async with self._database.transaction() as tx:
            role = await store.standing(tx, account_id)
        return Principal(account_id, cast(Role, role)) if role else None

    async def _key(self, secret_hash: str) -> Principal | None:
        now = clock.now()
        async with self._database.transaction() as tx:
            found = await store.key_standing(tx, secret_hash, now)
            if found is None:
                return None
            if found.last_used_at is None or found.last_used_at < now - USE_NOTED_EVERY:
                await store.note_use(tx, found.id, now, now - USE_NOTED_EVERY)
        scopes = frozenset(found.scopes) & PERMISSIONS  # a permission that is gone gives nothing
        return Principal(found.account_id, found.role, found.id, scopes)
