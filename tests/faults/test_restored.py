"""A database that went back in time while messages left: nobody gets one twice, and every STOP of the gap is in force
before the first message. What went back in time is a copy of the database in the same cluster; `make restore-drill`
does the same with a physical backup."""

import asyncio
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text

from event_stream_engine import clock, jobs
from event_stream_engine.backbone import life
from event_stream_engine.backbone.effects import FOLDER, Effects, WitnessUnavailable
from event_stream_engine.backbone.life import EffectsHeld, Mark
from event_stream_engine.backbone.relay import Relay, generation
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.backbone.verify import verify
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.restore import releasing
from event_stream_engine.entrypoints.sandbox.inbound import InboundRequest, receive_inbound
from event_stream_engine.entrypoints.sandbox.serve import SandboxServer
from event_stream_engine.identity.actions import mails
from event_stream_engine.identity.tasks import send_due
from event_stream_engine.jobs import Runtime
from event_stream_engine.messaging.actions import sending
from event_stream_engine.messaging.actions.sending import SendPlan
from event_stream_engine.messaging.gateway import MessageGateway
from event_stream_engine.messaging.tasks import send_slice
from event_stream_engine.messaging.twilio import gateway_of
from event_stream_engine.resilience import Breaker
from event_stream_engine.settings import Settings
from tests.backbone.conftest import SETTINGS, working
from tests.conftest import execute
from tests.messaging.conftest import SENDER, World, calm, phone, receiver, start_sandbox, world
from tests.messaging.test_provider_outage import inbound_is_known, reached
from tests.sandbox.conftest import StartSandbox, free_port
from tests.waiting import until
from tests.web.settings import settings_for

__all__ = ["calm", "receiver", "start_sandbox", "world"]

PEOPLE, BEFORE, SINCE = 30, 8, 9


@dataclass
class Place:
    """A platform's database, its Redis and its home, and Twilio."""

    world: World
    settings: Settings
    sandbox: SandboxServer
    url: str
    admin_url: str

    @property
    def home(self) -> Path:
        return self.settings.home

    def process(self) -> Runtime:
        """A process that was just started: it remembers nothing."""
        return Runtime(self.settings, self.world.database, connect(self.settings.redis_url))

    def effects(self, *, grace_seconds: float = 0) -> Effects:
        return Effects(self.world.database, connect(self.settings.redis_url), self.home / FOLDER, grace_seconds)

    @property
    def gateway(self) -> MessageGateway:
        return gateway_of(self.settings, self.shared)

    def __post_init__(self) -> None:
        self.shared: dict[str, object] = {}

    async def send(self, campaign: UUID, limit: int, effects: Effects | None = None) -> int:
        """One claim of a sender, and what follows; how many left."""
        plan = SendPlan.of(await self.world.campaign(campaign), self.world.origin)
        async with (effects or self.effects()).claiming() as claiming:
            claim = await sending.claim(claiming.tx, plan, limit, self.settings.messaging)
            if claim.outgoing:
                await claiming.mark()
        await self.world.record(await self.world.send(claim, self.gateway))
        return len(claim.outgoing)

    async def back_up(self) -> None:
        await self._exchange(f'CREATE DATABASE "{self.name}_old" TEMPLATE "{self.name}" STRATEGY file_copy')

    async def restore(self) -> None:
        await self._exchange(f'DROP DATABASE "{self.name}" WITH (FORCE)')
        await self._exchange(f'ALTER DATABASE "{self.name}_old" RENAME TO "{self.name}"')

    async def _exchange(self, statement: str) -> None:
        await self.world.database.close()
        await execute(self.admin_url, statement)

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[1]

    async def lose(self, *places: str) -> None:
        """`redis`, `files`"""
        if "redis" in places:
            client = connect(self.settings.redis_url)
            await client.flushdb()
            await client.aclose()
        if "files" in places:
            shutil.rmtree(self.home / FOLDER, ignore_errors=True)

    async def life(self) -> life.Life:
        async with self.world.database.transaction() as tx:
            return await life.read(tx)

    def taken(self) -> Counter[str]:
        return reached(self.sandbox)


@pytest.fixture
async def place(
    world: World, database: Database, servers: object, database_url: str, redis_url: str, tmp_path: Path,
    start_sandbox: StartSandbox,
) -> Place:  # fmt: skip
    port = free_port()
    settings = settings_for(
        database_url, redis_url, tmp_path, ESE_SEND_UNKNOWN_GRACE_SECONDS="1",
        TWILIO_API_BASE_URL=f"http://127.0.0.1:{port}",
    )  # fmt: skip
    jobs.configure(settings)
    sandbox = await start_sandbox(calm(), port=port)
    await inbound_is_known(world)
    return Place(world, settings, sandbox, database_url, servers.database_url)  # type: ignore[attr-defined]


