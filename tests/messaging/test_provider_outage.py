"""Twilio fails in mid-campaign: it is left alone, nothing is lost or sent twice, and the campaign ends when it is back.

The sender is the real one (lanes, pace, breaker), on a real sandbox, whose ledger says who was written to; only the
breaker's clock is turned by hand.
"""

import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from event_stream_engine import clock, jobs
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.entrypoints.sandbox.serve import SandboxServer
from event_stream_engine.jobs import Runtime
from event_stream_engine.messaging.actions import campaigns
from event_stream_engine.messaging.actions.sending import Sent
from event_stream_engine.messaging.gateway import Held
from event_stream_engine.messaging.store import listings
from event_stream_engine.messaging.tasks import send_slice
from event_stream_engine.messaging.twilio import gateway_of
from event_stream_engine.messaging.twilio.guarded import ASKING, SENDING
from event_stream_engine.resilience import Breaker, State, circuits_of
from tests.messaging.conftest import BY, SENDER, World, calm, later, phone
from tests.resilience.test_breaker import Time
from tests.sandbox.conftest import StartSandbox, free_port
from tests.web.settings import settings_for

PEOPLE, AT_ONCE = 120, 12


@dataclasses.dataclass
class Sender:
    """A worker's process: what its tasks use, and the clock of its breakers."""

    runtime: Runtime
    world: World
    time: Time

    @property
    def breaker(self) -> Breaker:
        return circuits_of(self.runtime.shared).breaker(SENDING)

    async def work(self, campaign: UUID) -> bool:
        lock = self.runtime.redis.lock(f"ese:sending:{campaign}", timeout=10, thread_local=False)
        await lock.acquire()
        try:
            return await send_slice(self.runtime, campaign, lock)
        finally:
            await lock.release()

    async def reconcile(self) -> int:
        return await self.world.reconcile(gateway_of(self.runtime.settings, self.runtime.shared))

    async def attempts(self, campaign: UUID) -> int:
        return sum(row.attempt for row in (await self.world.rows(campaign)).values())


@pytest.fixture
def sandbox_port() -> int:
    return free_port()


@pytest.fixture
async def sender(
    world: World, database_url: str, redis_url: str, tmp_path: Path, sandbox_port: int
) -> AsyncIterator[Sender]:
    settings = settings_for(
        database_url, redis_url, tmp_path, ESE_SEND_CONCURRENCY=str(AT_ONCE), ESE_SEND_UNKNOWN_GRACE_SECONDS="2",
        TWILIO_API_BASE_URL=f"http://127.0.0.1:{sandbox_port}", ESE_SEND_CLAIM_SIZE="60",
    )  # fmt: skip
    jobs.configure(settings)
    runtime, time = Runtime(settings, world.database, connect(redis_url)), Time()
    circuits = circuits_of(runtime.shared)
    for name in (SENDING, ASKING):
        circuits.add(Breaker(name, clock=time, uniform=lambda _, high: high))
    await inbound_is_known(world)
    yield Sender(runtime, world, time)
    await runtime.redis.aclose()


async def inbound_is_known(world: World) -> None:
    """Twilio has listed what people wrote: these tests are of the rest."""
    at = clock.now() + timedelta(days=1)
    async with world.database.transaction() as tx:
        for channel in ("sms", "whatsapp"):
            await listings.save(tx, listings.Listing(SENDER, channel, complete_until=at, succeeded_at=at))


def reached(sandbox: SandboxServer) -> Counter[str]:
    """How often the sandbox took a message to each number."""
    return Counter(message.to for message in sandbox.account.ledger.newest_first(None))


