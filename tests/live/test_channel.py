"""Whoever follows monitoring events sees them in order, or is told exactly what it did not get."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.events.monitoring import FIRST_TO_GO, Category
from event_stream_engine.live import Hub, redis_channel, stream
from event_stream_engine.live.accounting import Ledger
from event_stream_engine.live.channel import HISTORY_SECONDS, RESUME_MAX, SNAPSHOT_BYTES_MAX, Channel
from event_stream_engine.live.hub import Cursor
from event_stream_engine.live.mailbox import BATCH_BYTES_MAX, MESSAGES_MAX, SLOW_SECONDS, Mailbox
from event_stream_engine.live.messages import Frame, Message
from event_stream_engine.live.queues import WorthQueue
from event_stream_engine.live.websocket import RESTARTING, SLOW, serve

WAIT_SECONDS = 20
ALL = frozenset({"monitoring"})


def message(offset: int, category: Category = Category.SYSTEM, key: str | None = None, size: int = 20) -> Message:
    return Message(offset, category, b'{"n":%d,"fill":"%s"}' % (offset, b"x" * size), key)


def fill(channel: Channel, count: int) -> None:
    for _ in range(count):
        channel.append(message(channel.top + 1))


def offsets(frames: list[Frame]) -> list[int]:
    return [frame.message.offset for frame in frames if frame.message]


def test_a_position_is_resumed_exactly_and_one_that_is_unknown_gets_the_latest_state() -> None:
    channel = Channel("life")
    fill(channel, 50)
    resumed = channel.since("life", 47)
    assert (resumed.is_recovered, [each.offset for each in resumed.messages]) == (True, [48, 49, 50])
    assert channel.since("life", 50).messages == ()
    for epoch, offset in ((None, None), ("other", 47), ("life", 51)):
        assert not channel.since(epoch, offset).is_recovered
    fill(channel, RESUME_MAX)
    behind = channel.since("life", 49)
    assert not behind.is_recovered
    assert behind.messages[-1].offset == channel.top


def test_history_ends_with_its_time() -> None:
    now = 0.0
    channel = Channel("life", clock=lambda: now)
    fill(channel, 3)
    now = HISTORY_SECONDS + 1
    fill(channel, 1)
    assert not channel.since("life", 2).is_recovered
    assert [each.offset for each in channel.since("life", 3).messages] == [4]


def test_the_snapshot_has_the_newest_of_each_key() -> None:
    channel = Channel()
    channel.append(message(1, key="queue"))
    channel.append(message(2, key="queue"))
    fill(channel, 200)
    found = [each.offset for each in channel.snapshot()]
    assert found[0] == 2
    assert found[1:] == list(range(103, 203))


def test_a_full_mailbox_gives_up_the_least_worth_and_says_what_is_missing() -> None:
    mailbox = Mailbox(ALL)
    mailbox.offer_message(message(1, Category.DEBUG))
    for offset in range(2, MESSAGES_MAX + 2):
        mailbox.offer_message(message(offset, Category.SYSTEM))
    frames = mailbox.take()
    assert frames[0].skipped == (1, 1)
    assert offsets(frames) == list(range(2, MESSAGES_MAX + 2))
    assert mailbox.events.dropped["full", Category.DEBUG] == 1
    assert not mailbox.slow.is_set()


def test_what_is_shed_last_is_announced_too() -> None:
    mailbox = Mailbox(ALL)
    for offset in range(1, MESSAGES_MAX + 1):
        mailbox.offer_message(message(offset, Category.SYSTEM))
    mailbox.offer_message(message(MESSAGES_MAX + 1, Category.DEBUG))
    assert mailbox.take()[-1].skipped == (MESSAGES_MAX + 1, MESSAGES_MAX + 1)


def test_the_latest_state_replaces_a_waiting_one_and_the_replaced_one_is_announced() -> None:
    mailbox = Mailbox(ALL)
    for offset, key in ((1, "queue"), (2, None), (3, "queue"), (4, "queue")):
        mailbox.offer_message(message(offset, key=key))
    frames = mailbox.take()
    assert [frame.skipped or frame.message.offset for frame in frames if frame.skipped or frame.message] == [
        (1, 1), 2, (3, 3), 4,
    ]  # fmt: skip
    assert mailbox.events.conflated == 2
    assert mailbox.events.imbalance == 0


def test_a_client_that_would_lose_a_critical_event_is_too_slow() -> None:
    mailbox = Mailbox(ALL)
    for offset in range(1, MESSAGES_MAX + 2):
        assert not mailbox.slow.is_set()
        mailbox.offer_message(message(offset, Category.CRITICAL))
    assert mailbox.slow.is_set()


def test_a_client_that_stays_full_is_too_slow() -> None:
    now = 0.0
    mailbox = Mailbox(ALL, clock=lambda: now)
    for offset in range(1, MESSAGES_MAX + 3):
        mailbox.offer_message(message(offset))
    assert not mailbox.slow.is_set()
    now = SLOW_SECONDS + 0.1
    mailbox.offer_message(message(MESSAGES_MAX + 3))
    assert mailbox.slow.is_set()


def test_a_client_whose_queue_is_full_of_large_events_is_too_slow_as_well() -> None:
    """Large ones never fill it to the last byte: what counts is that something had to go."""
    now = 0.0
    mailbox = Mailbox(ALL, clock=lambda: now)
    for offset in range(1, 101):
        mailbox.offer_message(message(offset, size=16_000))
    assert not mailbox.slow.is_set()
    now = SLOW_SECONDS + 0.1
    mailbox.offer_message(message(101, size=16_000))
    assert mailbox.slow.is_set()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("offer"), st.sampled_from(FIRST_TO_GO), st.sampled_from([None, "a", "b"])),
            st.tuples(st.just("take"), st.integers(0, 5), st.booleans()),
            st.tuples(st.just("drop"), st.just(0), st.just(0)),
        ),
        max_size=120,
    )
)
def test_a_queue_accounts_for_everything_whatever_happens(steps: list[tuple[str, object, object]]) -> None:
    ledger = Ledger("test", lambda: len(queue))
    queue: WorthQueue[Message] = WorthQueue(ledger, 8, 400, conflate=True)
    for number, (step, what, extra) in enumerate(steps):
        if step == "offer":
            queue.offer(message(number, what, extra, size=number % 40))  # type: ignore[arg-type]
        elif step == "take":
            taken = queue.hold(what)  # type: ignore[arg-type]
            queue.offer(message(number))  # while they are held
            assert len(queue) + queue.held <= 8
            if extra:
                queue.put_back(taken)
            else:
                queue.release(taken)
                ledger.delivered += len(taken)
        else:
            queue.drop_all("end")
        assert ledger.imbalance == 0
        assert len(queue) <= 8
        assert queue.bytes == sum(item.size for item in queue._waiting.values() or queue._line or ())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(FIRST_TO_GO), st.sampled_from(["a", "take"])), max_size=200), st.booleans())
def test_a_client_is_told_of_each_offset_once_as_sent_or_as_skipped(steps: list[str], few: bool) -> None:
    """Whether all that waits goes into one batch, or into several."""
    mailbox = Mailbox(ALL, batch_bytes_max=2 * message(1).size if few else BATCH_BYTES_MAX)
    mailbox.messages.items_max = 5
    told: list[int] = []
    offset = 0

    def hear() -> None:
        for frame in mailbox.take():
            told.extend([frame.message.offset] if frame.message else range(frame.skipped[0], frame.skipped[1] + 1))  # type: ignore[index]

    for step in steps:
        if step == "take":
            hear()
            continue
        offset += 1
        category = Category.SYSTEM if step == "a" else Category(step)
        mailbox.offer_message(message(offset, category, "a" if step == "a" else None))
    while mailbox.arrived.is_set():
        hear()
    assert told == list(range(1, offset + 1))
    assert mailbox.events.imbalance == 0


def parsed(body: bytes) -> list[tuple[str, str, dict[str, object]]]:
    found = []
    for part in body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in part.split("\n") if ": " in line and not line.startswith(":"))
        if "event" in lines:
            found.append((lines["event"], lines.get("id", ""), msgspec.json.decode(lines["data"])))
    return found


async def heard(hub: Hub, after: str | None, until: str) -> list[tuple[str, str, dict[str, object]]]:
    """What a client is told over Server-Sent Events until that event."""
    found: list[tuple[str, str, dict[str, object]]] = []
    body = stream(hub, ALL, after, 60)
    async with asyncio.timeout(WAIT_SECONDS):
        async for part in body:
            found += parsed(part)
            if any(name == until for name, _, _ in found):
                break
    await body.aclose()  # type: ignore[attr-defined]
    return found


async def test_a_client_begins_with_a_snapshot_and_resumes_at_its_last_id() -> None:
    hub = Hub(None)
    fill(hub.channel, 3)
    (name, position, said), *_ = await heard(hub, None, "subscribed")
    assert (name, said["recovered"], said["offset"]) == ("subscribed", False, 3)
    assert [each["n"] for each in said["events"]] == [1, 2, 3]  # type: ignore[attr-defined]
    fill(hub.channel, 2)
    (_, _, again), *_ = await heard(hub, position, "subscribed")
    assert again["recovered"] is True
    assert [each["n"] for each in again["events"]] == [4, 5]  # type: ignore[attr-defined]
    assert Cursor.read(position).monitoring() == (hub.channel.epoch, 3)
    assert hub.events.imbalance == 0


@asynccontextmanager
async def behind_by_ten(hub: Hub) -> AsyncIterator[AsyncIterator[list[Frame]]]:
    """A client that missed ten events, of which three and a little fit into a batch."""
    fill(hub.channel, 1)
    with hub.mailbox(ALL) as mailbox:
        mailbox.batch_bytes_max = 3 * message(100).size
        fill(hub.channel, 10)
        frames = hub.frames(mailbox, f"~{hub.channel.epoch}:1")
        yield frames
        await frames.aclose()  # type: ignore[attr-defined]
        assert hub.events.imbalance == 0


async def test_what_was_missed_beyond_one_batch_follows_in_further_ones() -> None:
    async with behind_by_ten(Hub(None)) as frames:
        (subscribed,) = await anext(frames)
        assert subscribed.recovery is not None
        assert subscribed.recovery.is_recovered
        told = [each.offset for each in subscribed.recovery.messages]
        assert subscribed.recovery.offset == told[-1], "who is cut off here comes back for the rest"
        assert len(told) >= 3
        while len(told) < 10:
            told += offsets(await anext(frames))
        assert told == list(range(2, 12))


async def test_a_channel_that_begins_anew_while_a_client_catches_up_says_nothing_more_of_the_old_one() -> None:
    hub = Hub(None)
    async with behind_by_ten(hub) as frames:
        await anext(frames)
        hub.channel.restart("another")
        (subscribed,) = await anext(frames)
        assert subscribed.recovery is not None
        assert (subscribed.recovery.epoch, subscribed.recovery.is_recovered) == ("another", False)


def test_a_snapshot_is_no_larger_than_a_batch() -> None:
    channel = Channel("life")
    for offset in range(1, 101):
        channel.append(message(offset, size=16_000))
    snapshot = channel.snapshot()
    assert sum(each.size for each in snapshot) <= SNAPSHOT_BYTES_MAX
    assert [each.offset for each in snapshot] == list(range(101 - len(snapshot), 101)), "the newest"
    assert len(snapshot) > 5


async def test_a_client_of_one_category_hears_no_other() -> None:
    hub = Hub(None)
    with hub.mailbox(frozenset({"monitoring:critical"})) as mailbox:
        hub.channel.append(message(1, Category.DEBUG))
        hub.channel.append(message(2, Category.CRITICAL))
        assert offsets(mailbox.take()) == [2]


class StuckSocket:
    """Takes the first message and never ends."""

    def __init__(self) -> None:
        self.sending = asyncio.Event()

    async def send_text(self, data: str) -> None:
        self.sending.set()
        await asyncio.Event().wait()


class ListeningSocket:
    def __init__(self) -> None:
        self.said: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    async def send_text(self, data: str) -> None:
        for line in data.split("\n"):
            self.said.put_nowait(msgspec.json.decode(line))


async def test_a_websocket_that_does_not_read_is_closed_and_others_miss_nothing() -> None:
    hub = Hub(None)
    stuck, listening = StuckSocket(), ListeningSocket()
    serving = asyncio.create_task(serve(hub, stuck, ALL, None, 60))
    other = asyncio.create_task(serve(hub, listening, ALL, None, 60))
    got: list[object] = []
    async with asyncio.timeout(WAIT_SECONDS):
        await stuck.sending.wait()
        assert (await listening.said.get())["event"] == "subscribed"
        for _ in range(MESSAGES_MAX + 1):
            hub.channel.append(message(hub.channel.top + 1, Category.CRITICAL))
            if hub.channel.top % 100 == 0:
                while len(got) < hub.channel.top:
                    got.append((await listening.said.get())["data"]["n"])  # type: ignore[index]
        assert await serving == SLOW
        while len(got) < hub.channel.top:
            got.append((await listening.said.get())["data"]["n"])  # type: ignore[index]
        assert got == list(range(1, MESSAGES_MAX + 2))
        hub.stop()
        assert await other == RESTARTING
    last = listening.said.get_nowait()
    assert last["event"] == "reconnect"
    assert 0 <= last["data"]["delay_ms"] <= 3000  # type: ignore[index, operator]
    assert hub.events.dropped["slow", Category.CRITICAL] > 1000
    assert (hub.events.imbalance, hub.clients) == (0, 0)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    client = connect(redis_url)
    yield client
    await client.aclose()


async def reached(channel: Channel, top: int) -> None:
    """Once the channel has that offset."""
    there = asyncio.Event()
    channel.listeners.append(lambda _: there.set() if channel.top >= top else None)
    channel.restarted.append(lambda: there.set() if channel.top >= top else None)
    async with asyncio.timeout(WAIT_SECONDS):
        if channel.top < top:
            await there.wait()


async def test_offsets_of_many_publishers_are_contiguous_in_every_process(redis: "Redis", redis_url: str) -> None:
    readers = [connect(redis_url) for _ in range(2)]
    channels, stop = [Channel(), Channel()], asyncio.Event()
    following = [asyncio.create_task(redis_channel.follow(r, c, stop)) for r, c in zip(readers, channels, strict=True)]
    seen: list[list[bytes]] = [[], []]
    for channel, into in zip(channels, seen, strict=True):
        channel.listeners.append(lambda each, into=into: into.append(each.json))
    publishers = [connect(redis_url) for _ in range(8)]

    async def publish(number: int) -> None:
        for batch in range(20):
            batch_of = [message(0, size=number) for _ in range(5)]
            await redis_channel.append(publishers[number], f"sender-{number}", batch, batch_of)

    await asyncio.gather(*(publish(number) for number in range(8)))
    for channel in channels:
        await reached(channel, 800)
    assert [channel.top for channel in channels] == [800, 800]
    assert channels[0].epoch == channels[1].epoch
    ids = [entry_id for entry_id, _ in await redis.xrange(redis_channel.STREAM)]
    assert ids == [f"{number}-0" for number in range(1, 801)]
    stop.set()
    await asyncio.gather(*following)
    for client in (*readers, *publishers):
        await client.aclose()


async def test_a_batch_that_is_sent_again_is_there_once(redis: "Redis") -> None:
    await redis_channel.append(redis, "sender", 1, [message(0), message(0)])
    await redis_channel.append(redis, "sender", 1, [message(0), message(0)])
    await redis_channel.append(redis, "sender", 2, [message(0)])
    assert await redis.xlen(redis_channel.STREAM) == 3


async def test_a_channel_that_redis_lost_begins_another_life(redis: "Redis", redis_url: str) -> None:
    reader, channel, stop = connect(redis_url), Channel(), asyncio.Event()
    following = asyncio.create_task(redis_channel.follow(reader, channel, stop))
    await redis_channel.append(redis, "sender", 1, [message(0), message(0)])
    await reached(channel, 2)
    first = channel.epoch
    again = asyncio.Event()
    channel.restarted.append(again.set)
    await redis.flushdb()
    await redis_channel.append(redis, "sender", 2, [message(0)])
    async with asyncio.timeout(WAIT_SECONDS):
        await again.wait()
    assert (channel.top, channel.epoch != first) == (1, True)
    assert not channel.since(first, 2).is_recovered
    stop.set()
    await following
    await reader.aclose()
