"""Many browsers in one process of their own: WebSockets over raw sockets, of which as little is decoded as can be.

`python -m benchmarks.stage.swarm PLAN` (JSON) reads commands, a line each: `port N` (where to connect from now on) and
`stop N` (so many events were published). It writes a line of JSON whenever all clients are there, with the moment by
the monotonic clock (`live`), and at the end (`done`).

A client keeps the rules of the UI's (`frontend/src/realtime/stream.ts`): it comes back where it stood after the delay
that `reconnect` names, else after 1.5 s, doubled up to 12 s by each further failure, give or take a quarter.
"""

import asyncio
import base64
import os
import random
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import msgspec
import uvloop

from benchmarks.stage.frames import Frames, number_of, position_of, said_at

BEHIND_BYTES = 4096
"""What the kernel keeps for a client that does not read."""
STALLED_SECONDS = 13.0
"""So long it does not; then it finds what was sent, and how it ended."""


class Plan(msgspec.Struct):
    """`stalled`: so many of them stop reading once they are subscribed, for a while; `at_once`: how many connect
    together at the beginning; `first`: the number of the first event that will be published."""

    token: str
    clients: int
    stalled: int = 0
    at_once: int = 50
    first: int = 0


class Told(msgspec.Struct):
    """What the swarm found. Milliseconds; `missing`, `doubled` and `inverted` over all clients that read."""

    delays: list[float] = []
    missing: int = 0
    doubled: int = 0
    inverted: int = 0
    skipped: int = 0
    unrecovered: int = 0
    reconnected: list[float] = []
    """When a connection was begun again, by the monotonic clock."""
    closed: dict[int, int] = {}
    stalled_codes: list[int] = []
    live: int = 0


