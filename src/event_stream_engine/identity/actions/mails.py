"""Mail: written down in the transaction of the change, sent by a task after it."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from event_stream_engine import clock
from event_stream_engine.database import Transaction
from event_stream_engine.identity.letters import NOTICES, Kind, Letter, compose
from event_stream_engine.identity.model import Account, digest
from event_stream_engine.identity.store import accounts as account_store
from event_stream_engine.identity.store import email_changes as change_store
from event_stream_engine.identity.store import mails as store
from event_stream_engine.ids import new_id

RESET_LIFETIME = timedelta(minutes=30)
CONFIRM_LIFETIME = timedelta(hours=24)
NOTICE_LIFETIME = timedelta(hours=24)
ATTEMPTS_MAX = 8
PAUSE_SECONDS = 10  # after the first failed attempt; each further one takes twice as long
BATCH = 20


@dataclass(frozen=True)
class Mail:
    """One to send: its row, and what is in it. None: there is nobody to send it to."""

    id: UUID
    recipient: str
    letter: Letter | None


async def notify(tx: Transaction, recipient: str | None, kind: Kind, detail: dict[str, Any] | None = None) -> None:
    """Tell whose account it is, if they have an address."""
    if recipient:
        await _add(tx, recipient, kind, detail or {}, NOTICE_LIFETIME)


async def ask_for_reset(tx: Transaction, address: str) -> None:
    """Whether there is such an account is found out when the mail is sent: asking takes equally long for all."""
    await _add(tx, address, "password_reset", {}, RESET_LIFETIME)


async def ask_to_confirm(tx: Transaction, account_id: UUID, address: str) -> None:
    """The link's token is made when the mail is sent, as a reset's is: it stands nowhere but in the mail."""
    await _add(tx, address, "email_confirm", {"account": str(account_id)}, CONFIRM_LIFETIME)


async def end_email_change(tx: Transaction, account_id: UUID) -> bool:
    """A new address that waits no longer does, and its link is not sent any more; whether one waited."""
    address = await change_store.end(tx, account_id)
    if address is not None:
        await store.withdraw(tx, address, "email_confirm", clock.now())
    return address is not None


async def end_links(tx: Transaction, account: Account) -> None:
    """Links that are on their way, and those not yet sent: one was used, or the password or the address was changed.
    A new address that somebody else asked for does not outlive the password by which they could."""
    await end_email_change(tx, account.id)
    await account_store.end_password_resets(tx, account.id)
    if account.email:
        await store.withdraw(tx, account.email, "password_reset", clock.now())


async def _add(tx: Transaction, recipient: str, kind: Kind, detail: dict[str, Any], lifetime: timedelta) -> None:
    now = clock.now()
    await store.add(tx, new_id(), recipient, kind, detail, now, now + lifetime)


async def take_due(tx: Transaction, origin: str, limit: int = BATCH) -> list[Mail]:
    """Claim those that are due; each counts as attempted, and is due again after a growing pause."""
    now = clock.now()
    await store.give_up(tx, now, ATTEMPTS_MAX)
    return [await _ready(tx, row, origin, now) for row in await store.claim(tx, now, PAUSE_SECONDS, limit)]


async def _ready(tx: Transaction, row: Any, origin: str, now: datetime) -> Mail:
    if row.kind in NOTICES:
        return Mail(row.id, row.recipient, compose(row.kind, row.detail, origin))
    if row.kind == "email_confirm":
        return Mail(row.id, row.recipient, await _confirmation(tx, row, origin, now))
    account = await account_store.account_by_email(tx, row.recipient)
    if account is None or account.disabled_at is not None:
        await store.settle(tx, row.id, now, "no_account")
        return Mail(row.id, row.recipient, None)
    token = secrets.token_urlsafe(32)
    expires_at = row.created_at + RESET_LIFETIME
    await account_store.add_password_reset(tx, digest(token), account.id, expires_at)
    return Mail(row.id, row.recipient, compose("password_reset", {"token": token}, origin))


async def _confirmation(tx: Transaction, row: Any, origin: str, now: datetime) -> Letter | None:
    """None, and the mail is settled, where nobody waits for this address any more."""
    account_id = UUID(row.detail["account"])
    change = await change_store.waiting(tx, account_id, now)
    if change is None or change.email != row.recipient:
        await store.settle(tx, row.id, now, "no_account")
        return None
    token = secrets.token_urlsafe(32)
    await change_store.set_token(tx, account_id, digest(token))
    return compose("email_confirm", {"token": token}, origin)


async def put_back(tx: Transaction, mail_id: UUID) -> None:
    """It was taken and not tried, or tried only to learn of the server: due as before, and no attempt."""
    await store.put_back(tx, mail_id, clock.now())


async def withdraw_older(tx: Transaction, before: datetime) -> int:
    """The database went back to `before`: what waited then was sent meanwhile, or is too old. How many."""
    return await store.withdraw_older(tx, before, clock.now())


async def settle(tx: Transaction, mail_id: UUID, outcome: str) -> None:
    """It needs no further attempt."""
    await store.settle(tx, mail_id, clock.now(), outcome)
