"""Imports: take a file in, start it, write it chunk by chunk, stop it."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.events.messaging import ConsentChanged, ContactsImported
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.messaging.actions.suppressions import suppressed
from event_stream_engine.messaging.files.chunks import staged_rows
from event_stream_engine.messaging.files.records import Shape
from event_stream_engine.messaging.model.contacts import checked_consent
from event_stream_engine.messaging.model.import_rows import Chunk, Merged, stated
from event_stream_engine.messaging.model.imports import (
    DefaultConsent,
    Import,
    ImportNotFound,
    ImportState,
    Options,
    Status,
    checked_options,
    warned,
)
from event_stream_engine.messaging.model.spellings import spellings
from event_stream_engine.messaging.store import import_changes, import_chunks
from event_stream_engine.messaging.store import imports as store
from event_stream_engine.messaging.store.import_chunks import Outcome, Writing
from event_stream_engine.web.auth import Principal

LEASE = timedelta(seconds=30)
ATTEMPTS_MAX = 5
"""An import that was taken up this often without writing a single chunk fails instead of being tried for ever."""

UPLOAD_KEPT = timedelta(days=7)


class RunIsOver(Exception):
    """The import was canceled, started anew, or taken over by another worker."""


async def add_upload(
    tx: Transaction, import_id: UUID, name: str, size_bytes: int, shape: Shape, *, by: Principal
) -> Import:
    """A file that stands on the disk and can be read."""
    new = Import(
        id=import_id, name=name, size_bytes=size_bytes, format=shape.format, encoding=shape.encoding,
        delimiter=shape.delimiter, status="uploaded", options={"damaged": shape.damaged}, dry_run=False,
        rows_read=0, bytes_read=0, created=0, updated=0, unchanged=0, merged=0, rejected=0, consent_kept=0,
        warnings=[], error=None, actor_id=by.account_id, attempts=0, lease_until=None,
        created_at=clock.now(), started_at=None, finished_at=None, version=1,
    )  # fmt: skip
    await store.add(tx, new)
    await _show(tx, new)
    await audit.record(tx, by.account_id, "import.upload", import_id, {"size_bytes": size_bytes})
    return new


def shape_of(found: Import) -> Shape:
    return Shape(
        found.format or "csv", found.encoding or "utf-8", found.delimiter,
        bool(found.options.get("damaged")),
    )  # fmt: skip


def columns_of(found: Import) -> list[str]:
    """The columns of its file in their order; of JSON, the members that were asked for."""
    known: list[str] | None = found.options.get("header") if found.format == "csv" else None
    return known or [column["name"] for column in found.options.get("columns", [])]


async def the_import(tx: Transaction, import_id: UUID) -> Import:
    """Raises `ImportNotFound`."""
    found = await store.an_import(tx, import_id)
    if found is None:
        raise ImportNotFound("This import does not exist.")
    return found


async def start_import(
    tx: Transaction, import_id: UUID, options: Options, columns: list[str], *, dry_run: bool, by: Principal
) -> Import:
    """Let the workers take it up. Raises `ImportNotFound`, `ImportState` or `Invalid`."""
    found = await store.import_for_update(tx, import_id)
    if found is None:
        raise ImportNotFound("This import does not exist.")
    if not found.may_start():
        raise ImportState(f"This import is {found.status}: upload the file again to import it once more.")
    checked = checked_options(options, columns)
    await store.forget_run(tx, import_id)
    started = replace(
        found, status="running", dry_run=dry_run, options={**found.options, **checked.stored(), "header": columns},
        rows_read=0, bytes_read=0, created=0, updated=0, unchanged=0, merged=0, rejected=0, consent_kept=0,
        warnings=[], error=None, actor_id=by.account_id, attempts=0, lease_until=None,
        started_at=clock.now(), finished_at=None, version=found.version + 1,
    )  # fmt: skip
    await store.save(tx, started)
    await _show(tx, started)
    detail = {"dry_run": dry_run, "consent_source": checked.consent_source, "mode": checked.mode}
    await audit.record(tx, by.account_id, "import.start", import_id, detail)
    return started


async def cancel_import(tx: Transaction, import_id: UUID, *, by: Principal) -> Import:
    """What was written stays written, and counted. Raises `ImportNotFound` or `ImportState`."""
    found = await store.import_for_update(tx, import_id)
    if found is None:
        raise ImportNotFound("This import does not exist.")
    if found.status not in ("uploaded", "running") and not found.may_start():
        raise ImportState(f"This import is {found.status} already.")
    canceled = await _end(tx, found, "canceled", None)
    await audit.record(tx, by.account_id, "import.cancel", import_id, {"rows_read": found.rows_read})
    return canceled


async def take_up(tx: Transaction, import_id: UUID) -> Import | None:
    """The import to work on, or None when somebody else does or nothing is left to do."""
    now = clock.now()
    run = await store.take_lease(tx, import_id, now=now, until=now + LEASE)
    if run is not None and run.attempts > ATTEMPTS_MAX:
        await _end(
            tx, run, "failed",
            f"Taken up {ATTEMPTS_MAX} times at row {run.rows_read + 1} without getting further: "
            "the workers' log says why. The rows before are imported.",
        )  # fmt: skip
        return None
    return run


async def write_chunk(tx: Transaction, run: Import, chunk: Chunk, staged: bytes, *, show: bool) -> Import:
    """Write what follows `run.rows_read`, and count it, in one transaction. Raises `RunIsOver`.

    The row of the import is locked first and must stand where this chunk begins: whoever comes second, after a
    crash or a long pause, writes nothing.
    """
    current = await store.import_for_update(tx, run.id)
    if (
        current is None
        or current.status != "running"
        or (current.started_at, current.rows_read) != (run.started_at, run.rows_read)
    ):
        raise RunIsOver
    first_lines: dict[str, int] = {}
    outcome = Outcome(0, 0, 0, 0)
    if chunk.first:
        staged = await _in_known_spellings(tx, run.id, chunk, staged)
        kept = await suppressed(tx, chunk.first)
        stated_otherwise = chunk.keep_consent({phone: checked_consent(said.consent) for phone, said in kept.items()})
        staged = staged_rows(chunk) if kept else staged
        first_lines = await import_chunks.stage(tx, run.id, staged, len(chunk.first))
        outcome = await _apply(tx, run, chunk, len(first_lines))
        outcome = replace(outcome, kept=outcome.kept + len(stated_otherwise - first_lines.keys()))
        if kept and not run.dry_run:
            await import_chunks.keep_sources(tx, f"import:{run.id}", kept)
    if chunk.refused:
        await import_chunks.refuse(tx, run.id, chunk.refused)
    merges = _merges(chunk, first_lines, Options.of(run.options).default_consent)
    if merges:
        await import_chunks.remember_merged(tx, run.id, merges)
    after = _counted(current, chunk, outcome, firsts=len(chunk.first) - len(first_lines), merged=len(merges))
    await store.save(tx, after)
    if show:
        await _show(tx, after)
    return after


async def _in_known_spellings(tx: Transaction, import_id: UUID, chunk: Chunk, staged: bytes) -> bytes:
    """The rows to stage, a line that is known in another spelling written as it is known."""
    others = {other: phone for phone in chunk.first for other in spellings(phone)[1:]}
    known = await import_chunks.known_otherwise(tx, import_id, others) if others else {}
    if not known:
        return staged
    chunk.respell(known)
    return staged_rows(chunk)


async def _apply(tx: Transaction, run: Import, chunk: Chunk, repeated: int) -> Outcome:
    """Step 0 decides what is counted; the rows of step 1 count as merged."""
    options = Options.of(run.options)
    create_only = options.mode == "create_only"
    if run.dry_run:
        outcome = await import_chunks.look(tx, create_only=create_only)
        if outcome.updated:
            await import_changes.note(tx, run.id)
        return outcome
    writing = Writing(run.id, f"import:{run.id}", options.consent_source, run.actor_id, create_only, clock.now())
    created = await import_chunks.create(tx, writing)
    outcome = Outcome(created, 0, 0, 0)
    if created < len(chunk.first) - repeated:
        await import_chunks.lock(tx, 0)
        outcome = replace(await import_chunks.look(tx, create_only=create_only), created=created)
        if outcome.updated:
            await import_changes.note(tx, run.id)
        await _merge(tx, writing, 0)
    if repeated:
        await import_chunks.lock(tx, 1)
        await _merge(tx, writing, 1)
    return outcome


async def _merge(tx: Transaction, writing: Writing, step: int) -> None:
    _, changes = await import_chunks.merge(tx, writing, step)
    await outbox.record_many(
        tx,
        [
            ConsentChanged(
                contact_id=str(change.contact_id), previous=change.previous, consent=change.consent,
                source=writing.source,
            )
            for change in changes
        ],
    )  # fmt: skip


def _merges(chunk: Chunk, first_lines: dict[str, int], default: DefaultConsent) -> list[Merged]:
    """Each row whose number stood earlier, in this chunk or in one before."""
    before = [chunk.first[phone] for phone in first_lines]
    return [
        Merged(
            row.number,
            row.line,
            first_lines.get(row.phone) or chunk.first[row.phone].line,
            row.phone,
            stated(row, default),
        )
        for row in (*before, *chunk.repeats)
    ]


def _counted(current: Import, chunk: Chunk, outcome: Outcome, *, firsts: int, merged: int) -> Import:
    counts = Counter(chunk.counts)
    if merged:
        counts["duplicate_in_file"] = merged
    if outcome.ignored:
        counts["opt_out_not_applied"] += outcome.ignored
    rejected = len(chunk.refused)
    return replace(
        current,
        rows_read=current.rows_read + chunk.rows_read,
        bytes_read=chunk.bytes_read,
        created=current.created + outcome.created,
        updated=current.updated + outcome.updated,
        unchanged=current.unchanged + firsts - outcome.created - outcome.updated,
        merged=current.merged + chunk.rows_read - rejected - firsts,
        rejected=current.rejected + rejected,
        consent_kept=current.consent_kept + outcome.kept,
        warnings=warned(current.warnings, counts, chunk.samples),
        attempts=0,
        lease_until=clock.now() + LEASE,
        version=current.version + 1,
    )


async def finish_import(tx: Transaction, run: Import, error: str | None = None) -> Import:
    """The file was read to its end, or cannot be. Raises `RunIsOver`."""
    current = await store.import_for_update(tx, run.id)
    if current is None or current.status != "running" or current.started_at != run.started_at:
        raise RunIsOver
    return await _end(tx, current, "failed" if error else "completed", error)


async def expire_uploads(tx: Transaction) -> int:
    """Cancel uploads that nobody imported in a week; how many."""
    waiting = await store.idle_since(tx, clock.now() - UPLOAD_KEPT)
    for import_id in waiting:
        found = await store.import_for_update(tx, import_id)
        if found is not None and found.may_start():
            await _end(tx, found, "canceled", "Removed: it was not imported within a week.")
    return len(waiting)


async def _end(tx: Transaction, found: Import, status: Status, error: str | None) -> Import:
    ran = found.status == "running"
    ended = replace(
        found,
        status=status,
        error=error,
        lease_until=None,
        finished_at=clock.now(),
        version=found.version + 1,
    )
    await store.save(tx, ended)
    await store.forget_numbers(tx, ended.id)
    await _show(tx, ended)
    if ran and not ended.dry_run:
        await outbox.record(
            tx,
            ContactsImported(
                import_id=str(ended.id), status=status, rows_read=ended.rows_read, created=ended.created,
                updated=ended.updated, unchanged=ended.unchanged, merged=ended.merged, rejected=ended.rejected,
            ),
        )  # fmt: skip
        await outbox.record(tx, LiveUpdate(topic="contacts", kind="contacts", entity_id=str(ended.id), version=0))
    return ended


_SHOWN = (
    "name", "size_bytes", "format", "status", "dry_run", "rows_read", "created", "updated", "unchanged", "merged",
    "rejected", "consent_kept", "error", "created_at", "started_at", "finished_at", "version",
)  # fmt: skip


def fields_of(found: Import, now: datetime) -> dict[str, Any]:
    """An import as the API and the screens show it."""
    return {
        "id": str(found.id),
        **{name: getattr(found, name) for name in _SHOWN},
        "progress": found.progress,
        "rows_per_second": found.rows_per_second(now),
        "warnings": [
            {"code": w.code, "message": w.message, "count": w.count, "about": w.about} for w in found.warnings
        ],
    }


async def _show(tx: Transaction, found: Import) -> None:
    patch = fields_of(found, clock.now())
    await outbox.record(
        tx,
        LiveUpdate(topic="imports", kind="import", entity_id=str(found.id), version=found.version, patch=patch),
    )
