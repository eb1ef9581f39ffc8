"""The task that finishes erasures: what no index finds, and messages that were on their way."""

import structlog

from event_stream_engine.jobs import Runtime, every, task
from event_stream_engine.messaging.actions import erasing
from event_stream_engine.messaging.store import erasures as store

log = structlog.get_logger()


@every(300)
@task("messaging.finish_erasures")
async def finish_erasures(runtime: Runtime) -> None:
    """Go on with at most a hundred erasures, one transaction each; one with a message on its way is tried again."""
    async with runtime.database.transaction() as tx:
        waiting = await store.unfinished(tx)
    for erasure_id in waiting:
        async with runtime.database.transaction() as tx:
            if await erasing.go_on(tx, erasure_id):
                log.info("personal data erased", erasure_id=str(erasure_id))