LOST = [(), ("redis",), ("files",), ("redis", "files")]


@pytest.mark.parametrize("lost", LOST, ids=lambda lost: "+".join(lost) or "nothing")
async def test_a_restored_database_sends_nothing_twice_and_heeds_each_stop_of_the_gap(
    place: Place, lost: tuple[str, ...]
) -> None:
    world = place.world
    campaign = await world.launched(PEOPLE)
    assert await place.send(campaign, BEFORE) == BEFORE
    await place.back_up()
    assert await place.send(campaign, SINCE) == SINCE
    await receive_inbound(place.sandbox.account, InboundRequest(from_=phone(PEOPLE - 1), to=SENDER, body="STOP"))
    await place.restore()
    await place.lose(*lost)
    with pytest.raises(EffectsHeld):
        await place.send(campaign, PEOPLE)
    assert sum(place.taken().values()) == BEFORE + SINCE, "nothing left before the release"
    effects = place.effects()
    done = await releasing.release(effects, place.gateway, "the backup is all there is", "ana")
    assert (done.inbound_applied, done.campaigns) == (1, 1)
    async with world.database.transaction() as tx:
        audited = await tx.execute(text("SELECT count(*) FROM audit_entries WHERE action = 'restore.release'"))
        assert audited.scalar_one() == 1
    for _ in range(2):
        assert await place.send(campaign, PEOPLE) <= PEOPLE - BEFORE - SINCE - 1
        await execute(place.url, "UPDATE messages SET due_at = now() WHERE status = 'unknown'")
        while await world.reconcile(place.gateway):
            pass
    await place.send(campaign, PEOPLE)
    assert place.taken() == {phone(number): 1 for number in range(PEOPLE - 1)}


async def test_a_worker_that_goes_on_while_the_database_is_exchanged_is_held(place: Place) -> None:
    """It remembers itself what it sent, also when Redis and the files are gone."""
    campaign = await place.world.launched(PEOPLE)
    worker = place.effects()
    await place.send(campaign, BEFORE, worker)
    await place.back_up()
    await place.send(campaign, SINCE, worker)
    await place.restore()
    await place.lose("redis", "files")
    with pytest.raises(EffectsHeld):
        await place.send(campaign, PEOPLE, worker)
    assert sum(place.taken().values()) == BEFORE + SINCE


@pytest.mark.parametrize("lost", [("redis",), ("files",)], ids=lambda lost: lost[0])
async def test_one_witness_alone_is_enough(place: Place, lost: tuple[str, ...]) -> None:
    campaign = await place.world.launched(PEOPLE)
    for _ in range(2):
        assert await place.send(campaign, BEFORE) == BEFORE
        await place.lose(*lost)
    other = "files" if lost == ("redis",) else "redis"
    await place.effects().look()
    await place.lose(other)
    assert await place.send(campaign, BEFORE) == BEFORE, "the lost one was filled again"


async def test_claims_that_end_at_once_leave_the_newest_witness(place: Place) -> None:
    effects = place.effects()
    known = await effects.look()
    marks = [msgspec.structs.replace(known, mark=known.mark + number) for number in range(1, 101)]
    await asyncio.gather(*(effects._write(mark) for mark in reversed(marks)))
    (file,) = (place.home / FOLDER / known.lineage).glob("*.json")
    assert msgspec.json.decode(file.read_bytes(), type=Mark) == marks[-1]


async def test_a_lost_witness_is_waited_for_before_the_hold_begins(place: Place) -> None:
    """Another host's process may have it: its file fills Redis again."""
    campaign = await place.world.launched(PEOPLE)
    await place.send(campaign, BEFORE)
    other_host = place.effects()
    await other_host.look()
    await place.lose("redis", "files")
    with pytest.raises(WitnessUnavailable):
        await place.send(campaign, BEFORE, place.effects(grace_seconds=60))
    await other_host.look()
    assert await place.send(campaign, BEFORE, place.effects(grace_seconds=60)) == BEFORE
    assert not (await place.life()).is_held


async def test_a_crash_between_the_claim_and_the_witness_holds_nothing(place: Place) -> None:
    campaign = await place.world.launched(PEOPLE)
    await place.send(campaign, BEFORE)
    async with place.world.database.transaction() as tx:
        await life.claim(tx, await place.effects().look())
    assert await place.send(campaign, BEFORE) == BEFORE