async def test_a_storm_of_errors_opens_the_circuit_and_the_campaign_ends_once_each_when_it_is_over(
    sender: Sender, world: World, start_sandbox: StartSandbox, sandbox_port: int
) -> None:
    sandbox = await start_sandbox(calm(), port=sandbox_port)
    campaign = await world.launched(PEOPLE)
    await world.send_round(campaign, gateway_of(sender.runtime.settings, sender.runtime.shared), limit=20)
    sandbox.account.faults = calm(error_before=1)
    before = await sender.attempts(campaign)

    assert await sender.work(campaign) is False
    assert sender.breaker.state == State.OPEN
    tried = await sender.attempts(campaign) - before
    assert 5 <= tried <= 5 + AT_ONCE, "those that were under way when it opened, and no more"
    assert await world.statuses(campaign) == {"accepted": 20, "unknown": tried, "queued": PEOPLE - 20 - tried}

    for _ in range(3):
        await sender.work(campaign)
    assert await sender.attempts(campaign) - before == tried, "while it is open nothing is tried"
    await world.assert_counted(campaign)

    sender.time.now += 30
    await sender.work(campaign)
    assert await sender.attempts(campaign) - before == tried + 1, "one probe"
    assert sender.breaker.state == State.OPEN

    sandbox.account.faults = calm()
    await sender.work(campaign)
    assert await sender.attempts(campaign) - before == tried + 1, "the failed probe doubled the wait"
    sender.time.now += 60
    with later(5):
        while await sender.work(campaign) or await sender.reconcile():
            pass
    assert sender.breaker.state == State.CLOSED
    assert reached(sandbox) == dict.fromkeys(map(phone, range(PEOPLE)), 1)
    assert await world.statuses(campaign) == {"accepted": PEOPLE}
    await world.assert_counted(campaign)


async def test_refused_connections_cost_no_message_and_no_attempt_of_one(
    sender: Sender, world: World, start_sandbox: StartSandbox, sandbox_port: int
) -> None:
    campaign = await world.launched(PEOPLE)
    await sender.work(campaign)
    tried = await sender.attempts(campaign)
    assert 5 <= tried <= 5 + AT_ONCE
    assert await world.statuses(campaign) == {"queued": PEOPLE}
    for probe in range(25):  # more than the attempts after which a message is given up
        sender.time.now += 300
        with later(100 + probe):
            await sender.work(campaign)
    assert await sender.attempts(campaign) == tried, "a probe that did not leave is no attempt"
    assert sender.breaker.failures == 25

    sandbox = await start_sandbox(calm(), port=sandbox_port)
    sender.time.now += 300
    with later(200):
        while await sender.work(campaign):
            pass
    assert reached(sandbox) == dict.fromkeys(map(phone, range(PEOPLE)), 1)
    assert await world.statuses(campaign) == {"accepted": PEOPLE}
    await world.assert_counted(campaign)


async def test_what_may_have_reached_twilio_stays_unknown_until_twilio_is_asked(
    sender: Sender, world: World, start_sandbox: StartSandbox, sandbox_port: int
) -> None:
    sandbox = await start_sandbox(calm(error_after=1), port=sandbox_port)
    campaign = await world.launched(PEOPLE)
    await sender.work(campaign)
    doubtful = (await world.statuses(campaign))["unknown"]
    assert doubtful == sandbox.account.ledger.accepted, "they were accepted although the answer was an error"
    sandbox.account.faults = calm()
    sender.time.now += 30
    with later(5):
        while await sender.reconcile() or await sender.work(campaign):
            pass
    assert reached(sandbox) == dict.fromkeys(map(phone, range(PEOPLE)), 1)
    await world.assert_counted(campaign)


async def test_messages_that_are_refused_for_themselves_open_nothing(
    sender: Sender, world: World, start_sandbox: StartSandbox, sandbox_port: int
) -> None:
    await start_sandbox(calm(throttled=1), port=sandbox_port)
    campaign = await world.launched(40)
    await sender.work(campaign)
    assert sender.breaker.state == State.CLOSED
    assert {row.reason for row in (await world.rows(campaign)).values()} == {"throttled"}


async def test_a_test_message_is_refused_at_once_and_leaves_nothing_behind(sender: Sender, world: World) -> None:
    await world.add_contact(1)
    campaign = await world.draft()
    sender.breaker.force_open()
    gateway: Any = gateway_of(sender.runtime.settings, sender.runtime.shared)
    sent = await world.send_test(campaign, 1, gateway, sender.runtime.settings)
    assert (sent.status, sent.detail) == ("failed", "Nothing was sent.")
    assert (await world.act(lambda tx: tx.execute(text("SELECT count(*) FROM messages")))).scalar_one() == 0


async def test_a_campaign_that_is_canceled_meanwhile_gets_nothing_back_into_its_queue(world: World) -> None:
    campaign = await world.launched(3)
    claim = await world.claim(campaign)
    await world.act(campaigns.cancel_campaign, campaign, by=BY)
    await world.record([Sent(item, Held(30)) for item in claim.outgoing])
    assert await world.statuses(campaign) == {"canceled": 3}
