"""Signs of life for `ese up`: each process sends one a second, and the supervisor kills a process that stops sending.

They are datagrams on the loopback interface, not records in Redis or files: an outage of Redis or a disk that takes no
writes must not look like a process that hangs. A process that runs an event loop of ours sends from that loop, so that
a loop that stands still counts as hung as well.
"""

import asyncio
import os
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import psutil

LOOPBACK = "127.0.0.1"
EVERY_SECONDS = 1.0
START_SECONDS = 120.0
"""A process that was started may be silent for so long, while it imports and waits for a database."""
_GONE = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


class Sender:
    """Sends this process's signs of life to `address` (`host:port:token`, what `Pulses.address` gave)."""

    def __init__(self, address: str) -> None:
        host, port, token = address.split(":")
        self._content = f"{token} {os.getpid()}".encode()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect((host, int(port)))
        self.loop_sends = False

    def send(self) -> None:
        with suppress(OSError):  # the supervisor is gone, or its buffer is full of others' signs of life
            self._socket.send(self._content)

    def send_from_thread(self) -> None:
        while True:
            if not self.loop_sends:
                self.send()
            time.sleep(EVERY_SECONDS)

    async def send_from_loop(self) -> None:
        while True:
            self.send()
            await asyncio.sleep(EVERY_SECONDS)


_sender: Sender | None = None


def start(address: str | None) -> None:
    """Send signs of life from a thread, until `from_loop`. Call it again after a fork: no thread survives one. Without
    an address (no `ese up`) nothing is sent."""
    global _sender
    if address is None:
        return
    _sender = Sender(address)
    threading.Thread(target=_sender.send_from_thread, name="pulse", daemon=True).start()


@asynccontextmanager
async def from_loop() -> AsyncIterator[None]:
    """For the length of the block this process's event loop sends them."""
    sender = _sender
    if sender is None:
        yield
        return
    sender.loop_sends = True
    sending = asyncio.create_task(sender.send_from_loop())
    try:
        yield
    finally:
        sending.cancel()
        sender.loop_sends = False


@dataclass
class _Watched:
    """A process, the session it belongs to (the process id of the supervisor's child), and for how long it was silent
    (s)."""

    session: int
    silent: float


class Pulses(asyncio.DatagramProtocol):
    """The supervisor's side: who was heard, and who has been silent for longer than `limit` seconds.

    Silence is counted in the supervisor's own ticks, and a tick counts for two intervals at most, and only if the
    supervisor's own sign of life came back since the last one. So neither a suspended host, nor a stopped supervisor,
    nor a loopback interface that delivers nothing makes a process look hung."""

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.address = ""
        self._token = secrets.token_hex(16)
        self._clock = clock
        self._watched: dict[int, _Watched] = {}
        self._last_tick = clock()
        self._came_back = False
        self._own: Sender | None = None

    async def open(self) -> None:
        """Listen. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(LOOPBACK, 0))
        self.address = f"{LOOPBACK}:{transport.get_extra_info('sockname')[1]}:{self._token}"
        self._own = Sender(self.address)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:  # noqa: ARG002  (asyncio's)
        token, _, said = data.decode("ascii", errors="replace").partition(" ")
        if not secrets.compare_digest(token.encode(), self._token.encode()) or not said.isdigit():
            return
        pid = int(said)
        if pid == os.getpid():
            self._came_back = True
        elif (known := self._watched.get(pid)) is not None:
            known.silent = 0.0
        elif (session := _session_of(pid)) is not None:
            self._watched[pid] = _Watched(session, 0.0)

    def expect(self, pid: int) -> None:
        """A child was started: it has `START_SECONDS` (or the limit, if that is longer) to say so."""
        self._watched[pid] = _Watched(pid, min(0.0, self.limit - START_SECONDS))

    def tick(self) -> dict[int, tuple[int, float]]:
        """The children that hang: by the child's process id, the process of its session that has been silent for
        longest, and for how long (s). They are then forgotten until they are started again."""
        now = self._clock()
        elapsed, self._last_tick = min(now - self._last_tick, 2 * EVERY_SECONDS), now
        came_back, self._came_back = self._came_back, False
        if self._own is not None:
            self._own.send()
        if not came_back:
            return {}
        for watched in self._watched.values():
            watched.silent += elapsed
        silent = {pid: watched for pid, watched in self._watched.items() if watched.silent > self.limit}
        hung: dict[int, tuple[int, float]] = {}
        for pid, watched in sorted(silent.items(), key=lambda found: found[1].silent):
            if _session_of(pid) == watched.session:
                hung[watched.session] = (pid, watched.silent)
            else:  # it ended, and its process id may be somebody else's by now
                del self._watched[pid]
        self._watched = {pid: one for pid, one in self._watched.items() if one.session not in hung}
        return hung


def _session_of(pid: int) -> int | None:
    """The session of a process that runs; None for one that ended."""
    try:
        return None if psutil.Process(pid).status() in _GONE else os.getsid(pid)
    except (psutil.Error, OSError):
        return None


def state_of(pid: int) -> str:
    """What the operating system says of a process, for people: `stopped`, `running`, …"""
    try:
        return str(psutil.Process(pid).status())
    except psutil.Error:
        return "gone"
