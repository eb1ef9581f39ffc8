"""What Twilio knows of messages that we are not sure about.

Each question has three parts: rows are taken in one transaction, Twilio is asked outside of any, and a second
transaction settles those that nothing has moved meanwhile. While a message may be under way, `sending.claim` gives out
no other to the same person from the same sender.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from event_stream_engine import clock
from event_stream_engine.database import Transaction
from event_stream_engine.messaging.actions.pausing import watch
from event_stream_engine.messaging.actions.sending import RESTORED, save_steps
from event_stream_engine.messaging.gateway import Channel, FoundMessage, GatewayUnavailable, MessageGateway
from event_stream_engine.messaging.model.matching import ListedMessage, Missing, OpenMessage, conclude
from event_stream_engine.messaging.model.messages import FROM_PROVIDER, Message, Step, advance, settle
from event_stream_engine.messaging.store import messages as ledger
from event_stream_engine.messaging.store.messages import OpenRow
from event_stream_engine.settings import MessagingSettings

POLLS_MAX = 5
OUTCOME_UNCLEAR = "outcome_unclear"
UNCLEAR_MAX = timedelta(hours=1)
"""So long a message waits that two open messages could own; then it is given up, and never sent twice."""

_ASKING_LEASE = timedelta(seconds=30)
_SLACK = timedelta(minutes=2)  # our clock against Twilio's


@dataclass(frozen=True, slots=True)
class Listed:
    """An unknown message and what Twilio lists for its person and sender since it was claimed."""

    row: OpenRow
    found: list[FoundMessage]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What Twilio says of some messages; None for one that it does not know. `unanswered` are to be asked about
    again."""

    answers: dict[UUID, FoundMessage | None]
    unanswered: list[UUID]


async def recover_abandoned(tx: Transaction, settings: MessagingSettings, limit: int) -> int:
    """Messages whose lease expired: whether they left is not known. How many."""
    now = clock.now()
    due = now + timedelta(seconds=settings.unknown_grace_seconds)
    abandoned = await ledger.lock_abandoned(tx, now, limit)
    steps = [settle(m, "unknown", now, reason="sender_crashed", due_at=due) for m in abandoned]
    await save_steps(tx, steps, now)
    return len(steps)


async def take_doubtful(tx: Transaction, limit: int) -> list[OpenRow]:
    """Unknown messages to ask about now; a crash gives them back after a while."""
    now = clock.now()
    return await ledger.take_doubtful(tx, now, now + _ASKING_LEASE, limit)


async def look_for(gateway: MessageGateway, rows: Sequence[OpenRow]) -> list[Listed]:
    """Ask Twilio for its list, once for each person and sender.

    Raises `GatewayUnavailable` when it answered none. The rows without an answer are left out: nothing is concluded
    from silence.
    """
    earliest: dict[tuple[str, str], datetime] = {}
    for row in rows:
        if row.sender is not None:
            key = (row.message.phone, row.sender)
            earliest[key] = min(row.claimed_at, earliest.get(key, row.claimed_at))
    answers = await asyncio.gather(*(_list(gateway, *key, since - _SLACK) for key, since in earliest.items()))
    listed = dict(zip(earliest, answers, strict=True))
    failures = [answer for answer in answers if isinstance(answer, GatewayUnavailable)]
    if failures and len(failures) == len(answers):
        raise failures[0]
    found: list[Listed] = []
    for row in rows:
        answer = listed.get((row.message.phone, row.sender or ""), [])
        if not isinstance(answer, GatewayUnavailable):
            found.append(Listed(row, answer))
    return found


async def _list(
    gateway: MessageGateway, phone: str, sender: str, since: datetime
) -> list[FoundMessage] | GatewayUnavailable:
    channel, _, address = sender.partition(":")
    try:
        return await gateway.find(to=phone, sender=address, channel=_channel(channel), sent_after=since)
    except GatewayUnavailable as error:
        return error


async def settle_doubtful(tx: Transaction, asked: Sequence[Listed], settings: MessagingSettings) -> int:
    """Settle what Twilio was asked about; how many moved. A message that moved meanwhile keeps its state."""
    now = clock.now()
    by_sender: dict[str, list[Listed]] = defaultdict(list)
    for item in asked:
        by_sender[item.row.sender or ""].append(item)
    steps: list[Step] = []
    for sender in sorted(by_sender):
        await ledger.lock_sender(tx, sender)
        steps += await _settle_of(tx, sender, by_sender[sender], settings, now)
    await watch(tx, "receipt", steps)
    await save_steps(tx, steps, now)
    return len(steps)


