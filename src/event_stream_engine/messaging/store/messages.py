"""The ledger: one row per campaign and contact, and every move of a message.

Rows that move are locked first, in the order of their ids, so that a sender and a consumer never wait for each
other in a circle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, case, delete, func, insert, literal, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction, raw
from event_stream_engine.messaging.model.compliance import Recipient
from event_stream_engine.messaging.model.messages import Message
from event_stream_engine.messaging.model.segments import Rule
from event_stream_engine.messaging.store.segments import clause
from event_stream_engine.messaging.tables import contacts, delivery_receipts, messages

_COLUMNS = """
m.id, m.campaign_id, m.contact_id, m.phone, m.status, m.provider_sid, m.reason, m.error_code, m.attempt, m.due_at,
m.accepted_at, m.sent_at, m.delivered_at, m.read_at
"""


_WIDTH = len(Message.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Claimable:
    """A locked ledger row and what the gate must know about its contact, which may be gone."""

    message: Message
    recipient: Recipient | None
    attributes: dict[str, str]
    claimed_at: datetime | None = None

    def may_be_sent(self, since: datetime) -> bool:
        """Whether it may have left between `since` and the restore: no claim or question is known from then on."""
        return self.claimed_at is None or self.claimed_at < since


async def freeze_audience(tx: Transaction, campaign_id: UUID, rule: Rule, decided: Any) -> dict[str, int]:
    """One row for each contact that matches: queued, or refused for the reason that `decided` (the gate as SQL)
    gives. How many of each verdict; running it twice adds nobody twice."""
    judged = select(contacts.c.id, contacts.c.phone, decided.label("verdict")).where(clause(rule)).subquery()
    verdict = judged.c.verdict
    audience = select(
        literal(campaign_id, Uuid),
        judged.c.id,
        judged.c.phone,
        case((verdict == "allowed", "queued"), else_="refused"),
        case((verdict != "allowed", verdict)),
    )
    added = (
        upsert(messages)
        .from_select(["campaign_id", "contact_id", "phone", "status", "reason"], audience)
        .on_conflict_do_nothing(index_elements=["campaign_id", "contact_id"])
        .returning(func.coalesce(messages.c.reason, "allowed").label("verdict"))
        .cte("added")
    )
    rows = await tx.execute(select(added.c.verdict, func.count()).group_by(added.c.verdict))
    return {row[0]: row[1] for row in rows}


async def add_test_message(
    tx: Transaction, message_id: UUID, phone: str, body: str, sender: str, lease_until: datetime, now: datetime
) -> None:
    """A claimed message without a campaign; `sender` is `channel:address`."""
    row = {
        "id": message_id, "phone": phone, "body": body, "test_sender": sender, "status": "sending", "attempt": 1,
        "lease_until": lease_until, "claimed_at": now,
    }  # fmt: skip
    await tx.execute(insert(messages).values(**row))


async def remove_test_message(tx: Transaction, message_id: UUID) -> None:
    """It was not handed over, and nothing remains of it."""
    await tx.execute(delete(messages).where(messages.c.id == message_id, messages.c.campaign_id.is_(None)))


_CLAIM = f"""
SELECT {_COLUMNS}, c.id AS known, c.consent, c.timezone, c.blocked_channels, c.last_inbound_at, c.attributes,
    m.claimed_at
FROM messages m LEFT JOIN contacts c ON c.id = m.contact_id
WHERE m.campaign_id = $1 AND m.status IN ('queued', 'deferred') AND (m.due_at IS NULL OR m.due_at <= $2)
ORDER BY m.due_at NULLS FIRST, m.id
LIMIT $3
FOR UPDATE OF m SKIP LOCKED
"""  # noqa: S608

_RUNNING = "SELECT status = 'running' FROM campaigns WHERE id = $1 FOR KEY SHARE"


async def lock_due(tx: Transaction, campaign_id: UUID, now: datetime, limit: int) -> list[Claimable]:
    """Lock due messages of a running campaign that no other sender holds; empty when it does not run.

    The campaign's row is locked against a pause until the claim is committed: after a pause none follows.
    """
    connection = await raw(tx)
    if not await connection.fetchval(_RUNNING, campaign_id):
        return []
    return [_claimable(row) for row in await connection.fetch(_CLAIM, campaign_id, now, limit)]


def _claimable(row: Any) -> Claimable:
    recipient = None
    if row["known"] is not None:
        recipient = Recipient(
            row["consent"], row["timezone"], tuple(row["blocked_channels"]), row["last_inbound_at"], row["phone"]
        )
    return Claimable(_message(row), recipient, row["attributes"] or {}, row["claimed_at"])


def _message(row: Any) -> Message:
    return Message(*row[:_WIDTH])


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message on its way out, with the text it will carry."""

    id: UUID
    body: str


