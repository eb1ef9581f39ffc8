"""What several groups of commands take and need: who does it, ids, times, one transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from event_stream_engine.errors import Invalid, NotFound

if TYPE_CHECKING:
    from event_stream_engine.database import Transaction

T = TypeVar("T")
_DAY = len("2026-03-01")

By = Annotated[
    str,
    typer.Option(
        envvar=["SUDO_USER", "USER"],
        show_envvar=False,
        help="Who does it, for the audit trail; without it who is logged in (SUDO_USER, USER).",
    ),
]
From = Annotated[str | None, typer.Option("--from", help="From this time on (ISO 8601), or this day (UTC).")]
To = Annotated[str | None, typer.Option("--to", help="Until before this time (ISO 8601), or all of this day (UTC).")]


def an_id(text: str, what: str, listed_by: str) -> UUID:
    """`what` with its article, such as "a replay"; `listed_by`: the command that prints it. Raises `Invalid`."""
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(f"{text} is not the id of {what}. `{listed_by}` prints the ids: copy one whole.") from None


def moment(option: str, text: str, *, also: str = "") -> datetime:
    """A time with its zone; a day is its beginning in UTC. Raises `Invalid`, naming what else (`also`) it may be."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{option}: {text} is not a time. Write 2026-03-01, or 2026-03-01T09:30Z{also}.") from None
    if at.tzinfo is None and not is_day(text):
        raise Invalid(f"{option} needs a time zone, such as {text}Z.")
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def is_day(text: str) -> bool:
    """Whether a time, as it was typed, has no hour."""
    return len(text) <= _DAY


def a_range(from_: str | None, to: str | None) -> tuple[datetime | None, datetime | None]:
    """`--from` and `--to`, the end exclusive: a day given as the end is meant whole. Raises `Invalid`."""
    since = moment("--from", from_) if from_ else None
    until = moment("--to", to) if to else None
    if until is not None and to is not None and is_day(to):
        try:
            until += timedelta(days=1)
        except OverflowError:
            raise Invalid(f"--to: {to} is the last day there is. Leave it out for no end.") from None
    if since and until and until <= since:
        raise Invalid("The range ends before it begins: give a --to that is later than --from.")
    return since, until


async def an_account(tx: "Transaction", text: str) -> UUID:
    """By its id or its email address. Raises `NotFound`."""
    from event_stream_engine.identity import api as identity

    try:
        return UUID(text)
    except ValueError:
        found = await identity.account_of(tx, text)
    if found is None:
        raise NotFound(f"No account has the email address {text}. Name an account by its address or its id.")
    return found


def in_transaction(act: Callable[["Transaction"], Awaitable[T]]) -> T:
    """Call `act` with a transaction on the database that the settings name."""
    return asyncio.run(_connected(act))


async def _connected(act: Callable[["Transaction"], Awaitable[T]]) -> T:
    from event_stream_engine.database import Database
    from event_stream_engine.entrypoints.bootstrap import use_secret_key
    from event_stream_engine.settings import load_settings

    settings = load_settings()
    use_secret_key(settings)
    database = Database(settings.database_url, pool_size=1, application="ese")
    try:
        async with database.transaction() as tx:
            return await act(tx)
    finally:
        await database.close()
