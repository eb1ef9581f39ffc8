"""Whether a session goes on, asked with every request: a session that is ended ends its access token, too.

An answer is believed for `BELIEVED_SECONDS`, so a session in use costs one read by primary key in that time, in each
API process. That is the bound: everywhere an ended session's token is refused at the latest after it, and at once in
the process where the session was ended. While PostgreSQL does not answer, nobody's session is taken for live.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from uuid import UUID

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.identity.store import sessions as store

BELIEVED_SECONDS = 5
NOTED_SECONDS = 60
"""How exact a session's `last_used_at` is."""
KEPT_MAX = 10_000
"""Sessions whose answer is kept; beyond it the one that was asked longest ago is asked again."""


class LiveSessions:
    """One in each API process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._live: OrderedDict[UUID, datetime] = OrderedDict()

    async def is_live(self, session_id: UUID) -> bool:
        now = clock.now()
        asked = self._live.get(session_id)
        if asked is not None and timedelta(0) <= now - asked < timedelta(seconds=BELIEVED_SECONDS):
            return True
        async with self._database.transaction() as tx:
            live = await store.is_live(tx, session_id, now, timedelta(seconds=NOTED_SECONDS))
        self._live.pop(session_id, None)
        if live:
            self._live[session_id] = now
            if len(self._live) > KEPT_MAX:
                self._live.popitem(last=False)
        return live

    def forget(self) -> None:
        """Ask anew about every session: some were ended here."""
        self._live.clear()
