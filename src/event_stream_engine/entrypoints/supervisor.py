"""`ese up`: everything on one machine under one parent.

Starts the embedded servers (unless DATABASE_URL / REDIS_URL name others), migrates, starts the platform's
processes, waits until the API is ready, and prints one sign-in link. Ctrl-C stops all in order: first what
takes new work in, last the database. A second Ctrl-C hastens. `<home>/runtime.json` tells other terminals
what runs where."""

import asyncio
import functools
import hashlib
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from event_stream_engine import clock
from event_stream_engine.backbone.supervising import end
from event_stream_engine.embedded import Home, HomeInUse, Postgres, Valkey, choose_place, ports, processes
from event_stream_engine.entrypoints.children import Child, Terminal, pause_after
from event_stream_engine.entrypoints.listening import listen_from
from event_stream_engine.entrypoints.pulse import EVERY_SECONDS, Pulses, state_of
from event_stream_engine.errors import EseError, Unavailable
from event_stream_engine.settings import Settings, load_settings

# In the order of stopping, with the patience (s) for each: what takes new work in first; then the process that does
# tasks (it finishes the step it is in), the one that publishes, the one that consumes, and the stand-in that all of
# them call.
PROGRAMS = {"serve": 10.0, "work": 20.0, "relay": 10.0, "consume": 15.0, "sandbox": 5.0}
READY_SECONDS_MAX = 120
WATCH_SECONDS = 0.5
_DESCRIPTORS = {"serve": "ESE_HTTP_FD", "sandbox": "ESE_SANDBOX_FD"}