async def _settle_of(
    tx: Transaction, sender: str, asked: Sequence[Listed], settings: MessagingSettings, now: datetime
) -> list[Step]:
    """The moves of one sender's messages. The lists of one person are equal or overlap: the longest has everything."""
    open_rows: dict[str, list[OpenRow]] = defaultdict(list)
    for row in await ledger.lock_open_of(tx, sorted({item.row.message.phone for item in asked})):
        if (row.sender or "") == sender:
            open_rows[row.message.phone].append(row)
    lists: dict[str, list[FoundMessage]] = {}
    for item in asked:
        phone = item.row.message.phone
        lists[phone] = max(lists.get(phone, []), item.found, key=len)
    sids = [found.sid for listed in lists.values() for found in listed]
    owned = await ledger.sid_owners(tx, sids)
    callback_owners = await ledger.receipt_owners(tx, sids)
    attempts = {item.row.message.id: item.row.message.attempt for item in asked}
    steps: list[Step] = []
    for phone, listed in lists.items():
        free = [item for item in listed if item.sid not in owned]
        steps += _conclude(open_rows[phone], free, callback_owners, attempts, settings, now)
    return steps


def _conclude(
    rows: Sequence[OpenRow],
    free: Sequence[FoundMessage],
    callback_owners: Mapping[str, UUID],
    attempts: Mapping[UUID, int],
    settings: MessagingSettings,
    now: datetime,
) -> list[Step]:
    lease = timedelta(seconds=settings.lease_seconds)
    asked = {
        row.message.id: row
        for row in rows
        if row.message.status == "unknown" and attempts.get(row.message.id) == row.message.attempt
    }
    competing = [
        OpenMessage(
            row.message.id,
            row.body,
            row.claimed_at - _SLACK,
            (now if row.message.reason == RESTORED else row.claimed_at + lease) + _SLACK,
            row.message.id in asked,
            row.is_template,
        )
        for row in rows
    ]
    by_sid = {item.sid: item for item in free}
    listed = [ListedMessage(item.sid, item.body, item.date_created) for item in free]
    findings = conclude(competing, listed, callback_owners)
    left = [item for item in listed if item.sid not in findings.values()]
    steps: list[Step] = []
    for message in (message for message in competing if message.id in findings):
        finding = findings[message.id]
        if finding is Missing.NOT_SENT and _may_be_of_restored(asked[message.id], message, left):
            finding = Missing.UNCLEAR
        known = finding if isinstance(finding, Missing) else by_sid[finding]
        step = _step(asked[message.id], known, now)
        if step is not None:
            steps.append(step)
    return steps


def _may_be_of_restored(row: OpenRow, message: OpenMessage, left: Sequence[ListedMessage]) -> bool:
    """Whether a listed message that is not known to be another's may be this one, with the text that it had before the
    database was restored: its person's attributes, or the template, may have changed in between."""
    if row.message.reason != RESTORED:
        return False
    return any(message.earliest <= item.created <= message.latest for item in left)


def _step(row: OpenRow, finding: FoundMessage | Missing, now: datetime) -> Step | None:
    if isinstance(finding, FoundMessage):
        return _found(row.message, finding, now)
    if finding is Missing.UNCLEAR:
        is_over = now - row.claimed_at > UNCLEAR_MAX
        return settle(row.message, "failed", now, reason=OUTCOME_UNCLEAR) if is_over else None
    return settle(row.message, "queued" if row.message.campaign_id else "failed", now, reason="not_sent")


async def take_silent(tx: Transaction, before: datetime, limit: int) -> list[Message]:
    """Messages on their way without news since `before`, to ask about now."""
    return await ledger.take_silent(tx, before, POLLS_MAX, limit, clock.now())


async def fetch_all(gateway: MessageGateway, messages: Sequence[Message]) -> Fetched:
    """Ask Twilio about each, all at once. Raises nothing: what got no answer is `unanswered`."""
    answers = await asyncio.gather(*(_fetched(gateway, message) for message in messages))
    fetched = Fetched({}, [])
    for message, answer in zip(messages, answers, strict=True):
        if isinstance(answer, GatewayUnavailable):
            fetched.unanswered.append(message.id)
        else:
            fetched.answers[message.id] = answer
    return fetched


async def settle_silent(tx: Transaction, fetched: Fetched, settings: MessagingSettings) -> None:
    """Apply what Twilio said; the ones it did not answer for are due again at once."""
    now = clock.now()
    locked = await ledger.lock(tx, list(fetched.answers))
    steps: list[Step] = []
    for message in locked.values():
        answer = fetched.answers[message.id]
        step = _found(message, answer, now) if answer and answer.sid == message.provider_sid else None
        if step is not None:
            steps.append(step)
    await save_steps(tx, steps, now)
    await watch(tx, "receipt", steps)
    await ledger.give_back_silent(tx, fetched.unanswered, silent_before(settings, now) - timedelta(seconds=1))


def silent_before(settings: MessagingSettings, now: datetime) -> datetime:
    """A message without news since then is asked about."""
    return now - timedelta(minutes=settings.stale_minutes)


async def _fetched(gateway: MessageGateway, message: Message) -> FoundMessage | GatewayUnavailable | None:
    try:
        return await gateway.fetch(message.provider_sid or "")
    except GatewayUnavailable as error:
        return error


def _found(message: Message, found: FoundMessage, now: datetime) -> Step | None:
    status = FROM_PROVIDER.get(found.status, "accepted")
    return advance(message, status, now, sid=found.sid, error_code=found.error_code)


def _channel(name: str) -> Channel:
    return "whatsapp" if name == "whatsapp" else "sms"
