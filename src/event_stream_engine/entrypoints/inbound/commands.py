"""What `ese inbound …` does."""

import asyncio

import typer

from event_stream_engine import audit
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.bootstrap import use_secret_key
from event_stream_engine.entrypoints.typed import in_transaction, moment
from event_stream_engine.messaging import inbound_tasks
from event_stream_engine.messaging.actions import keywords as actions
from event_stream_engine.messaging.actions import listing
from event_stream_engine.messaging.inbound_tasks import CaughtUp, catch_up_since
from event_stream_engine.messaging.model.replies import read_reply
from event_stream_engine.messaging.store import keywords as keywords_store
from event_stream_engine.messaging.store.listings import Listing
from event_stream_engine.messaging.twilio import gateway_of
from event_stream_engine.settings import Settings, load_settings


def print_status() -> None:
    for one in in_transaction(listing.due):
        typer.echo(_line(one))


def _line(one: Listing) -> str:
    name = f"{one.address} ({one.channel})" if one.address else "every sender of the account"
    if one.succeeded_at is None:
        known = "Twilio has not listed its inbound messages yet"
    else:
        known = f"everything before {one.complete_until:%Y-%m-%d %H:%M:%SZ} is applied"
    if one.failing_since is None:
        return f"{name}: {known}"
    return f"{name}: {known}; failing since {one.failing_since:%Y-%m-%d %H:%M:%SZ}: {one.error}"


def catch_up(since: str | None, by: str) -> int:
    found = asyncio.run(_catch_up(load_settings(), since, by))
    typer.echo(f"Listed: {found.listed}. Applied: {found.applied}.")
    if not found.is_complete:
        typer.echo(f"The list is not complete. {found.error or 'Run the command again.'}", err=True)
    return 0 if found.is_complete else 1


async def _catch_up(settings: Settings, since: str | None, by: str) -> CaughtUp:
    start = moment("--since", since) if since else None
    use_secret_key(settings)
    gateway = gateway_of(settings, {})
    database = Database(settings.database_url, pool_size=1, application="ese-cli")
    try:
        found = await (catch_up_since(database, gateway, start) if start else inbound_tasks.catch_up(database, gateway))
        async with database.transaction() as tx:
            detail = {"since": start and start.isoformat(), "applied": found.applied, "by": by}
            await audit.record(tx, None, "inbound.catch_up", "", detail)
        return found
    finally:
        await database.close()


def print_reading(reply: str) -> None:
    reading = read_reply(reply, in_transaction(keywords_store.stop_words))
    score = "" if reading.score is None else f", score {reading.score:.2f}"
    review = ", for review by a person" if reading.needs_review else ""
    typer.echo(f"{reading.kind} (decided by {reading.basis or 'nothing in particular'}{score}{review})")


def print_keywords() -> None:
    for keyword in in_transaction(actions.list_keywords):
        typer.echo(f"{keyword.language or '-':4}{keyword.origin:10}{keyword.word}")


def change_keyword(word: str, by: str, *, is_opt_out: bool) -> None:
    change = actions.add_keyword if is_opt_out else actions.remove_keyword
    in_transaction(lambda tx: change(tx, word, by=None, who=by))
    typer.echo(f"{word} {'opts a person out' if is_opt_out else 'is off the list'} from the next message on.")
