"""`ese verify` and `ese backbone …`."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import typer

from event_stream_engine import audit
from event_stream_engine.backbone import reports
from event_stream_engine.backbone.relay import generation, positions
from event_stream_engine.backbone.streams import StreamWriter
from event_stream_engine.backbone.streams.opening import open_transport
from event_stream_engine.backbone.subscriptions import GROUPS
from event_stream_engine.backbone.verify import Finding, GroupProof, Proof, StreamProof
from event_stream_engine.backbone.verify import verify as prove
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.bootstrap import import_reactions
from event_stream_engine.errors import Conflict, NotFound
from event_stream_engine.settings import load_settings

T = TypeVar("T")


def verify(*, as_json: bool) -> int:
    """Print the proof; 0 when it holds."""
    import_reactions()
    proof = run(lambda database, transport: prove(database, transport, GROUPS.values()))
    if as_json:
        typer.echo(
            msgspec.json.encode(
                {"holds": proof.holds, "held": proof.held, "streams": proof.streams, "groups": proof.groups}
            )
        )
    else:
        _print(proof)
    return 0 if proof.holds else 1


def _print(proof: Proof) -> None:
    for stream in proof.streams:
        typer.echo(_stream_line(stream))
        for name, finding in (("missing", stream.missing), ("foreign", stream.foreign), ("changed", stream.changed)):
            _print_finding(name, finding)
    for group in proof.groups:
        typer.echo(_group_line(group))
        _print_finding("missing", group.missing)
    if proof.held:
        typer.echo(f"sending is held: {proof.held}")
    typer.echo("verify: everything holds" if proof.holds else "verify: DOES NOT HOLD, see above")


def _stream_line(proof: StreamProof) -> str:
    if proof.unreadable:
        return f"stream {proof.stream}: cannot be read ({proof.unreadable}), {proof.committed} committed"
    return (
        f"stream {proof.stream}: {proof.committed} committed, {proof.published} published, {proof.trimmed} trimmed, "
        f"{proof.waiting} waiting, {proof.parked} parked, {proof.missing.count} missing, "
        f"{proof.foreign.count} foreign, {proof.changed.count} changed"
    )


def _group_line(proof: GroupProof) -> str:
    return (
        f"group {proof.group} on {proof.stream}: {proof.due} due, {proof.applied} applied, {proof.parked} parked, "
        f"{proof.dead} dead, {proof.waiting} waiting, {proof.missing.count} missing"
        + (f", {proof.before} from before it heard them" if proof.before else "")
    )


def _print_finding(name: str, finding: Finding) -> None:
    for named in finding.named:
        typer.echo(f"  {name} {named}")
    if finding.count > len(finding.named):
        typer.echo(f"  {name}: {finding.count - len(finding.named)} more")


def status() -> None:
    """Print the relay, what holds it or the retention back, and its streams."""
    relay, found, blockers = run(_status)
    works = "works" if relay["works"] else "DOES NOT WORK"
    typer.echo(f"relay {relay['holder'] or '-'} {works}, generation {relay['generation']}, epoch {relay['epoch']}")
    events = relay["events_per_minute"] or 0
    typer.echo(f"  last tick {_ago(relay['last_tick_at'])}, {events} events in the last minute")
    if relay["generation_refused"]:
        typer.echo(f"  refused: {relay['generation_refused']}")
    if relay["memory_used"] is not None:
        limit = f"of {_mib(relay['memory_max'])}" if relay["memory_max"] else "without a limit"
        typer.echo(f"  memory of the streams: {_mib(relay['memory_used'])} {limit}")
    if relay["held_by"]:
        typer.echo(f"  partitions are kept longer for: {relay['held_by']}")
    for one in blockers:
        typer.echo(f"  open for {one['age_seconds']:.0f} s, its events wait: {one['application']} (pid {one['pid']})")
    if not found:
        typer.echo("No stream yet: nothing was published.")
    for stream in found:
        code = f" ({stream.code})" if stream.code else ""
        since = f", the oldest was committed {_ago(stream.oldest_unpublished_at)}" if stream.unpublished_events else ""
        waiting = f"{stream.unpublished_events} wait{since}"
        typer.echo(f"{stream.stream}: {stream.state}{code}, ends at {stream.entry_id}, {waiting}")


def _ago(moment: datetime | None) -> str:
    age = reports.age_seconds(moment)
    return "never" if age is None else f"{age:.0f} s ago"


def _mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"


_Found = tuple[dict[str, Any], list[reports.StreamReport], list[dict[str, Any]]]


async def _status(database: Database, _: StreamWriter) -> _Found:
    async with database.transaction() as tx:
        return await reports.relay(tx), await reports.streams(tx), await reports.blockers(tx)


def rebuild(stream: str | None, by: str) -> None:
    """Raises `NotFound` for a stream that was never published to."""

    async def ask(database: Database, _: StreamWriter) -> int:
        async with database.transaction() as tx:
            asked = await positions.ask_to_rebuild(tx, stream)
            if asked:
                await audit.record(tx, None, "stream.rebuild", stream or "all", {"by": by})
            return asked

    if not run(ask):
        raise NotFound(f"There is no stream {stream}. `ese backbone status` lists them.")
    typer.echo("The relay empties and fills it within seconds; `ese verify` shows when it is whole.")


def accept_generation(by: str, reason: str) -> None:
    """Raises `Conflict` while a relay works."""

    async def accept(database: Database, _: StreamWriter) -> int:
        async with database.transaction() as tx:
            try:
                number = await generation.accept(tx, by, reason)
            except RuntimeError as error:
                raise Conflict(str(error)) from error
            await audit.record(tx, None, "generation.accept", number, {"by": by, "reason": reason})
            return number

    typer.echo(f"Generation {run(accept)} is accepted. Start the relay: it rebuilds every stream from the outbox.")
    typer.echo("If sending is held, it stays held until `ese restore release`.")


def run(work: Callable[[Database, StreamWriter], Awaitable[T]]) -> T:
    """Do something with the database and the transport that the settings name."""
    settings = load_settings()

    async def connected() -> T:
        database = Database(settings.database_url, pool_size=2, application="ese")
        try:
            async with open_transport(settings) as transport:
                return await work(database, transport)
        finally:
            await database.close()

    return asyncio.run(connected())