def main() -> int:
    """Run until told to stop. The exit status: 0 stopped as asked or already running, 1 could not start."""
    home = Home.at(load_settings().home)
    terminal = Terminal(sys.stdout, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    try:
        with home.hold():
            return asyncio.run(_run(home, terminal))
    except HomeInUse as in_use:
        return _tell_who_runs(home, in_use.running, terminal)


async def _run(home: Home, terminal: Terminal) -> int:
    await _end_leftovers(home, terminal)
    home.forget_running()  # before the settings are read: an old record must not pass for configuration
    return await Supervisor(home, load_settings(), terminal).run()


@dataclass
class Supervisor:
    """One run of the platform."""

    home: Home
    settings: Settings
    terminal: Terminal
    postgres: Postgres | None = None
    valkey: Valkey | None = None
    children: list[Child] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    listeners: dict[str, socket.socket] = field(default_factory=dict)
    pulses: Pulses | None = None
    ready: bool = False
    started_at: str = field(default_factory=lambda: clock.now().isoformat())
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> int:
        self._obey_signals()
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
            return 0
        except EseError as error:
            self.terminal.tell(f"Could not start: {error.detail}")
            return 1
        finally:
            await end(starting)
            await self._stop_all()

    async def _start(self) -> None:
        """The story of a start."""
        self._choose_addresses()
        await self._start_servers()
        await self._migrate()
        self._record()
        await self._listen_for_pulses()
        self._start_children()
        await self._api_ready()
        how = await self._output_of("event_stream_engine.entrypoints.sign_in_command")
        self.ready = True
        self._record()
        self._announce(how)

    def _choose_addresses(self) -> None:
        """What the children are told. What the user set stays; what is free is chosen around it."""
        http = self.settings.http
        port = self._listen("serve", http.host, http.port)
        if port != http.port:
            self.terminal.tell(f"port {http.port} is taken; the API listens on {port}")
        self.environment |= {
            "ESE_HOME": str(self.home.path),
            "ESE_HTTP_HOST": http.host,
            "ESE_HTTP_PORT": str(port),
            "ESE_SECRET_KEY": self.settings.secret_key if self.settings.identity.secret_key else self._secret(),
        }
        if self.settings.twilio.account_sid is None:
            self._use_sandbox(api_port=port)
        elif not self.settings.twilio.is_configured:
            raise Unavailable(
                "TWILIO_ACCOUNT_SID is set, but neither TWILIO_AUTH_TOKEN nor an API key (TWILIO_API_KEY_SID and "
                "TWILIO_API_KEY_SECRET): set one of them, or no account."
            )

    def _listen(self, name: str, host: str, preferred: int, taken: frozenset[int] = frozenset()) -> int:
        """The port that a child will serve. Its socket is held here: connections wait in its queue while the child
        restarts, and no other program can take it."""
        try:
            self.listeners[name] = listen_from(host, preferred, taken)
        except OSError as error:
            raise Unavailable(f"`ese {name}` cannot listen on {host}: {error.strerror or error}.") from error
        return int(self.listeners[name].getsockname()[1])

    def _secret(self) -> str:
        return self.home.secret("secret_key")

    def _use_sandbox(self, *, api_port: int) -> None:
        port = self._listen("sandbox", ports.LOOPBACK, self.settings.sandbox.port, frozenset({api_port}))
        token = self.home.secret("sandbox_auth_token")
        self.environment |= {
            "ESE_SANDBOX_PORT": str(port),
            "TWILIO_API_BASE_URL": f"http://{ports.LOOPBACK}:{port}",
            "TWILIO_ACCOUNT_SID": "AC" + hashlib.sha256(token.encode()).hexdigest()[:32],
            "TWILIO_AUTH_TOKEN": token,
        }

    async def _start_servers(self) -> None:
        if self.settings.database.url is None or self.settings.redis.url is None:
            place = await asyncio.to_thread(choose_place, self.home.path)
            if place.note:
                self.terminal.tell(place.note)
            if self.settings.database.url is None:
                secret, tell = self.home.secret, self.terminal.tell
                self.postgres = Postgres(
                    place, secret("postgres_password"), secret("postgres_superuser_password"), tell=tell
                )
            if self.settings.redis.url is None:
                self.valkey = Valkey(place, self.home.secret("valkey_password"), tell=self.terminal.tell)
        await asyncio.gather(*(self._start_server(server) for server in (self.postgres, self.valkey) if server))
        self.environment |= {
            "DATABASE_URL": self.postgres.url if self.postgres else self.settings.database_url,
            "REDIS_URL": self.valkey.url if self.valkey else self.settings.redis_url,
        }

    async def _start_server(self, server: Postgres | Valkey) -> None:
        started = time.monotonic()
        await server.start()
        name = type(server).__name__
        self.terminal.tell(f"{name} is ready on port {server.port} ({time.monotonic() - started:.1f} s)")
        self._spawn_task(self._keep_server(server))

    async def _keep_server(self, server: Postgres | Valkey) -> None:
        """A server that dies is started again on its port, and recovers."""
        failures = 0
        while not self._stop.is_set():
            await asyncio.sleep(WATCH_SECONDS)
            if server.is_running() or self._stop.is_set():
                continue
            self.terminal.tell(f"{type(server).__name__} ended unexpectedly; starting it again")
            try:
                address = server.url
                await server.start()
                failures = 0
                self.terminal.tell(f"{type(server).__name__} is ready again on port {server.port}")
                if server.url != address:
                    self._tell_new_addresses()
            except (EseError, OSError) as error:
                failures += 1
                self.terminal.tell(str(error))
                await asyncio.sleep(pause_after(failures, 0.5))

    def _tell_new_addresses(self) -> None:
        """Somebody took a server's port while it was down: the children start again with the new one."""
        self._note_addresses()
        for child in self.children:
            child.start_again(self._environment_of(child.name))

    def _note_addresses(self) -> None:
        self.environment |= {
            "DATABASE_URL": self.postgres.url if self.postgres else self.settings.database_url,
            "REDIS_URL": self.valkey.url if self.valkey else self.settings.redis_url,
        }

    async def _migrate(self) -> None:
        await self._output_of("event_stream_engine.entrypoints.cli", "migrate")

    async def _output_of(self, *module: str) -> str:
        """What a module and its arguments print in a process of their own: what they import would stay in this one for
        as long as the platform runs. Raises `Unavailable` with its error output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *module,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, **self.environment}, start_new_session=True,
        )  # fmt: skip
        try:
            said, failed = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            raise
        if process.returncode != 0:
            raise Unavailable(failed.decode(errors="replace").strip().removeprefix("ese: "))
        return said.decode().strip()

    async def _listen_for_pulses(self) -> None:
        self.pulses = Pulses(self.settings.supervision.hung_seconds)
        try:
            await self.pulses.open()
        except OSError as error:
            raise Unavailable(f"No datagram can be received on {ports.LOOPBACK}: {error.strerror}.") from error
        self._spawn_task(self._watch_pulses(self.pulses))

    async def _watch_pulses(self, pulses: Pulses) -> None:
        """A process that hangs is killed; `keep_running` then starts it again as any that ended."""
        while not self._stop.is_set():
            await asyncio.sleep(EVERY_SECONDS)
            hung = pulses.tick()
            for child in self.children:
                if self._stop.is_set() or child.process is None or child.process.pid not in hung:
                    continue
                pid, seconds = hung[child.process.pid]
                child.kill(f"was killed: process {pid} ({state_of(pid)}) did not respond for {seconds:.0f} s")

    def _started(self, child: Child) -> None:
        if self.pulses is not None and child.process is not None:
            self.pulses.expect(child.process.pid)
        self._record()

    def _start_children(self) -> None:
        names = [name for name in PROGRAMS if name != "sandbox" or "ESE_SANDBOX_PORT" in self.environment]
        for name in names:
            child = Child(
                name,
                [sys.executable, "-m", "event_stream_engine.entrypoints.cli", name],
                self._environment_of(name),
                self.terminal,
                patience=PROGRAMS[name],
                inherited=(self.listeners[name].fileno(),) if name in self.listeners else (),
            )
            child.on_start = functools.partial(self._started, child)
            self.children.append(child)
            self._spawn_task(child.keep_running())

    def _environment_of(self, name: str) -> dict[str, str]:
        """The environment of a child process. Only it has its socket; other terminals must not look for it."""
        held = self.listeners.get(name)
        own = {} if held is None else {_DESCRIPTORS[name]: str(held.fileno())}
        own |= {"ESE_PULSE": self.pulses.address} if self.pulses else {}
        return {**os.environ, **self.environment, **own}

    @property
    def _local_url(self) -> str:
        host = self.environment["ESE_HTTP_HOST"]
        reachable = ports.LOOPBACK if host in ("0.0.0.0", "::") else host  # noqa: S104  (compared, not bound)
        return f"http://{reachable}:{self.environment['ESE_HTTP_PORT']}"

    async def _api_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        answer = "no answer"
        while time.monotonic() < deadline:
            ready, answer = await asyncio.to_thread(probe, f"{self._local_url}/readyz")
            if ready:
                return
            await asyncio.sleep(0.1)
        raise Unavailable(f"the API was not ready within {READY_SECONDS_MAX} s ({answer}); the lines above say why.")

    def _announce(self, how: str) -> None:
        twilio = "the sandbox stands in for Twilio" if "ESE_SANDBOX_PORT" in self.environment else "Twilio is used"
        self.terminal.tell(f"\nEvent Stream Engine is ready; {twilio}; data is in {self.home.path}.")
        self.terminal.tell("Ctrl-C stops all of it and loses nothing.")
        self.terminal.tell(how)

    def _record(self) -> None:
        """Tell other terminals, and the next start in case this one is killed."""
        self.home.record_running(
            {
                "state": "ready" if self.ready else "starting",
                "pid": os.getpid(),
                "started_at": self.started_at,
                "url": self.settings.http.public_url or self._local_url,
                "environment": self.environment,
                "processes": {child.name: child.process.pid for child in self.children if child.process},
                "restarts": {
                    child.name: {
                        "ended": child.restarts - child.restarts_hung,
                        "hung": child.restarts_hung,
                        "hung_at": child.hung_at.isoformat() if child.hung_at else None,
                    }
                    for child in self.children
                },
            }
        )

    async def _stop_all(self) -> None:
        self._stop.set()
        self.terminal.tell("Stopping …")
        for listener in self.listeners.values():
            listener.close()
        for child in self.children:
            child.retire()
        for child in self.children:
            await child.stop(hasty=self._hurry)
        await end(*self._tasks)
        for server in (self.valkey, self.postgres):
            if server is not None:
                await server.stop()
        self.home.forget_running()
        self.terminal.tell("Stopped; nothing is left running.")

    def _obey_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)

    def _on_signal(self) -> None:
        if self._stop.is_set():
            self.terminal.tell("Hastening; what is unfinished is repeated at the next start.")
            self._hurry.set()
        self._stop.set()

    def _spawn_task(self, work: Any) -> None:
        self._tasks.add(asyncio.create_task(work))


def probe(url: str) -> tuple[bool, str]:
    """Whether a GET answers 200, and what it answered otherwise. No proxy is asked."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=3) as response:
            return response.status == 200, str(response.status)
    except urllib.error.HTTPError as error:
        return False, f"HTTP {error.code}: {error.read(300).decode(errors='replace')}"
    except urllib.error.URLError as error:
        return False, f"no answer ({getattr(error.reason, 'strerror', None) or error.reason})"
    except OSError as error:
        return False, f"no answer ({error.strerror or error})"


async def _end_leftovers(home: Home, terminal: Terminal) -> None:
    """Children of a supervisor that was killed. Servers see to their own (`Postgres.start`)."""
    recorded: Mapping[str, int] = home.running().get("processes", {})
    for name, pid in recorded.items():
        left = processes.find_orphan(int(pid), "event_stream_engine")
        if left is not None:
            terminal.tell(f"stopping {name} (process {pid}) that an earlier start left running")
            await processes.stop_orphan(left, ((signal.SIGTERM, 10.0),))


def _tell_who_runs(home: Home, running: Mapping[str, Any], terminal: Terminal) -> int:
    if running.get("state") == "ready":
        terminal.tell(
            f"Event Stream Engine already runs from {home.path} "
            f"(process {running['pid']}, since {running['started_at']}).\n"
            f"`ese sign-in` makes a new sign-in link; it answers at {running['url']}"
        )
        return 0
    terminal.tell(
        f"{home.path} is in use by another `ese up` that is starting or stopping"
        f"{' (process ' + str(running['pid']) + ')' if running else ''}. Try again in a moment, "
        "or set ESE_HOME to run a second platform beside it."
    )
    return 1
