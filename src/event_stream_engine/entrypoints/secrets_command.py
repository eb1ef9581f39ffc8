"""`ese secrets`: what is stored encrypted, examined and encrypted anew."""

import asyncio

from rich.console import Console

from event_stream_engine.database import Database
from event_stream_engine.encryption import Keyring
from event_stream_engine.identity.actions import two_step
from event_stream_engine.messaging.actions import suppressions
from event_stream_engine.settings import Settings, load_settings


def rotate(by: str) -> None:
    """Encrypt everything with the newest key, in one transaction; say how many there were."""
    settings = load_settings()
    changed, stored = asyncio.run(_rotate(settings, by))
    console = Console()
    console.print(f"Stored secrets: {stored}. Encrypted anew: {changed}.")
    if settings.former_secret_keys:
        console.print("ESE_SECRET_KEY_PREVIOUS is not needed any more: remove it and restart the platform.")


async def _rotate(settings: Settings, by: str) -> tuple[int, int]:
    database = Database(settings.database_url, pool_size=1, application="ese")
    try:
        async with database.transaction() as tx:
            changed, stored = await two_step.rotate(tx, _keyring(settings), by)
            is_stored = await suppressions.readable(tx, _keyring(settings))
            changed += await suppressions.rotate(tx, _keyring(settings), by)
            return changed, stored + is_stored
    finally:
        await database.close()


async def examine(settings: Settings) -> int:
    """How many are stored. Raises `SecretUnreadable` for the first that cannot be read."""
    database = Database(settings.database_url, pool_size=1, application="ese")
    try:
        async with database.transaction() as tx:
            stored = await two_step.readable(tx, _keyring(settings))
            return stored + await suppressions.readable(tx, _keyring(settings))
    finally:
        await database.close()


def _keyring(settings: Settings) -> Keyring:
    return Keyring.of(settings.secret_key, *settings.former_secret_keys)
