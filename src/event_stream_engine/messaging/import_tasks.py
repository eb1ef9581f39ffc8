"""The tasks of imports: run one, resume those whose worker died, and remove what is no longer needed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import structlog
from asyncpg.exceptions import DeadlockDetectedError, SerializationError

from event_stream_engine import clock
from event_stream_engine.backbone.supervising import end
from event_stream_engine.jobs import Runtime, every, start, task
from event_stream_engine.messaging.actions import imports as actions
from event_stream_engine.messaging.actions.imports import RunIsOver
from event_stream_engine.messaging.files import FileUnreadable, open_rows
from event_stream_engine.messaging.files.chunks import ROWS_MAX, ChunkReader
from event_stream_engine.messaging.files.sampling import path_of
from event_stream_engine.messaging.model.import_rows import Chunk, RowReader
from event_stream_engine.messaging.model.imports import Import, Options
from event_stream_engine.messaging.store import imports as store
from event_stream_engine.telemetry import timed, worked

log = structlog.get_logger()

SHOWN_EVERY_SECONDS = 0.25
_TRIES = 4
_ORPHAN_SECONDS = 24 * 3600


@task("imports.run", queue="imports")
async def run_import(runtime: Runtime, import_id: str) -> None:
    """Import a file from where it stands."""
    await work_on(runtime, import_id)


async def work_on(runtime: Runtime, import_id: str, rows_max: int = ROWS_MAX) -> None:
    """One worker at a time works on an import, `rows_max` rows a transaction; a second returns at once."""
    async with runtime.database.transaction() as tx:
        run = await actions.take_up(tx, UUID(import_id))
    if run is None:
        return
    with suppress(RunIsOver):
        async with _leased(runtime, run):
            try:
                run = await _write_all(runtime, run, rows_max)
                error = None
            except FileUnreadable as unreadable:
                error = unreadable.detail
            except FileNotFoundError:
                error = "The uploaded file is not on this machine any more: upload it again."
        async with runtime.database.transaction() as tx:
            run = await actions.finish_import(tx, run, error)
        log.info("import ended", import_id=import_id, status=run.status, rows=run.rows_read)


async def _write_all(runtime: Runtime, run: Import, rows_max: int) -> Import:
    """While one chunk is written, a thread reads the next."""
    reader = await asyncio.to_thread(_open, path_of(runtime.settings.home, run.id), run, rows_max)
    reading = asyncio.create_task(asyncio.to_thread(reader.next))
    shown_at = 0.0
    try:
        while True:
            chunk, staged = await reading
            if chunk.rows_read == 0:
                return run
            reading = asyncio.create_task(asyncio.to_thread(reader.next))
            show = time.monotonic() - shown_at >= SHOWN_EVERY_SECONDS
            run = await _write(runtime, run, chunk, staged, show=show)
            shown_at = time.monotonic() if show else shown_at
    finally:
        await asyncio.gather(reading, return_exceptions=True)
        reader.close()


def _open(path: Path, run: Import, rows_max: int) -> ChunkReader:
    options = Options.of(run.options)
    rows = open_rows(str(path), actions.shape_of(run), [column.name for column in options.columns])
    row_reader = RowReader(options, rows.columns)
    rows.skip(run.rows_read)
    return ChunkReader(rows, row_reader, run.rows_read, rows_max)


async def _write(runtime: Runtime, run: Import, chunk: Chunk, staged: bytes, *, show: bool) -> Import:
    """Nothing is counted before the commit, so a chunk that PostgreSQL took back can be written again."""
    for attempt in range(1, _TRIES + 1):
        try:
            with timed("import"):
                async with runtime.database.transaction() as tx:
                    written = await actions.write_chunk(tx, run, chunk, staged, show=show)
            worked("import", "rejected", written.rejected - run.rejected)
            worked("import", "taken", written.rows_read - run.rows_read - (written.rejected - run.rejected))
            return written
        except (DeadlockDetectedError, SerializationError):
            if attempt == _TRIES:
                raise
            log.warning("import chunk conflicted, retrying", import_id=str(run.id))
    raise AssertionError("the last try returns or raises")


@asynccontextmanager
async def _leased(runtime: Runtime, run: Import) -> AsyncIterator[None]:
    """Keep the lease while the block works, however long a single chunk or the way back to it takes."""
    keeping = asyncio.create_task(_keep(runtime, run))
    try:
        yield
    finally:
        await end(keeping)


async def _keep(runtime: Runtime, run: Import) -> None:
    while True:
        await asyncio.sleep(actions.LEASE.total_seconds() / 3)
        async with runtime.database.transaction() as tx:
            if not await store.extend_lease(tx, run, clock.now() + actions.LEASE):
                return


_RESUMES = """
EXISTS (SELECT FROM imports WHERE status = 'running' AND (lease_until IS NULL OR lease_until < now()))
"""


@every(1, when=_RESUMES)
@task("imports.resume")
async def resume(runtime: Runtime) -> None:
    """Start imports that wait for a worker: new ones, and those whose worker died."""
    async with runtime.database.transaction() as tx:
        waiting = await store.abandoned(tx, clock.now())
    for import_id in waiting:
        await start(run_import, str(import_id), expires=5)


@every(300)
@task("imports.tidy")
async def tidy(runtime: Runtime) -> None:
    """Cancel uploads that nobody imported, and remove files that no import needs any more."""
    await tidy_up(runtime)


async def tidy_up(runtime: Runtime) -> None:
    async with runtime.database.transaction() as tx:
        await actions.expire_uploads(tx)
    for path in await asyncio.to_thread(_files, path_of(runtime.settings.home, "")):
        async with runtime.database.transaction() as tx:
            found = await store.an_import(tx, UUID(path.name))
        if _is_done(found, path):
            path.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*-*-*-*-*") if path.is_file())[:1000]


def _is_done(found: Import | None, path: Path) -> bool:
    if found is None:  # the upload broke off, or is still going on
        return time.time() - path.stat().st_mtime > _ORPHAN_SECONDS
    return found.status != "running" and not found.may_start()