_SAVE_CLAIMED = """
UPDATE messages m SET status = 'sending', body = v.body, attempt = m.attempt + 1, reason = NULL, due_at = NULL,
    lease_until = $3, claimed_at = $4, updated_at = $4
FROM unnest($1::uuid[], $2::text[]) AS v (id, body) WHERE m.id = v.id
"""


async def save_claimed(tx: Transaction, claimed: Sequence[Claimed], lease_until: datetime, now: datetime) -> None:
    """The claim itself: written before the first request leaves."""
    connection = await raw(tx)
    ids, bodies = [c.id for c in claimed], [c.body for c in claimed]
    await connection.execute(_SAVE_CLAIMED, ids, bodies, lease_until, now)


_SAVE_ASKED = """
UPDATE messages m SET body = v.body, claimed_at = $3
FROM unnest($1::uuid[], $2::text[]) AS v (id, body) WHERE m.id = v.id
"""


async def save_asked(tx: Transaction, asked: Sequence[Claimed], since: datetime) -> None:
    """What Twilio is asked for: the text that was sent if it was sent, at `since` or later."""
    connection = await raw(tx)
    await connection.execute(_SAVE_ASKED, [c.id for c in asked], [c.body for c in asked], since)


_LOCK = f"SELECT {_COLUMNS} FROM messages m WHERE m.id = ANY ($1::uuid[]) ORDER BY m.id FOR UPDATE"  # noqa: S608


async def lock(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Message]:
    """Lock these messages and read them; ids without a row are left out."""
    connection = await raw(tx)
    return {row["id"]: _message(row) for row in await connection.fetch(_LOCK, ids)}


_LOCK_SIDS = f"""
SELECT {_COLUMNS} FROM messages m WHERE m.provider_sid = ANY ($1::text[]) ORDER BY m.id FOR UPDATE
"""  # noqa: S608


async def lock_by_sid(tx: Transaction, sids: Sequence[str]) -> dict[str, Message]:
    """Lock messages by Twilio's id."""
    connection = await raw(tx)
    return {row["provider_sid"]: _message(row) for row in await connection.fetch(_LOCK_SIDS, sids)}


_SAVE = """
UPDATE messages m SET status = v.status, reason = v.reason, error_code = v.error_code,
    provider_sid = v.provider_sid, due_at = v.due_at, lease_until = NULL, accepted_at = v.accepted_at,
    sent_at = v.sent_at, delivered_at = v.delivered_at, read_at = v.read_at, updated_at = $11
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::timestamptz[], $7::timestamptz[],
    $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
    AS v (id, status, reason, error_code, provider_sid, due_at, accepted_at, sent_at, delivered_at, read_at)
WHERE m.id = v.id
"""


async def save(tx: Transaction, moved: Sequence[Message], now: datetime) -> None:
    """Write messages that moved; their rows are locked by this transaction."""
    if not moved:
        return
    connection = await raw(tx)
    await connection.execute(
        _SAVE,
        [m.id for m in moved],
        [m.status for m in moved],
        [m.reason for m in moved],
        [m.error_code for m in moved],
        [m.provider_sid for m in moved],
        [m.due_at for m in moved],
        [m.accepted_at for m in moved],
        [m.sent_at for m in moved],
        [m.delivered_at for m in moved],
        [m.read_at for m in moved],
        now,
    )


_TAKE_ATTEMPT_BACK = "UPDATE messages SET attempt = attempt - 1 WHERE id = ANY ($1::uuid[])"


async def take_attempt_back(tx: Transaction, ids: Sequence[UUID]) -> None:
    """They were claimed and not tried. Only for messages that this transaction moved out of `sending` and whose claim
    it ended: their attempt's number is given again to the next claim, and nobody else's answer may carry it."""
    if ids:
        await (await raw(tx)).execute(_TAKE_ATTEMPT_BACK, ids)