async def test_a_claim_of_another_process_while_one_starts_holds_nothing(place: Place) -> None:
    """The other process claims between the two looks of the one that starts: at the witness and at the database."""
    other = place.effects()
    await other.look()

    class Starting(Effects):
        async def _in_redis(self) -> Mark | None:
            async with other.claiming() as claiming:
                await claiming.mark()
            return await super()._in_redis()

    starting = Starting(place.world.database, connect(place.settings.redis_url), place.home / FOLDER)
    await starting.look()
    assert not (await place.life()).is_held


async def test_a_database_that_never_had_a_witness_gets_its_first(place: Place) -> None:
    """One of a release before this: it has ticks, and neither Redis nor a file knows anything."""
    await execute(place.url, "INSERT INTO outbox_ticks (id, snapshot, generation) VALUES (1000, '1:1:', 1)")
    await execute(place.url, "UPDATE platform_life SET is_new = false")
    campaign = await place.world.launched(PEOPLE)
    assert await place.send(campaign, BEFORE) == BEFORE


async def test_while_twilio_does_not_list_what_was_received_the_hold_stays(place: Place) -> None:
    campaign = await place.world.launched(PEOPLE)
    await place.send(campaign, BEFORE)
    await place.back_up()
    await place.send(campaign, SINCE)
    await place.restore()
    with pytest.raises(EffectsHeld):
        await place.send(campaign, PEOPLE)
    nobody = f"http://127.0.0.1:{free_port()}"
    alone = settings_for(place.url, place.settings.redis_url, place.home, TWILIO_API_BASE_URL=nobody)
    with pytest.raises(releasing.StillHeld):
        await releasing.release(place.effects(), gateway_of(alone, {}), "try", "ana")
    assert (await place.life()).is_held


async def test_a_held_sender_ends_its_round(place: Place) -> None:
    campaign = await place.world.launched(PEOPLE)
    runtime = place.process()
    async with place.world.database.transaction() as tx:
        await life.hold(tx, "for this test")
    lock = runtime.redis.lock("ese:sending:test", timeout=10, thread_local=False)
    await lock.acquire()
    with pytest.raises(EffectsHeld):
        await send_slice(runtime, campaign, lock)
    assert not place.taken()
    async with place.world.database.transaction() as tx:
        found = await releasing.gap(tx)
        assert [(one.id, one.open_messages) for one in found.campaigns] == [(campaign, PEOPLE)]
        assert (await tx.execute(text("SELECT known_until <= now() FROM platform_life"))).scalar_one()
    assert found.known_until <= clock.now()


async def test_a_relay_takes_no_tick_of_a_database_behind_the_witness(place: Place) -> None:
    """Nothing was sent, and the streams are lost: the newest tick alone says that something is missing, such as a
    STOP. `ese verify` does not hold, although the log and the streams agree."""
    await place.world.add_contact(1)
    known = await published(place)
    await place.back_up()
    await place.world.add_contact(2)
    newest = await published(place, after=known)
    await place.restore()
    await place.lose("redis")
    known = (await place.life()).tick
    assert known < newest
    streams = RedisStreams(connect(place.settings.redis_url))
    async with working(Relay(place.world.database, streams, SETTINGS, effects=place.effects())):
        await until(lambda: held(place))
    row = await place.life()
    assert (row.tick, row.stops_relay) == (known, True)
    proof = await verify(place.world.database, streams, [])
    assert (proof.holds, proof.held) == (False, row.reason)


async def published(place: Place, *, after: int = 0) -> int:
    """A relay took a tick later than `after` and told the witness; the newest tick."""
    effects = place.effects()
    streams = RedisStreams(connect(place.settings.redis_url))
    async with working(Relay(place.world.database, streams, SETTINGS, effects=effects)):

        async def told() -> bool:
            tick = (await place.life()).tick
            return effects.known is not None and after < tick == effects.known.tick

        await until(told)
    return (await place.life()).tick


async def held(place: Place) -> bool:
    return (await place.life()).is_held


async def test_accepting_the_log_alone_keeps_sending_held(place: Place) -> None:
    campaign = await place.world.launched(PEOPLE)
    await place.send(campaign, BEFORE)
    async with place.world.database.transaction() as tx:
        await life.hold(tx, "for this test")
        await generation.accept(tx, "ana", "the streams are to go on")
    row = await place.life()
    assert (row.is_held, row.stops_relay) == (True, False)
    with pytest.raises(EffectsHeld):
        await place.send(campaign, BEFORE)


async def test_a_mail_waits_while_sending_is_held(place: Place) -> None:
    async with place.world.database.transaction() as tx:
        await mails.notify(tx, "ana@example.org", "password_changed")
        await life.hold(tx, "for this test")
    with pytest.raises(EffectsHeld):
        await send_due(place.effects(), place.settings, Breaker("smtp"))
    async with place.world.database.transaction() as tx:
        assert (await tx.execute(text("SELECT attempts FROM mails"))).scalar_one() == 0
