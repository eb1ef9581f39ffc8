"""What other parts may ask of identity."""

from collections.abc import Collection
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

from event_stream_engine.database import Database, Transaction
from event_stream_engine.identity.access import store as key_store
from event_stream_engine.identity.actions import accounts as actions
from event_stream_engine.identity.actions import mails
from event_stream_engine.identity.store import accounts as store

LINK_PATH = "/sign-in/link"
_LINK_LIFETIME = timedelta(hours=24)


async def sign_in_link(database: Database, origin: str, email: str | None = None) -> str:
    """A one-time link (24 h) that signs in the account with this address, or the first admin, creating them on an
    empty platform. It needs no second step: whoever runs the server may let people in."""
    async with database.transaction() as tx:
        token = await actions.make_sign_in_link(tx, valid_for=_LINK_LIFETIME, email=email)
    return f"{origin}{LINK_PATH}?{urlencode({'token': token})}"


async def admin_has_password(database: Database) -> bool:
    """Whether the first admin, who a link signs in, can also sign in with an address and a password."""
    async with database.transaction() as tx:
        admin = await store.first_admin(tx)
    return admin is not None and admin.password_hash is not None and admin.email is not None


async def write_mail(tx: Transaction, recipient: str, subject: str, text: str) -> None:
    """Write a mail down in the transaction; it is sent after the commit, for a day."""
    await mails.notify(tx, recipient, "alert", {"subject": subject, "text": text})


async def account_of(tx: Transaction, email: str) -> UUID | None:
    """The account with this address."""
    found = await store.account_by_email(tx, email.strip().lower())
    return found.id if found else None


async def first_admin(tx: Transaction) -> UUID | None:
    """Whom a sign-in link without an address is for."""
    found = await store.first_admin(tx)
    return found.id if found else None


async def key_names(tx: Transaction, key_ids: Collection[UUID]) -> dict[UUID, str]:
    """The name of each API key there is or was."""
    return await key_store.key_names(tx, key_ids)


async def names(tx: Transaction, account_ids: Collection[UUID]) -> dict[UUID, str]:
    """The display name of each account that exists."""
    return await store.display_names(tx, account_ids)
