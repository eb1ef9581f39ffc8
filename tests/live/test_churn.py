"""Clients that come and go, or stop reading, are nobody else's trouble, and leave nothing behind."""

import asyncio
import gc
import weakref
from typing import Any

import msgspec

from event_stream_engine.events.monitoring import Category
from event_stream_engine.flags.api import Flags
from event_stream_engine.live import Hub
from event_stream_engine.live.mailbox import MESSAGES_MAX, Mailbox
from event_stream_engine.live.messages import Message
from event_stream_engine.live.websocket import SLOW, serve
from event_stream_engine.monitoring.api import Broadcaster

WAIT_SECONDS = 60
BROADCASTERS = 10
VISITS = 400
AHEAD_MAX = MESSAGES_MAX // 2
"""So far broadcasters go ahead of who reads: a queue that overflows is another test's."""
STAYING = 5
ALL = frozenset({"monitoring"})


class Listener:
    """A client that reads at once, and knows which offsets it was told of, one way or the other."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.subscribed = asyncio.Event()
        self.complete = asyncio.Event()
        self.until = 0

    async def send_text(self, data: str) -> None:
        for line in data.split("\n"):
            self._hear(msgspec.json.decode(line))

    def _hear(self, said: dict[str, Any]) -> None:
        if said["event"] == "subscribed":
            self.subscribed.set()
        if said["event"] == "monitoring":
            self.offsets.append(int(said["id"].rpartition(":")[2]))
        if said["event"] == "skipped":
            self.offsets += range(said["data"]["from"], said["data"]["to"] + 1)
        if self.until and self.offsets and self.offsets[-1] >= self.until:
            self.complete.set()


class Stalled:
    """Takes the first message and never ends."""

    async def send_text(self, data: str) -> None:
        await asyncio.Event().wait()


async def test_clients_that_come_and_go_leave_those_who_stay_complete() -> None:
    hub = Hub(None)
    broadcasters = [Broadcaster(Flags(), hub) for _ in range(BROADCASTERS)]
    staying = [Listener() for _ in range(STAYING)]
    troubles: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    over = asyncio.Event()
    async with asyncio.timeout(WAIT_SECONDS):
        for listener in staying:
            await broadcasters[0].register_client(listener)
        await asyncio.gather(*(listener.subscribed.wait() for listener in staying))
        broadcasting = [asyncio.create_task(broadcast(each, staying, over)) for each in broadcasters]
        await churn(broadcasters[1])
        over.set()
        each = await asyncio.gather(*broadcasting)
        for listener in staying:
            listener.until = hub.channel.top
            if listener.offsets[-1:] != [listener.until]:
                await listener.complete.wait()
    assert min(each) > 0, "all of them had their say"
    assert [listener.offsets for listener in staying] == [list(range(1, sum(each) + 1))] * STAYING
    assert (hub.clients, hub.events.imbalance, troubles) == (STAYING, 0, [])
    for listener in staying:
        await broadcasters[0].unregister_client(listener)
    assert hub.clients == 0


async def broadcast(broadcaster: Broadcaster, staying: list[Listener], over: asyncio.Event) -> int:
    """Until it is over; how many events."""
    number = 0
    while not over.is_set():
        await broadcaster.broadcast_event("churn", {"number": number})
        number += 1
        await asyncio.sleep(0)
        while broadcaster.hub.channel.top - min(len(each.offsets) for each in staying) > AHEAD_MAX:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return number


async def churn(broadcaster: Broadcaster) -> None:
    """Clients join and leave as fast as the loop goes, twenty of them at a time."""
    present: list[Listener] = []
    for _ in range(VISITS):
        present.append(Listener())
        await broadcaster.register_client(present[-1])
        await asyncio.sleep(0)
        if len(present) > 20:
            await broadcaster.unregister_client(present.pop(0))
    for listener in present:
        await broadcaster.unregister_client(listener)


async def test_one_stalled_client_of_fifty_is_cut_off_and_nothing_of_it_stays_in_memory() -> None:
    hub = Hub(None)
    healthy = [Listener() for _ in range(49)]
    serving = [asyncio.create_task(serve(hub, each, ALL, None, 60)) for each in healthy]
    stalled = asyncio.create_task(serve(hub, Stalled(), ALL, None, 60))
    async with asyncio.timeout(WAIT_SECONDS):
        await asyncio.gather(*(each.subscribed.wait() for each in healthy))
        mailboxes = weakref.WeakSet[Mailbox](hub._mailboxes)
        for each in healthy:
            each.until = 2 * MESSAGES_MAX
        while hub.channel.top < 2 * MESSAGES_MAX:
            hub.channel.append(Message(hub.channel.top + 1, Category.CRITICAL, b'{"fill":"%s"}' % (b"x" * 500)))
            await asyncio.sleep(0)
            while furthest_behind(hub) > MESSAGES_MAX // 2:  # noqa: ASYNC110  # mailboxes tell nobody
                await asyncio.sleep(0)
        assert await stalled == SLOW
        await asyncio.gather(*(each.complete.wait() for each in healthy))
    assert [each.offsets for each in healthy] == [list(range(1, 2 * MESSAGES_MAX + 1))] * 49
    assert (hub.clients, hub.events.pending, hub.events.imbalance) == (49, 0, 0)
    assert hub.events.dropped["slow", Category.CRITICAL] >= MESSAGES_MAX
    del stalled
    gc.collect()
    assert len(mailboxes) == 49
    hub.stop()
    await asyncio.gather(*serving)


def furthest_behind(hub: Hub) -> int:
    """The most that waits for one who reads; who does not was never handed anything."""
    readers = [each for each in hub._mailboxes if each.messages.next_ticket != len(each.messages)]
    return max((len(each.messages) for each in readers), default=0)