@dataclass(eq=False)
class Client(asyncio.Protocol):
    """One browser."""

    swarm: "Swarm"
    is_stalled: bool = False
    position: str = ""
    next_number: int = -1
    seen: int = 0
    is_live: bool = False
    kicks: int = 0
    """How often the swarm had been sent elsewhere when this connection was made."""
    attempt: int = 0
    delay: float | None = None
    code: int = 0
    transport: asyncio.Transport | None = None
    frames: Frames = field(default_factory=Frames)

    async def connect(self) -> None:
        """Once; a refusal counts as a failure, and is repeated as the rules say."""
        loop = asyncio.get_running_loop()
        plain = socket.socket()
        plain.setblocking(False)
        if self.is_stalled:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BEHIND_BYTES)
        self.frames, self.code = Frames(), 0
        try:
            await loop.sock_connect(plain, ("127.0.0.1", self.swarm.port))
            await loop.create_connection(lambda: self, sock=plain)
        except OSError:
            plain.close()
            self.swarm.later(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.kicks = cast("asyncio.Transport", transport), self.swarm.kicks
        after = f"&after={self.position}" if self.position else ""
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET /api/v1/live/ws?topics=monitoring{after} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Authorization: Bearer {self.swarm.plan.token}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        for opcode, content in self.frames.fed(data):
            if opcode == 1:
                self._heard(content)
            elif opcode == 8:
                self.code = int.from_bytes(content[:2], "big")

    def connection_lost(self, _: Exception | None) -> None:
        self.is_live = False
        self.swarm.told.closed[self.code] = self.swarm.told.closed.get(self.code, 0) + 1
        if self.is_stalled:
            self.swarm.told.stalled_codes.append(self.code)
            return
        self.swarm.later(self)

    def wait(self) -> float:
        """Seconds until it may come back."""
        if self.delay is not None:
            given, self.delay = self.delay, None
            return given
        bound = min(15.0, 1.5 * 2 ** min(self.attempt, 3))
        self.attempt += 1
        return float(bound * random.uniform(0.75, 1.25))

    def _reads_again(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def _heard(self, text: bytes) -> None:
        now = time.perf_counter()
        for line in text.split(b"\n"):
            if line.startswith(b'{"event":"monitoring"'):
                self.position = position_of(line)
                self._saw(line, now)
            else:
                self._told(msgspec.json.decode(line))

    def _saw(self, line: bytes, now: float | None) -> None:
        number = number_of(line)
        if number is None:
            return  # an event of the platform's own
        if now is not None and not self.is_stalled:
            self.swarm.told.delays.append((now - said_at(line)) * 1000)
        if self.next_number < 0 or number == self.next_number:
            self.next_number = number + 1
        elif number > self.next_number:
            self.swarm.told.missing += number - self.next_number
            self.next_number = number + 1
        else:
            self.swarm.told.doubled += 1
        self.seen += 1

    def _told(self, said: dict[str, object]) -> None:
        self.position = str(said["id"]) or self.position
        data = said["data"]
        assert isinstance(data, dict)
        if said["event"] == "subscribed":
            self._subscribed(data)
        elif said["event"] == "skipped":
            self.swarm.told.skipped += data["to"] - data["from"] + 1
        elif said["event"] == "reconnect":
            self.delay = data["delay_ms"] / 1000

    def _subscribed(self, data: dict[str, object]) -> None:
        self.is_live, self.attempt = True, 0
        if self.seen and not data["recovered"]:  # who has seen nothing yet has nothing to resume
            self.swarm.told.unrecovered += 1
        if data["recovered"]:
            for event in data["events"]:  # type: ignore[attr-defined]
                self._saw(msgspec.json.encode(event), None)
        elif self.next_number < 0:
            self.next_number = self.swarm.plan.first
        if self.is_stalled and self.transport is not None:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(STALLED_SECONDS, self._reads_again)
        self.swarm.look()


@dataclass
class Swarm:
    """All of them, and what they found."""

    plan: Plan
    port: int = 0
    told: Told = field(default_factory=Told)
    clients: list[Client] = field(default_factory=list)
    is_stopped: bool = False
    was_live: bool = False
    kicks: int = 0
    _timers: set[asyncio.TimerHandle] = field(default_factory=set)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def run(self) -> None:
        lines = await _standard_input()
        self.port = int((await lines.readline()).split()[1])
        self.clients = [Client(self, is_stalled=number < self.plan.stalled) for number in range(self.plan.clients)]
        for start in range(0, len(self.clients), self.plan.at_once):
            part = self.clients[start : start + self.plan.at_once]
            await asyncio.gather(*(client.connect() for client in part))
            while not all(client.is_live for client in part):  # noqa: ASYNC110  # a peer, not a promise
                await asyncio.sleep(0.005)
        while line := (await lines.readline()).split():
            if line[0] == b"stop":
                await self._stop(int(line[1]))
                break
            self.port = int(line[1])
            self.kicks += 1
            self.was_live = False

    def later(self, client: Client) -> None:
        if self.is_stopped:
            return
        self._timers.add(asyncio.get_running_loop().call_later(client.wait(), self._again, client))

    def look(self) -> None:
        """Say so once all are live where they were sent last."""
        if not self.was_live and all(client.is_live and client.kicks == self.kicks for client in self.clients):
            self.was_live = True
            _say("live", time.monotonic())

    def _again(self, client: Client) -> None:
        self.told.reconnected.append(time.monotonic())
        task = asyncio.create_task(client.connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self, published: int) -> None:
        """Once everything that was published is there, or nothing comes any more."""
        reading = [client for client in self.clients if not client.is_stalled]
        seen = -1
        while min(client.next_number for client in reading) < published and seen != (seen := self._seen()):  # noqa: ASYNC110
            await asyncio.sleep(2)
        self.is_stopped = True
        self.told.live = sum(client.is_live for client in self.clients)
        self.told.missing += sum(published - client.next_number for client in reading)
        for timer in self._timers:
            timer.cancel()
        for client in self.clients:
            if client.transport is not None:
                client.transport.abort()
        _say("done", self.told)

    def _seen(self) -> int:
        return sum(client.seen for client in self.clients)


def most_in_a_bin(at: list[float], seconds: float = 0.1) -> int:
    """Of these moments, the most that fall into one bin of so many seconds."""
    return max(Counter(int(moment / seconds) for moment in at).values(), default=0)


def _say(what: str, value: object) -> None:
    sys.stdout.write(msgspec.json.encode({what: value}).decode() + "\n")
    sys.stdout.flush()


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


if __name__ == "__main__":
    uvloop.run(Swarm(msgspec.json.decode(sys.argv[1], type=Plan)).run())
