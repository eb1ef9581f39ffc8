"""A campaign on a real database, sent to a real sandbox, one step at a time."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from event_stream_engine import clock, encryption
from event_stream_engine.database import Database
from event_stream_engine.events import messaging as events
from event_stream_engine.ids import new_id
from event_stream_engine.messaging import asking_tasks, tasks
from event_stream_engine.messaging.actions import (
    campaigns,
    contacts,
    counting,
    inbound,
    receipts,
    reconciling,
    senders,
    sending,
    test_send,
)
from event_stream_engine.messaging.actions import templates as template_actions
from event_stream_engine.messaging.actions.reconciling import Listed
from event_stream_engine.messaging.actions.sending import Claim, SendPlan, Sent
from event_stream_engine.messaging.actions.test_send import TestSent
from event_stream_engine.messaging.gateway import MessageGateway
from event_stream_engine.messaging.model.campaigns import Campaign
from event_stream_engine.messaging.reports import campaigns as reports
from event_stream_engine.messaging.store import counting as counters
from event_stream_engine.messaging.store import senders as senders_store
from event_stream_engine.messaging.twilio.webhooks import parse_inbound, parse_status
from event_stream_engine.settings import MessagingSettings, Settings, load_settings
from event_stream_engine.web.auth import Principal
from tests.sandbox.conftest import Receiver, Webhook, calm, gateway_to, receiver, start_sandbox

encryption.configure("k" * 40)

__all__ = ["calm", "gateway_to", "receiver", "start_sandbox"]

SENDER = "+14155550100"
BY = Principal(UUID(int=7), "admin")
SETTINGS = MessagingSettings(ESE_SEND_LEASE_SECONDS=15, ESE_SEND_UNKNOWN_GRACE_SECONDS=2)
COUNTED = {
    cls.__name__: cls
    for cls in (events.AudienceFrozen, events.MessagesClaimed, events.MessagesCanceled, events.MessageStatusChanged)
}


def phone(number: int) -> str:
    return f"+1415234{number:04d}"


@dataclass
class World:
    """What the processes do, called by hand; `count()` stands for the consumer that counts."""

    database: Database
    origin: str = "http://127.0.0.1:9"
    settings: MessagingSettings = SETTINGS
    contacts: dict[str, UUID] = field(default_factory=dict)
    _counted_to: int = 0

    async def add_contact(self, number: int, *, consent: str = "opted_in", **attributes: str) -> UUID:
        change = contacts.ContactChange(phone=phone(number), consent=consent, attributes=attributes)  # type: ignore[arg-type]
        async with self.database.transaction() as tx:
            contact = await contacts.add_contact(tx, change, by=BY)
        self.contacts[contact.phone] = contact.id
        return contact.id

    async def draft(
        self,
        *,
        body: str = "Hi {name|there}",
        channel: Any = "sms",
        content_sid: str | None = None,
        per_second: int = 100,
        **given: Any,
    ) -> UUID:
        """A campaign to all contacts. Campaigns with one `address` share its sender."""
        async with self.database.transaction() as tx:
            tag = str(new_id())
            change = template_actions.TemplateChange(name=tag, channel=channel, body=body, content_sid=content_sid)
            template = await template_actions.add_template(tx, change, by=BY)
            address = given.pop("address", SENDER)
            sender = senders.SenderChange(name=tag, channel=channel, address=address, messages_per_second=per_second)
            known = [s for s in await senders_store.all_senders(tx) if (s.channel, s.address) == (channel, address)]
            added = known[0] if known else await senders.add_sender(tx, sender, by=BY)
            values = {"name": tag, "template_id": template.id, "sender_id": added.id, "timezone": "UTC", **given}
            campaign = await campaigns.add_campaign(
                tx, campaigns.CampaignChange(given=frozenset(values), **values), by=BY
            )  # fmt: skip
        return campaign.id

    async def launch(self, campaign_id: UUID) -> None:
        async with self.database.transaction() as tx:
            await campaigns.launch_campaign(tx, campaign_id, by=BY)
        async with self.database.transaction() as tx:
            await campaigns.freeze_audience(tx, campaign_id)
        await self.count()

    async def launched(self, size: int, **given: Any) -> UUID:
        for number in range(size):
            await self.add_contact(number, name=f"Ana {number}")
        campaign_id = await self.draft(**given)
        await self.launch(campaign_id)
        return campaign_id

    async def campaign(self, campaign_id: UUID) -> Campaign:
        async with self.database.transaction() as tx:
            return await campaigns.find_campaign(tx, campaign_id)

    async def act(self, action: Any, *arguments: Any, **given: Any) -> Any:
        """One use case in a transaction of its own."""
        async with self.database.transaction() as tx:
            return await action(tx, *arguments, **given)

    async def claim(self, campaign_id: UUID, limit: int = 1000) -> Claim:
        plan = SendPlan.of(await self.campaign(campaign_id), self.origin)
        async with self.database.transaction() as tx:
            return await sending.claim(tx, plan, limit, self.settings)

    async def send(self, claim: Claim, gateway: MessageGateway) -> list[Sent]:
        outcomes = await asyncio.gather(*(gateway.send(item.request) for item in claim.outgoing))
        return [Sent(item, outcome) for item, outcome in zip(claim.outgoing, outcomes, strict=True)]

    async def record(self, sent: Sequence[Sent]) -> None:
        async with self.database.transaction() as tx:
            await sending.record_outcomes(tx, sent, self.settings)

    async def send_round(self, campaign_id: UUID, gateway: MessageGateway, limit: int = 1000) -> int:
        """Claim, send, record; how many left."""
        claim = await self.claim(campaign_id, limit)
        await self.record(await self.send(claim, gateway))
        return len(claim.outgoing)

    async def recover(self) -> int:
        return int(await self.act(reconciling.recover_abandoned, self.settings, 1000))

    async def reconcile(self, gateway: MessageGateway) -> int:
        return await tasks.reconcile(self.database, gateway, self.settings, 1000)

    async def ask(self, gateway: MessageGateway) -> list[Listed]:
        """The first two parts of `reconcile`; `settle` is the third."""
        return await reconciling.look_for(gateway, await self.act(reconciling.take_doubtful, 1000))

    async def settle(self, asked: list[Listed]) -> int:
        return int(await self.act(reconciling.settle_doubtful, asked, self.settings))

    async def ask_about_silent(self, gateway: MessageGateway, before: datetime | None = None) -> tuple[int, int]:
        return await asking_tasks.ask_about_silent(self.database, gateway, self.settings, 1000, before)

    @property
    def application(self) -> Settings:
        return load_settings({"ESE_HOME": "/nonexistent"})

    async def send_test(self, campaign_id: UUID, number: int, gateway: MessageGateway, settings: Settings) -> TestSent:
        claimed = await self.act(test_send.claim_test, campaign_id, phone(number), settings, by=BY)
        outcome = await gateway.send(claimed.request)
        sent: TestSent = await self.act(test_send.settle_test, claimed, outcome)
        return sent

    async def apply_callbacks(self, webhooks: Sequence[Webhook]) -> None:
        """The receipts as they came, in one batch: kept by the webhook, applied by the consumer."""
        told = []
        for webhook in webhooks:
            form = parse_status(webhook.params)
            message_id = webhook.path.partition("?m=")[2] or None
            told.append(
                events.StatusCallbackReceived(
                    sid=form.sid, status=form.status, message_id=message_id, error_code=form.error_code,
                    received_at=clock.now(), form=dict(form.raw),
                )
            )  # fmt: skip
        if told:
            await self.act(receipts.apply_receipts, told)

    async def hear(self, number: int, body: str, *, channel: str = "sms", sid: str | None = None) -> None:
        """A person writes."""
        prefix = "whatsapp:" if channel == "whatsapp" else ""
        form = parse_inbound([
            ("MessageSid", sid or f"SM{new_id().hex}"), ("From", prefix + phone(number)), ("To", prefix + SENDER),
            ("Body", body), ("NumMedia", "0"),
        ])  # fmt: skip
        await self.act(inbound.receive, form)

    async def rows(self, campaign_id: UUID) -> dict[str, Any]:
        """The ledger, by phone number."""
        async with self.database.transaction() as tx:
            query = text("SELECT * FROM messages WHERE campaign_id = :id")
            return {row.phone: row for row in await tx.execute(query, {"id": campaign_id})}

    async def statuses(self, campaign_id: UUID) -> Counter[str]:
        return Counter(row.status for row in (await self.rows(campaign_id)).values())

    async def consent(self, number: int) -> tuple[str, str | None]:
        async with self.database.transaction() as tx:
            query = text("SELECT consent, consent_source FROM contacts WHERE phone = :phone")
            row = (await tx.execute(query, {"phone": phone(number)})).one()
            return row.consent, row.consent_source

    async def count(self, chance: random.Random | None = None) -> None:
        """Apply the facts recorded since the last time, in batches of one or of any size."""
        async with self.database.transaction() as tx:
            query = "SELECT seq, type, data::text AS data FROM outbox WHERE seq > :seq ORDER BY seq"
            rows = (await tx.execute(text(query), {"seq": self._counted_to})).all()
        facts = [msgspec.json.decode(row.data, type=COUNTED[row.type]) for row in rows if row.type in COUNTED]
        self._counted_to = rows[-1].seq if rows else self._counted_to
        while facts:
            size = chance.randint(1, 20) if chance else len(facts)
            await self.act(counting.count, facts[:size])
            facts = facts[size:]

    async def report(self, campaign_id: UUID) -> dict[str, Any]:
        """A campaign's report as its page shows it."""
        campaign = await self.campaign(campaign_id)
        async with self.database.transaction() as tx:
            await reports.at_one_moment(tx)
            return await reports.summary(tx, campaign_id, campaign.status, 100)

    async def assert_counted(self, campaign_id: UUID) -> None:
        """The counters are the ledger's tally, and sum to the audience."""
        await self.count()
        async with self.database.transaction() as tx:
            query = text("SELECT * FROM campaign_counts WHERE campaign_id = :id")
            counts = (await tx.execute(query, {"id": campaign_id})).one()._mapping
            tally = await counters.tally(tx, campaign_id)
            columns = ", ".join(f"count({name}_at)" for name in counters.MILESTONES)
            reached = (
                await tx.execute(text(f"SELECT {columns} FROM messages WHERE campaign_id = :id"), {"id": campaign_id})
            ).one()  # fmt: skip
        shown = {name: counts[name] for name in counters.STATUSES if counts[name]}
        assert shown == tally
        assert sum(tally.values()) == counts["audience"]
        assert tuple(counts[f"reached_{name}"] for name in counters.MILESTONES) == tuple(reached)


def later(seconds: float) -> Any:
    """`with later(30):` the platform's clock stands that many seconds ahead."""
    return clock.frozen(clock.now() + timedelta(seconds=seconds))


@pytest.fixture
async def world(database: Database) -> World:
    return World(database)


@pytest.fixture
async def heard(database: Database, receiver: Receiver) -> World:
    """A world whose callbacks go to `receiver`."""
    return World(database, origin=receiver.url)
