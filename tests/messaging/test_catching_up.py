"""A STOP that no webhook brought is listed by Twilio and in force before anything more is sent."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from event_stream_engine import clock, jobs
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.entrypoints import worker
from event_stream_engine.entrypoints.sandbox.inbound import InboundRequest, receive_inbound
from event_stream_engine.entrypoints.sandbox.message import Message
from event_stream_engine.entrypoints.sandbox.serve import SandboxServer
from event_stream_engine.jobs import Runtime
from event_stream_engine.messaging.actions import listing
from event_stream_engine.messaging.inbound_tasks import catch_up, catch_up_since, sending_waits
from event_stream_engine.messaging.store import listings
from tests.messaging.conftest import SENDER, World, later, phone
from tests.sandbox.conftest import StartSandbox, free_port
from tests.sandbox.test_gateway_outcomes import Connect
from tests.web.settings import settings_for

SERVICE = "MG" + "d4" * 16


async def write(sandbox: SandboxServer, number: int, body: str, *, whatsapp: bool = False) -> str:
    """A person writes while nothing answers at the webhook's address; returns the message's SID."""
    prefix = "whatsapp:" if whatsapp else ""
    request = InboundRequest(from_=prefix + phone(number), to=prefix + SENDER, body=body)
    answer = await receive_inbound(sandbox.account, request)
    assert answer["webhook_status"] is None
    return str(answer["sid"])


async def unreachable(start_sandbox: StartSandbox) -> SandboxServer:
    """A sandbox whose inbound webhook goes to a port where nothing listens."""
    return await start_sandbox(webhook_inbound_url=f"http://127.0.0.1:{free_port()}/webhooks/twilio/inbound")


async def test_a_stop_sent_while_the_api_was_down_is_in_force_before_the_next_claim(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await unreachable(start_sandbox)
    gateway = gateway_to(sandbox.url)
    for number in range(4):
        await world.add_contact(number)
    campaign = await world.draft(channel="whatsapp")
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE templates SET content_sid = :sid"), {"sid": "HX" + "1" * 32})
    await world.launch(campaign)
    await write(sandbox, 1, "Stop.", whatsapp=True)
    await write(sandbox, 2, "How are you?", whatsapp=True)

    found = await catch_up(world.database, gateway)
    assert (found.listed, found.applied, found.is_complete) == (2, 2, True)
    assert await world.consent(1) == ("stopped", "inbound:stop")
    assert (await catch_up(world.database, gateway)).applied == 0, "listed again, applied once"

    await world.send_round(campaign, gateway)
    assert (await world.rows(campaign))[phone(1)].reason == "stopped"
    written_to = {m.to for m in sandbox.account.ledger.newest_first(None)}
    assert written_to == {f"whatsapp:{phone(number)}" for number in (0, 2, 3)}


async def test_a_webhook_that_comes_after_the_list_changes_nothing(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await unreachable(start_sandbox)
    await world.launched(1)
    sid = await write(sandbox, 0, "STOP")
    await catch_up(world.database, gateway_to(sandbox.url))
    await world.hear(0, "STOP", sid=sid)
    async with world.database.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM inbound_messages"))).scalar_one() == 1
        assert (await tx.execute(text("SELECT count(*) FROM consent_changes WHERE consent = 'stopped'"))).scalar() == 1


async def test_a_stop_that_is_found_late_yields_to_a_later_start_and_a_start_to_any_later_change(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await unreachable(start_sandbox)
    gateway = gateway_to(sandbox.url)
    await world.launched(3)
    await write(sandbox, 0, "STOP")
    await write(sandbox, 1, "START")
    await write(sandbox, 2, "STOP")
    with later(60):
        await world.hear(0, "START")  # it changes nothing, the person being opted in; but it is later than the STOP
        await world.hear(1, "STOP")
    await catch_up(world.database, gateway)
    assert (await world.consent(0))[0] == "opted_in"
    assert (await world.consent(1))[0] == "stopped"
    assert (await world.consent(2))[0] == "stopped"


async def test_a_messaging_service_is_listed_with_its_whole_account_page_by_page(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    """The STOP is older than a page of other messages, and another page is left for the next round."""
    sandbox = await unreachable(start_sandbox)
    await world.launched(1, address=SERVICE)
    await write(sandbox, 0, "STOP")
    now = clock.now().timestamp()
    for number in range(1001):
        sent = Message(
            sid=f"SM{number:032d}", to=phone(number), from_=SENDER, service=None, body="x", media=(), segments=1,
            status="queued", callback=None, attempt=0, created=now,
        )  # fmt: skip
        sandbox.account.ledger.add(sent)
        sandbox.account.ledger.move(sent, "sent", None, now)
    found = await catch_up(world.database, gateway_to(sandbox.url))
    assert (found.listed, found.applied, found.is_complete) == (1, 1, True)
    assert (await world.consent(0))[0] == "stopped"


async def test_a_moment_given_by_an_operator_is_listed_from_whatever_was_listed_before(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await unreachable(start_sandbox)
    gateway = gateway_to(sandbox.url)
    await world.launched(1)
    await write(sandbox, 0, "STOP")
    with later(3600):
        async with world.database.transaction() as tx:
            (one,) = await listing.due(tx)
            await listings.save(tx, listings.Listing(one.address, one.channel, complete_until=clock.now()))
        assert (await catch_up(world.database, gateway)).applied == 0
        found = await catch_up_since(world.database, gateway, clock.now() - timedelta(hours=2))
    assert found.applied == 1
    assert (await world.consent(0))[0] == "stopped"


async def test_sending_waits_for_the_first_list_after_a_start_and_not_for_ever(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    async def waits(started: timedelta = timedelta(0)) -> bool:
        async with world.database.transaction() as tx:
            return await listing.must_wait(tx, clock.now() + started)

    sandbox = await unreachable(start_sandbox)
    await world.launched(1)
    assert await waits()
    await catch_up(world.database, gateway_to(sandbox.url))
    assert not await waits(-timedelta(minutes=1))
    assert await waits(timedelta(seconds=1)), "a process that started since asks again"

    nowhere = gateway_to(f"http://127.0.0.1:{free_port()}")
    with later(listing.FRESH_SECONDS + 1):
        found = await catch_up(world.database, nowhere)
        assert found.error
        assert await waits()
    with later(listing.FRESH_SECONDS + listing.FAILING_SECONDS_MAX + 2):
        assert not await waits(), "Twilio lists nothing for ten minutes: sending goes on"
    await catch_up(world.database, gateway_to(sandbox.url))
    assert not await waits(-timedelta(minutes=1))


async def test_a_process_that_started_before_the_last_list_sends_its_first_campaign_at_once(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    sandbox = await unreachable(start_sandbox)
    await world.launched(1)
    settings = settings_for(database_url, redis_url, tmp_path)
    jobs.configure(settings)
    runtime = Runtime(settings, world.database, connect(redis_url))
    await worker.tell_beside(runtime)
    try:
        await catch_up(world.database, gateway_to(sandbox.url))
        assert not await sending_waits(runtime)
    finally:
        await worker.tell_no_more(runtime)
        await runtime.redis.aclose()
