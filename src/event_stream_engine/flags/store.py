"""All SQL of the flags. Writers are serialised by one lock: the rules judge the whole set, and each audit row carries
the hash of the one before."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine import clock
from event_stream_engine.database import Transaction
from event_stream_engine.flags.model import Flag, Held, Planned, unplanned
from event_stream_engine.flags.tables import feature_flag_versions, feature_flags, flag_audit
from event_stream_engine.telemetry import correlation

_LOCK = 0x666C6167  # "flag"

# One statement, so that the revision belongs to exactly these flags.
_LOAD = """
SELECT coalesce((SELECT max(id) FROM flag_audit), 0) AS revision,
       (SELECT coalesce(jsonb_object_agg(name, jsonb_build_object('version', version, 'flag', definition)), '{}')
        FROM feature_flags)::text AS flags
"""


class Loaded(msgspec.Struct, frozen=True):
    """Every flag, the catalogue's among them; `revision` is the newest audit row's id; `damaged` names flags whose
    definition cannot be read."""

    revision: int
    flags: dict[str, Held]
    damaged: tuple[str, ...] = ()


class Changed(msgspec.Struct, frozen=True):
    """Who changed a flag last, when and why."""

    at: datetime
    by: str
    reason: str


class AuditRow(msgspec.Struct, frozen=True):
    id: int
    at: datetime
    actor: str
    action: str
    reason: str
    request_id: UUID | None
    change_set: UUID
    flag: str
    version_from: int
    version_to: int
    before: str | None
    after: str | None
    previous_hash: str
    hash: str


class Author(msgspec.Struct, frozen=True):
    """Who changes flags, and why: kept with each change of the set."""

    actor: str
    reason: str
    change_set: UUID


async def lock(tx: Transaction) -> None:
    """Be the only writer until the commit."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


async def load(tx: Transaction) -> Loaded:
    """Every flag as it is kept."""
    row = (await tx.execute(text(_LOAD))).one()
    return decoded(row.revision, msgspec.json.decode(row.flags))


def decoded(revision: int, kept: dict[str, Any]) -> Loaded:
    """Flags from their JSON form, over the catalogue."""
    flags, damaged = unplanned(), []
    for name, one in kept.items():
        try:
            flags[name] = msgspec.convert(one, Held)
        except msgspec.ValidationError:
            damaged.append(name)
    return Loaded(revision, flags, tuple(sorted(damaged)))


async def last_changes(tx: Transaction) -> dict[str, Changed]:
    """The last change of each flag that was ever changed and still exists."""
    t = feature_flags.c
    rows = await tx.execute(select(t.name, t.changed_at, t.changed_by, t.reason))
    return {row.name: Changed(row.changed_at, row.changed_by, row.reason) for row in rows}


async def save(tx: Transaction, step: Planned, author: Author) -> AuditRow:
    """Write one step: the flag, its version, and the audit row that belongs to them."""
    version, at = await _next_version(tx, step.name), clock.now()
    definition = None if step.after is None else msgspec.to_builtins(step.after)
    await tx.execute(
        insert(feature_flag_versions).values(name=step.name, version=version, definition=definition, at=at)
    )
    if step.after is None:
        await tx.execute(feature_flags.delete().where(feature_flags.c.name == step.name))
    else:
        row = {
            "version": version, "definition": definition, "changed_at": at,
            "changed_by": author.actor, "reason": author.reason,
        }  # fmt: skip
        statement = upsert(feature_flags).values(name=step.name, **row)
        await tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))
    return await _add_audit(tx, step, author, version, at)


async def _next_version(tx: Transaction, name: str) -> int:
    newest = select(func.max(feature_flag_versions.c.version)).where(feature_flag_versions.c.name == name)
    return ((await tx.execute(newest)).scalar_one() or 0) + 1


async def _add_audit(tx: Transaction, step: Planned, author: Author, version: int, at: datetime) -> AuditRow:
    last = select(flag_audit.c.hash).order_by(flag_audit.c.id.desc()).limit(1)
    row: dict[str, Any] = {
        "at": at,
        "actor": author.actor,
        "action": step.action,
        "reason": author.reason,
        "request_id": correlation.get(),
        "change_set": author.change_set,
        "flag": step.name,
        "version_from": step.before.version if step.before else 0,
        "version_to": version,
        "before": _text(step.before.flag if step.before else None),
        "after": _text(step.after),
        "previous_hash": (await tx.execute(last)).scalar_one_or_none() or "",
    }
    statement = insert(flag_audit).values(**row, hash=_hash(row)).returning(flag_audit.c.id)
    number = (await tx.execute(statement)).scalar_one()
    return AuditRow(id=number, **row, hash=_hash(row))


def _text(flag: Flag | None) -> str | None:
    return None if flag is None else msgspec.json.encode(flag, order="sorted").decode()


def _hash(row: dict[str, Any]) -> str:
    """Over everything but the id and the hash itself; the hash of the row before is part of it."""
    return hashlib.sha256(msgspec.json.encode(row, order="sorted")).hexdigest()


async def version_of(tx: Transaction, name: str, version: int) -> Flag | None:
    """What a flag was at a version; None where it was removed or there is no such version."""
    t = feature_flag_versions.c
    kept = (await tx.execute(select(t.definition).where(t.name == name, t.version == version))).scalar_one_or_none()
    return None if kept is None else msgspec.convert(kept, Flag)


async def history(
    tx: Transaction,
    name: str,
    before_id: int | None,
    limit: int,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[AuditRow]:
    """A flag's changes, newest first; `since` inclusive, `until` exclusive."""
    wanted = select(flag_audit).where(flag_audit.c.flag == name)
    if since is not None:
        wanted = wanted.where(flag_audit.c.at >= since)
    if until is not None:
        wanted = wanted.where(flag_audit.c.at < until)
    if before_id is not None:
        wanted = wanted.where(flag_audit.c.id < before_id)
    return _rows((await tx.execute(wanted.order_by(flag_audit.c.id.desc()).limit(limit))).mappings().all())


async def audit_after(tx: Transaction, last_id: int, limit: int) -> list[AuditRow]:
    """The whole audit in its order, a page at a time."""
    wanted = select(flag_audit).where(flag_audit.c.id > last_id).order_by(flag_audit.c.id).limit(limit)
    return _rows((await tx.execute(wanted)).mappings().all())


def _rows(found: Sequence[Any]) -> list[AuditRow]:
    return [AuditRow(**{**row, "at": row["at"].astimezone(UTC)}) for row in found]


def is_intact(row: AuditRow, previous_hash: str) -> bool:
    """Whether a row says what it said when it was written, and follows the one before."""
    content = {name: getattr(row, name) for name in row.__struct_fields__ if name not in ("id", "hash")}
    return row.previous_hash == previous_hash and row.hash == _hash(content)