_LOCK_ABANDONED = f"""
SELECT {_COLUMNS} FROM messages m WHERE m.status = 'sending' AND m.lease_until < $1
ORDER BY m.id LIMIT $2 FOR UPDATE SKIP LOCKED
"""  # noqa: S608


async def lock_abandoned(tx: Transaction, now: datetime, limit: int) -> list[Message]:
    """Messages whose sender fell silent between its claim and its record."""
    connection = await raw(tx)
    return [_message(row) for row in await connection.fetch(_LOCK_ABANDONED, now, limit)]


_SENDER = "coalesce(m.test_sender, (k.frozen ->> 'channel') || ':' || (k.frozen ->> 'sender_address'))"

_OPEN_COLUMNS = f"""
{_COLUMNS}, m.body, m.claimed_at, m.updated_at, {_SENDER} AS sender, k.frozen ->> 'content_sid' AS content_sid
"""


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A message that may be under way, and how to recognize it among what Twilio accepted. `sender` is
    `channel:address`; None for a test message of an earlier release."""

    message: Message
    body: str
    sender: str | None
    claimed_at: datetime
    is_template: bool


def _open_row(row: Any) -> OpenRow:
    sender = row["sender"]
    is_test = row["campaign_id"] is None
    is_template = bool(row["content_sid"]) or (is_test and str(sender).startswith("whatsapp:"))
    claimed_at = row["claimed_at"] or row["updated_at"]
    return OpenRow(_message(row), row["body"] or "", sender, claimed_at, is_template)


_LOCK_DOUBTFUL = f"""
WITH due AS (
    SELECT id FROM messages WHERE status = 'unknown' AND due_at <= $1
    ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE messages m SET due_at = $3 FROM due WHERE m.id = due.id RETURNING m.*
)
SELECT {_OPEN_COLUMNS} FROM taken m LEFT JOIN campaigns k ON k.id = m.campaign_id ORDER BY m.claimed_at, m.id
"""  # noqa: S608


async def take_doubtful(tx: Transaction, now: datetime, until: datetime, limit: int) -> list[OpenRow]:
    """Unknown messages whose request can no longer be under way; none is given out a second time before `until`."""
    connection = await raw(tx)
    return [_open_row(row) for row in await connection.fetch(_LOCK_DOUBTFUL, now, limit, until)]


_OPEN_OF = f"""
SELECT {_OPEN_COLUMNS} FROM messages m LEFT JOIN campaigns k ON k.id = m.campaign_id
WHERE m.phone = ANY ($1::text[]) AND m.status IN ('sending', 'unknown') ORDER BY m.id FOR UPDATE OF m
"""  # noqa: S608


async def lock_open_of(tx: Transaction, phones: Sequence[str]) -> list[OpenRow]:
    """Lock every message to these people that may be under way."""
    connection = await raw(tx)
    return [_open_row(row) for row in await connection.fetch(_OPEN_OF, phones)]


_BUSY = f"""
SELECT DISTINCT m.phone FROM messages m LEFT JOIN campaigns k ON k.id = m.campaign_id
WHERE m.phone = ANY ($1::text[]) AND m.status IN ('sending', 'unknown') AND {_SENDER} = $2
"""  # noqa: S608


async def busy_phones(tx: Transaction, phones: Sequence[str], sender: str) -> set[str]:
    """Those people to whom a message from this sender (`channel:address`) may be under way."""
    connection = await raw(tx)
    return {row["phone"] for row in await connection.fetch(_BUSY, phones, sender)}


_POSTPONE = """
UPDATE messages SET due_at = $2, reason = $3, updated_at = $4 WHERE id = ANY ($1::uuid[])
"""


async def postpone(tx: Transaction, ids: Sequence[UUID], until: datetime, reason: str, now: datetime) -> None:
    """Waiting messages that wait on; their rows are locked by this transaction."""
    if ids:
        await (await raw(tx)).execute(_POSTPONE, ids, until, reason, now)


async def lock_sender(tx: Transaction, sender: str) -> None:
    """Until this transaction ends, nobody else claims or settles a message of this sender (`channel:address`)."""
    await (await raw(tx)).execute("SELECT pg_advisory_xact_lock(hashtextextended('sender:' || $1, 0))", sender)


async def receipt_owners(tx: Transaction, sids: Sequence[str]) -> dict[str, UUID]:
    """The message that a callback named as the owner of each of Twilio's ids; ids without such a callback are left
    out."""
    query = """
    SELECT DISTINCT sid, message_id FROM delivery_receipts
    WHERE sid = ANY ($1::text[]) AND message_id IS NOT NULL
    """
    return {row["sid"]: row["message_id"] for row in await (await raw(tx)).fetch(query, list(sids))}


async def sid_owners(tx: Transaction, sids: Sequence[str]) -> dict[str, UUID]:
    """The message that has each of Twilio's ids; ids that no message has are left out."""
    query = "SELECT provider_sid, id FROM messages WHERE provider_sid = ANY ($1::text[])"
    return {row["provider_sid"]: row["id"] for row in await (await raw(tx)).fetch(query, list(sids))}


