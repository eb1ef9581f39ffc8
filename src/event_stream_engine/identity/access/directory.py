"""Who stands behind a credential now: the role of an account whose session goes on, the scopes of an API key, as
PostgreSQL has them.

Answers are kept for `STALE_SECONDS`, so that a busy session costs one look-up a second and process, and what changed
(a role, the end of a session) is in force everywhere after at most that. `fresh` looks anew: whatever changes
something asks like this. At most `KNOWN_MAX` answers are kept; at the bound all are forgotten and looked up again.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic
from typing import TypeVar, cast
from uuid import UUID

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.identity.access import store
from event_stream_engine.identity.access.model import USE_NOTED_EVERY
from event_stream_engine.identity.model import digest
from event_stream_engine.identity.store import sessions
from event_stream_engine.permissions import PERMISSIONS, Role
from event_stream_engine.web.auth import STALE_SECONDS, Absence, Principal

KNOWN_MAX = 10_000
SESSION_NOTED_EVERY = timedelta(seconds=60)
"""How exact a session's `last_used_at` is."""

Found = TypeVar("Found")
Name = tuple[UUID, UUID] | str
"""An account and its session, or the hash of an API key."""


class Directory:
    """`web.auth.Accounts` over the accounts and keys of a database; `time` in seconds, for tests."""

    def __init__(self, database: Database, time: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._time = time
        self._known: dict[Name, tuple[float, object]] = {}
        self._forgotten = 0

    async def person(self, account_id: UUID, session_id: UUID, *, fresh: bool) -> Principal | Absence:
        return await self._kept((account_id, session_id), fresh, lambda: self._person(account_id, session_id))

    async def key(self, secret: str, *, fresh: bool) -> Principal | None:
        hashed = digest(secret)
        return await self._kept(hashed, fresh, lambda: self._key(hashed))

    def forget(self, account_id: UUID) -> None:
        """Sessions of this account are looked up again; an answer that is under way is not kept."""
        self._forgotten += 1
        for name in [name for name in self._known if name[0] == account_id]:
            del self._known[name]

    async def _kept(self, name: Name, fresh: bool, look_up: Callable[[], Awaitable[Found]]) -> Found:
        now = self._time()
        known = self._known.get(name)
        if known is not None and not fresh and now - known[0] < STALE_SECONDS:
            return cast(Found, known[1])
        forgotten = self._forgotten
        found = await look_up()
        if forgotten != self._forgotten:
            return found
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[name] = (now, found)
        return found

    async def _person(self, account_id: UUID, session_id: UUID) -> Principal | Absence:
        now = clock.now()
        async with self._database.transaction(fail_fast=True) as tx:
            found = await store.standing(tx, account_id, session_id)
            if found is None:
                return "no_account"
            if found.session_id is None:
                return "no_session"
            if found.last_used_at < now - SESSION_NOTED_EVERY:
                await sessions.note_use(tx, session_id, now, now - SESSION_NOTED_EVERY)
        return Principal(account_id, cast(Role, found.role), session_id)

    async def _key(self, secret_hash: str) -> Principal | None:
        now = clock.now()
        async with self._database.transaction(fail_fast=True) as tx:
            found = await store.key_standing(tx, secret_hash, now)
            if found is None:
                return None
            if found.last_used_at is None or found.last_used_at < now - USE_NOTED_EVERY:
                await store.note_use(tx, found.id, now, now - USE_NOTED_EVERY)
        scopes = frozenset(found.scopes) & PERMISSIONS  # a permission that is gone gives nothing
        return Principal(found.account_id, found.role, key_id=found.id, scopes=scopes)
