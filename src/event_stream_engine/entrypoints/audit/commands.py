"""What `ese audit …` does."""

import asyncio

import typer

from event_stream_engine import audit
from event_stream_engine.audit import reports
from event_stream_engine.audit.reports import Search
from event_stream_engine.database import Database, Transaction
from event_stream_engine.entrypoints.audit.entries import AuditEntry, as_csv, entries
from event_stream_engine.entrypoints.typed import a_range, an_account, in_transaction
from event_stream_engine.errors import Invalid
from event_stream_engine.settings import load_settings

SHOWN = 200


def list_entries(
    from_: str | None, to: str | None, actor: str | None, action: str | None, subject: str | None, *, as_json: bool
) -> None:
    """Print the newest 200 that match."""

    async def act(tx: Transaction) -> list[AuditEntry]:
        search = await _search(tx, from_, to, actor, action, subject)
        return await entries(tx, await reports.page(tx, search, None, SHOWN), reveal=True)

    found = in_transaction(act)
    for entry in found:
        typer.echo(entry.model_dump_json() if as_json else _line(entry))
    if not found and not as_json:
        typer.echo("No entry of the audit trail matches.")
    if len(found) == SHOWN and not as_json:
        typer.echo(f"These are the newest {SHOWN}; narrow the range, or take `ese audit export`.")


def export(
    from_: str | None, to: str | None, actor: str | None, action: str | None, subject: str | None, by: str
) -> None:
    """Print all that match as CSV. The export is an entry itself."""
    asyncio.run(_export(from_, to, actor, action, subject, by))


async def _export(
    from_: str | None, to: str | None, actor: str | None, action: str | None, subject: str | None, by: str
) -> None:
    database = Database(load_settings().database_url, pool_size=1, application="ese")
    try:
        async with database.transaction() as tx:
            search = await _search(tx, from_, to, actor, action, subject)
            given = {name: str(value) for name, value in vars(search).items() if value is not None}
            detail = {"filter": given, "rows": await reports.count(tx, search), "by": by}
            await audit.record(tx, None, "audit.export", "all", detail)
        async for piece in as_csv(database, search, reveal=True):
            typer.echo(piece, nl=False)
    finally:
        await database.close()


async def _search(
    tx: Transaction, from_: str | None, to: str | None, actor: str | None, action: str | None, subject: str | None
) -> Search:
    since, until = a_range(from_, to)
    return Search(await an_account(tx, actor) if actor else None, action, subject, since, until)


def _line(entry: AuditEntry) -> str:
    who = entry.actor or str(entry.actor_id or f"the platform ({entry.detail.get('by', 'by itself')})")
    by_key = f" by the key {entry.key or entry.key_id}" if entry.key_id else ""
    named = f" ({entry.subject})" if entry.subject else ""
    return f"{entry.at:%Y-%m-%d %H:%M:%SZ}  {who}{by_key}  {entry.action}  {entry.entity_id}{named}"


def verify(known: str) -> int:
    """Print whether the whole trail holds; the exit status."""
    proof = in_transaction(lambda tx: audit.prove(tx, known=_known(known) if known else None))
    typer.echo(f"{proof.checked} entries follow from one another")
    if proof.broken_at is not None:
        typer.echo(f"entry {proof.broken_at} does NOT follow from the one before: it, or that one, was changed")
    if proof.known_holds is False:
        typer.echo("the entry given with --known is gone, or another")
    if proof.holds and proof.last_id is not None:
        typer.echo(f"the trail holds; keep this elsewhere, for --known: {proof.last_id}:{proof.last_hash}")
    return 0 if proof.holds else 1


def _known(written: str) -> tuple[int, str]:
    entry_id, _, hashed = written.partition(":")
    if not entry_id.isdigit() or len(hashed) != 64:
        raise Invalid("--known is <id>:<hash>, as an earlier run printed it.")
    return int(entry_id), hashed
