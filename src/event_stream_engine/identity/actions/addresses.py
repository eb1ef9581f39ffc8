"""A new email address: it counts once its mailbox has answered, and until then the old one stays."""

from dataclasses import replace

from event_stream_engine import audit, clock
from event_stream_engine.database import Transaction
from event_stream_engine.identity.actions import mails
from event_stream_engine.identity.model import Account, EmailChange, EmailTaken, LinkEnded, digest
from event_stream_engine.identity.store import accounts as account_store
from event_stream_engine.identity.store import email_changes as store


async def ask(tx: Transaction, account: Account, address: str) -> None:
    """Mail a link to the new address and a notice to the old one. Another one that waited is dropped."""
    now = clock.now()
    await mails.end_email_change(tx, account.id)
    await store.put(tx, EmailChange(account.id, address, now, now + mails.CONFIRM_LIFETIME))
    await mails.ask_to_confirm(tx, account.id, address)
    await mails.notify(tx, account.email, "email_change_asked")
    await audit.record(tx, account.id, "account.ask_email_change", account.id)


async def confirmed(tx: Transaction, token: str) -> tuple[Account, Account]:
    """Whose link it is, locked: the account as it was, and with the new address. Raises `LinkEnded` or `EmailTaken`."""
    change = await store.by_token(tx, digest(token), clock.now())
    account = await account_store.account_locked(tx, change.account_id) if change else None
    if change is None or account is None or account.disabled_at is not None:
        raise LinkEnded("This link was used or has expired, or another address was asked for since. Ask for a new one.")
    if await account_store.account_by_email(tx, change.email):
        raise EmailTaken("Another account has taken this email address since. Ask for another one.")
    return account, replace(account, email=change.email)


async def cancel(tx: Transaction, account: Account) -> None:
    """The address stays as it is; canceling when none waits changes nothing."""
    if await mails.end_email_change(tx, account.id):
        await audit.record(tx, account.id, "account.cancel_email_change", account.id)
