"""What `ese restore …` does."""

import asyncio
from datetime import UTC, datetime

import typer

from event_stream_engine.backbone.effects import FOLDER, Effects
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.backbone.asked import asked
from event_stream_engine.entrypoints.bootstrap import use_secret_key
from event_stream_engine.entrypoints.restore import releasing
from event_stream_engine.entrypoints.restore.routes import ReleaseInput
from event_stream_engine.entrypoints.typed import in_transaction
from event_stream_engine.messaging.twilio import gateway_of
from event_stream_engine.settings import load_settings


def print_status() -> int:
    """1 while sending is held."""
    found = in_transaction(releasing.gap)
    row = found.life
    if not row.is_held:
        typer.echo(f"Sending is not held (generation {row.life}, {row.mark} claims).")
        return 0
    typer.echo(f"Sending is held since {row.since:%Y-%m-%d %H:%M:%SZ}: {row.reason}")
    typer.echo(f"  the database knows what was sent until {found.known_until:%Y-%m-%d %H:%M:%SZ}")
    witness = row.witness or {}
    typer.echo(f"  claims: {row.mark} in the database, {witness.get('mark', 'unknown')} by the witness")
    typer.echo(f"  newest tick: {_at(row.tick)} in the database, {_at(witness.get('tick'))} by the witness")
    for one in found.campaigns:
        unsure = "may have been launched since" if one.status in ("draft", "scheduled") else "may have been sent"
        typer.echo(f"  campaign {one.name} ({one.status}): {one.open_messages} open messages, {unsure}")
    typer.echo("  Campaigns that were made and launched after the backup are gone from this database.")
    return 1


def _at(tick: int | None) -> str:
    return f"{datetime.fromtimestamp(tick / 1000, UTC):%Y-%m-%d %H:%M:%SZ}" if tick else "none"


def release(reason: str, by: str) -> None:
    """Raises `NotHeld`, `StillHeld`."""
    checked = asked(ReleaseInput, {}, reason=reason)
    done = asyncio.run(_release(checked.reason, by))
    typer.echo(f"Messages from people: {done.inbound_listed} listed, {done.inbound_applied} applied.")
    typer.echo(f"Campaigns whose messages are looked for at Twilio before they are sent: {done.campaigns}.")
    typer.echo(f"Mails that waited and were given up: {done.mails}.")
    typer.echo(f"Sending goes on in generation {done.generation}. The relay rebuilds the streams; then `ese verify`.")


async def _release(reason: str, by: str) -> releasing.Released:
    settings = load_settings()
    use_secret_key(settings)
    database = Database(settings.database_url, pool_size=2, application="ese-cli")
    redis = connect(settings.redis_url)
    try:
        effects = Effects(database, redis, settings.home / FOLDER)
        return await releasing.release(effects, gateway_of(settings, {}), reason, by)
    finally:
        await redis.aclose()
        await database.close()