_TAKE_SILENT = f"""
WITH silent AS (
    SELECT id FROM messages
    WHERE status IN ('accepted', 'sent') AND updated_at < $1 AND polls < $2 AND provider_sid IS NOT NULL
    ORDER BY updated_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE messages m SET polls = m.polls + 1, updated_at = $4 FROM silent WHERE m.id = silent.id RETURNING {_COLUMNS}
"""  # noqa: S608


async def take_silent(tx: Transaction, before: datetime, polls_max: int, limit: int, now: datetime) -> list[Message]:
    """Messages on their way without news since `before` that were not asked about too often. Taking one counts as
    asking: it is not given out again before it has been silent as long once more."""
    connection = await raw(tx)
    return [_message(row) for row in await connection.fetch(_TAKE_SILENT, before, polls_max, limit, now)]


_GIVE_BACK_SILENT = """
UPDATE messages SET polls = greatest(polls - 1, 0), updated_at = $2
WHERE id = ANY ($1::uuid[]) AND status IN ('accepted', 'sent')
"""


async def give_back_silent(tx: Transaction, ids: Sequence[UUID], before: datetime) -> None:
    """They got no answer: the question is not counted, and may be put again at once."""
    if ids:
        await (await raw(tx)).execute(_GIVE_BACK_SILENT, ids, before)


_CANCEL = """
WITH waiting AS (
    SELECT id, status FROM messages
    WHERE campaign_id = :campaign_id AND status IN ('queued', 'deferred') ORDER BY id FOR UPDATE
), canceled AS (
    UPDATE messages m SET status = 'canceled', due_at = NULL, updated_at = :now
    FROM waiting w WHERE m.id = w.id
)
SELECT count(*) FILTER (WHERE status = 'queued'), count(*) FILTER (WHERE status = 'deferred') FROM waiting
"""


async def cancel_waiting(tx: Transaction, campaign_id: UUID, now: datetime) -> tuple[int, int]:
    """Cancel what nobody claimed yet; how many were queued and how many deferred."""
    row = (await tx.execute(text(_CANCEL), {"campaign_id": campaign_id, "now": now})).one()
    return row[0], row[1]


_ADD_RECEIPTS = """
INSERT INTO delivery_receipts (sid, status, message_id, error_code, form, received_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::int[], $5::jsonb[], $6::timestamptz[])
ON CONFLICT (sid, status) DO NOTHING
"""


async def add_receipts(tx: Transaction, receipts: Sequence[tuple[Any, ...]]) -> None:
    """Keep callbacks as they came: (sid, status, message id, error code, form as JSON, received at)."""
    connection = await raw(tx)
    columns: list[list[Any]] = [list(column) for column in zip(*receipts, strict=True)]
    await connection.execute(_ADD_RECEIPTS, *columns)


async def receipts(tx: Transaction, message_id: UUID) -> list[Any]:
    query = (
        select(delivery_receipts.c.status, delivery_receipts.c.error_code, delivery_receipts.c.received_at)
        .where(delivery_receipts.c.message_id == message_id)
        .order_by(delivery_receipts.c.received_at, delivery_receipts.c.id)
        .limit(100)
    )
    return list(await tx.execute(query))


async def message_row(tx: Transaction, message_id: UUID) -> Any:
    """The whole ledger row, or None."""
    return (await tx.execute(select(messages).where(messages.c.id == message_id))).one_or_none()


async def channel_of(tx: Transaction, campaign_id: UUID) -> str:
    """The channel that a launched campaign sends on."""
    query = text("SELECT frozen ->> 'channel' FROM campaigns WHERE id = :id")
    return str((await tx.execute(query, {"id": campaign_id})).scalar_one())
