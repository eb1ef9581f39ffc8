"""One Valkey server on loopback: append-only file, nothing evicted."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import redis.asyncio
import redis.exceptions

from event_stream_engine.embedded import binaries, ports, processes
from event_stream_engine.embedded.places import Place
from event_stream_engine.errors import Unavailable

PREFERRED_PORT = 56379
READY_SECONDS_MAX = 120  # loading a large append-only file
ATTEMPTS_MAX = 10
MEMORY_MAX = "1gb"  # at the bound writes are refused (the relay waits); nothing is evicted
LOG_BYTES_MAX = 10 * 2**20
STOP = ((signal.SIGTERM, 15.0),)  # writes the append-only file out, then ends

_CONFIGURATION = """\
# Written at every start; edits are lost. Set REDIS_URL to use a server of your own.
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir "{folder}"
pidfile "{folder}/pid"
daemonize no
set-proc-title no
databases 64
appendonly {appendonly}
appendfsync everysec
aof-load-truncated yes
save ""
maxmemory {memory}
maxmemory-policy noeviction
loglevel notice
"""


@dataclass
class Valkey:
    """`start()` loads what the append-only file holds; at most the last second is lost when the machine
    dies."""

    place: Place
    password: str
    port: int = PREFERRED_PORT
    durable: bool = True
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False)
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{ports.LOOPBACK}:{self.port}/0"

    @property
    def folder(self) -> Path:
        return self.place.folder("valkey")

    @property
    def log(self) -> Path:
        return self.folder / "valkey.log"

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    async def start(self) -> None:
        """Loaded and answering when it returns. Raises `Unavailable` with the server's own words."""
        await self._stop_orphan()
        for _ in range(ATTEMPTS_MAX):
            self.port = ports.free_from(self.port)
            self._spawn()
            if await self._ready():
                return
            if "in use" not in self._last_words():
                break
        await self.stop()
        raise Unavailable(
            f"Valkey did not start: {self._last_words()}\nIts log is {self.log}. If its append-only file is "
            f"damaged, move {self.folder / 'appendonlydir'} away: streams are filled again from the outbox; "
            "tasks that waited in queues are planned again by their schedules."
        )

    async def stop(self) -> None:
        if self.process is not None:
            await processes.stop(self.process, STOP)
            self.process = None

    def _spawn(self) -> None:
        configuration = self._configure()
        binary = binaries.valkey_binary()
        program = self.place.executable(binary.parent.parent, f"{binary.parent.name}/{binary.name}")
        with open(self.log, "ab") as log:
            if log.tell() > LOG_BYTES_MAX:
                log.truncate(0)
            self.process = processes.spawn(
                [program, configuration], log=log, account=self.place.account, death_signal=signal.SIGTERM
            )

    def _configure(self) -> Path:
        """The password stays out of the command line, which every user of the machine can read."""
        path = self.folder / "valkey.conf"
        path.unlink(missing_ok=True)
        with open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(
                _CONFIGURATION.format(
                    host=ports.LOOPBACK, port=self.port, password=self.password, folder=self.folder,
                    appendonly="yes" if self.durable else "no", memory=MEMORY_MAX,
                )
            )  # fmt: skip
        self.place.give(path)
        return path

    async def _ready(self) -> bool:
        deadline = time.monotonic() + READY_SECONDS_MAX
        client = redis.asyncio.Redis.from_url(self.url, socket_timeout=2)
        try:
            while self.is_running() and time.monotonic() < deadline:
                try:
                    return bool(await client.ping())
                except redis.exceptions.AuthenticationError:
                    return False  # somebody else's server won the port
                except (redis.exceptions.RedisError, OSError):  # not listening yet, or loading
                    await asyncio.sleep(processes.POLL_SECONDS)
            return False
        finally:
            await client.aclose()

    async def _stop_orphan(self) -> None:
        try:
            pid = int((self.folder / "pid").read_text())
        except (FileNotFoundError, ValueError):
            return
        orphan = processes.find_orphan(pid, str(self.folder))
        if orphan is not None:
            self.tell(f"stopping Valkey (process {orphan.pid}) that an earlier start left running")
            await processes.stop_orphan(orphan, STOP)
        (self.folder / "pid").unlink(missing_ok=True)

    def _last_words(self) -> str:
        try:
            return " ".join(self.log.read_text(errors="replace").splitlines()[-4:])
        except FileNotFoundError:
            return "it said nothing"
