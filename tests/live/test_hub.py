"""A browser that comes back misses no entity's latest state, or is told to fetch everything again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from redis.asyncio import Redis

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.ids import new_id
from event_stream_engine.live import hub as limits
from event_stream_engine.live import stream
from event_stream_engine.live.hub import Frame, Hub, Mailbox

WAIT_SECONDS = 20


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def hub(redis: "Redis", redis_url: str) -> AsyncIterator[Hub]:
    own = connect(redis_url)
    hub = Hub(own)
    running = asyncio.create_task(hub.run())
    yield hub
    hub.stop()
    running.cancel()
    await asyncio.wait({running})
    await own.aclose()


def update(entity: str, version: int, topic: str = "campaigns") -> LiveUpdate:
    return LiveUpdate(topic=topic, kind="campaign", entity_id=entity, version=version, patch={"version": version})


async def publish(redis: "Redis", *updates: LiveUpdate) -> list[str]:
    """As the relay does it; the entries' ids."""
    pipeline = redis.pipeline(transaction=False)
    for given in updates:
        fields = {
            "id": str(new_id()), "type": "LiveUpdate", "subject": given.key, "time": "2026-01-01T00:00:00Z",
            "data": msgspec.json.encode(given).decode(),
        }  # fmt: skip
        pipeline.xadd(LiveUpdate.stream, fields)
    return list(await pipeline.execute())


@asynccontextmanager
async def client(hub: Hub, *topics: str, after: str | None = None) -> AsyncIterator[AsyncIterator[list[Frame]]]:
    frames = hub.follow(frozenset(topics), after)
    yield frames
    await frames.aclose()  # type: ignore[attr-defined]


async def collect(frames: AsyncIterator[list[Frame]], count: int) -> list[Frame]:
    found: list[Frame] = []
    async with asyncio.timeout(WAIT_SECONDS):
        while len(found) < count:
            found += await anext(frames)
    return found


def seen(frames: list[Frame]) -> list[tuple[str, int]]:
    return [(frame.update.entity_id, frame.update.version) for frame in frames if frame.update]


async def following(hub: Hub, redis: "Redis", frames: AsyncIterator[list[Frame]]) -> "asyncio.Task[list[Frame]]":
    """The client listens and the hub reads: from here on nothing passes unseen."""
    listening = asyncio.create_task(collect(frames, 1))
    async with asyncio.timeout(WAIT_SECONDS):
        while not hub._mailboxes or not hub._position:  # noqa: ASYNC110  # the hub tells nobody
            await asyncio.sleep(0)
    return listening


async def test_a_client_gets_what_its_topics_match_and_nothing_else(hub: Hub, redis: "Redis") -> None:
    async with client(hub, "campaign:one") as frames:
        listening = await following(hub, redis, frames)
        await publish(redis, update("two", 1), update("one", 1))
        assert seen(await listening) == [("one", 1)]


async def test_the_dashboard_is_told_of_every_change_without_its_content(hub: Hub, redis: "Redis") -> None:
    async with client(hub, "dashboard") as frames:
        listening = await following(hub, redis, frames)
        await publish(redis, update("one", 1))
        (frame,) = await listening
        assert frame.update is not None
        assert (frame.update.kind, frame.update.patch) == ("dashboard", {})


async def test_a_cut_connection_is_resumed_where_it_ended(hub: Hub, redis: "Redis") -> None:
    epoch = await hub.epoch()
    first, _, _ = await publish(redis, update("one", 1), update("two", 1), update("one", 2))
    async with client(hub, "campaigns", after=f"{epoch}:{first}") as frames:
        assert seen(await collect(frames, 2)) == [("two", 1), ("one", 2)]


async def test_a_client_that_is_up_to_date_gets_nothing_again(hub: Hub, redis: "Redis") -> None:
    epoch = await hub.epoch()
    *_, last = await publish(redis, update("one", 1), update("one", 2))
    async with client(hub, "campaigns", after=f"{epoch}:{last}") as frames:
        listening = await following(hub, redis, frames)
        await publish(redis, update("two", 1))
        assert seen(await listening) == [("two", 1)]


@pytest.mark.parametrize("position", ["unknown-epoch", "trimmed", "not a position", "flushed"])
async def test_a_position_that_is_no_longer_known_means_fetch_everything(
    hub: Hub, redis: "Redis", position: str
) -> None:
    first, *_ = await publish(redis, update("one", 1), update("two", 1), update("three", 1))
    after = {"unknown-epoch": f"beef:{first}", "not a position": f"{await hub.epoch()}:now"}.get(
        position, f"{await hub.epoch()}:{first}"
    )
    if position == "trimmed":
        await redis.xtrim(LiveUpdate.stream, maxlen=1, approximate=False)
    if position == "flushed":
        await redis.flushdb()
    async with client(hub, "campaigns", after=after) as frames:
        assert await collect(frames, 1) == [Frame("")]


async def test_a_client_that_was_away_too_long_is_told_to_fetch_everything(hub: Hub, redis: "Redis") -> None:
    epoch = await hub.epoch()
    first, *_ = await publish(redis, *(update("one", n) for n in range(limits.REPLAY_MAX + 2)))
    async with client(hub, "campaigns", after=f"{epoch}:{first}") as frames:
        assert await collect(frames, 1) == [Frame("")]


def test_a_slow_client_gets_the_newest_state_of_each_entity() -> None:
    mailbox = Mailbox(frozenset({"campaigns"}))
    for number in range(1, 101):
        mailbox.offer(f"{number}-0", update("one" if number % 2 else "two", number))
    assert [(f.entry_id, f.update and f.update.version) for f in mailbox.take()] == [("99-0", 99), ("100-0", 100)]
    assert mailbox.take() == []


def test_a_mailbox_that_overflows_says_so_once_and_keeps_what_comes_after() -> None:
    mailbox = Mailbox(frozenset({"campaigns"}))
    for number in range(limits.WAITING_MAX + 1):
        mailbox.offer(f"{number}-0", update(f"campaign-{number}", 1))
    mailbox.offer("9999-0", update("later", 1))
    first, *rest = mailbox.take()
    assert first == Frame("")
    assert seen(rest) == [("later", 1)]
    assert mailbox.take() == []


async def test_the_stream_of_a_client_ends_with_its_session(hub: Hub, redis: "Redis") -> None:
    epoch = await hub.epoch()
    first, _ = await publish(redis, update("one", 1), update("one", 2))
    body = [part async for part in stream(hub, frozenset({"campaigns"}), f"{epoch}:{first}", lifetime=0)]
    assert body[0].startswith(b"retry:")
    assert body[1].startswith(f"id: {epoch}:".encode())
    assert b'"version":2' in body[1]


async def test_a_client_that_was_sent_nothing_learns_where_it_stands(hub: Hub, redis: "Redis") -> None:
    epoch = await hub.epoch()
    async with client(hub, "campaigns") as frames:
        listening = await following(hub, redis, frames)
        (position,) = await publish(redis, update("one", 1))
        await listening
    body = [part async for part in stream(hub, frozenset({"imports"}), None, lifetime=0)]
    assert body[1] == f"id: {epoch}:{position}\nevent: heartbeat\ndata: {{}}\n\n".encode()
    await publish(redis, update("one", 2))
    async with client(hub, "campaigns", after=f"{epoch}:{position}") as frames:
        assert seen(await collect(frames, 1)) == [("one", 2)]
