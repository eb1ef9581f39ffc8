"""`ese sign-in`: a one-time link, for the terminal."""

import asyncio

import typer

from event_stream_engine.database import Database
from event_stream_engine.identity import api as identity
from event_stream_engine.settings import load_settings


async def sign_in_link(database_url: str, origin: str, email: str | None = None) -> str:
    """An address of the UI with a one-time token that signs in the first admin, or the account with this address."""
    database = Database(database_url, pool_size=1, application="ese")
    try:
        return await identity.sign_in_link(database, origin, email)
    finally:
        await database.close()


async def sign_in_line(database_url: str, origin: str) -> str:
    """How to sign in: with the password once one is set, and in any case once with the link."""
    database = Database(database_url, pool_size=1, application="ese")
    try:
        link = await identity.sign_in_link(database, origin)
        if await identity.admin_has_password(database):
            return f"Sign in with your password, or once with this link: {link}"
        return f"Sign in (once, then set a password): {link}"
    finally:
        await database.close()


def main() -> None:
    """Print how to sign in; `ese up` runs this once the API is ready."""
    settings = load_settings()
    typer.echo(asyncio.run(sign_in_line(settings.database_url, settings.http.origin)))


if __name__ == "__main__":
    main()
