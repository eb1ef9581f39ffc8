"""Identity's chores."""

from datetime import timedelta

from event_stream_engine import clock
from event_stream_engine.identity import store
from event_stream_engine.jobs import Runtime, chore, every
from event_stream_engine.web import store as web_store

KEYS_KEPT = timedelta(hours=24)


@every(600)
@chore("identity.forget_expired")
async def forget_expired(runtime: Runtime) -> None:
    """Remove sessions and links that have expired, and idempotency keys after a day."""
    async with runtime.database.transaction() as tx:
        await store.forget_expired(tx, clock.now())
        await web_store.forget(tx, clock.now() - KEYS_KEPT)
