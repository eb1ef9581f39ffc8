"""One PostgreSQL cluster on loopback."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from event_stream_engine.embedded import binaries, ports, processes
from event_stream_engine.embedded.places import Place
from event_stream_engine.errors import Unavailable

ROLE = DATABASE = "ese"
SUPERUSER = "postgres"
PREFERRED_PORT = 54329
READY_SECONDS_MAX = 300  # replaying the log after a crash may take minutes; a dead server is noticed at once
ATTEMPTS_MAX = 20
# Fast shutdown, then immediate (which recovers at the next start).
STOP = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0))

# For a workstation that does other things too. Written into postgresql.conf when the cluster is made, so an
# edit there lasts; fsync stays on.
WORKSTATION = {
    "shared_buffers": "256MB",
    "max_connections": "100",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "idle_in_transaction_session_timeout": "5min",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
    "jit": "off",  # compiling costs more than it saves on short queries
    "io_method": "sync",  # saves three processes; the page cache holds the data of a workstation
    "max_logical_replication_workers": "0",  # saves the launcher process; nothing subscribes
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# For throw-away servers: a power cut may eat them.
UNSAFE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "64MB"}


@dataclass
class Postgres:
    """`start()` makes the cluster when there is none, recovers it when it crashed, and keeps the port if it
    can."""

    place: Place
    password: str
    superuser_password: str
    port: int = PREFERRED_PORT
    durable: bool = True
    may_create_databases: bool = False
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False)
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}:{self.password}@{ports.LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def data(self) -> Path:
        return self.place.folder("postgres") / "data"

    @property
    def log(self) -> Path:
        return self.place.folder("postgres") / "start.log"

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    async def start(self) -> None:
        """Running and accepting connections when it returns. Raises `Unavailable` with the server's own
        words."""
        await self._stop_orphan()
        if not (self.data / "PG_VERSION").exists():
            await self._make_cluster()
        self._refuse_other_version()
        await self._run()
        await self._ensure_role_and_database()

    async def stop(self) -> None:
        """Fast shutdown: running transactions are rolled back, everything committed is on disk."""
        if self.process is not None:
            await processes.stop(self.process, STOP)
            self.process = None

    async def _make_cluster(self) -> None:
        """initdb into a folder that gets its name only when complete: a killed first start leaves no half
        cluster."""
        unfinished = self.data.with_name("data.partial")
        password_file = self._write_password_file()
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
        options = WORKSTATION if self.durable else WORKSTATION | UNSAFE
        command: list[str | Path] = [
            self._program("initdb"), "-D", unfinished, "-U", SUPERUSER, f"--pwfile={password_file}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--data-checksums", *(() if self.durable else ("--no-sync",)),
            *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
        ]  # fmt: skip
        try:
            await self._complete(command, what="initdb")
        finally:
            password_file.unlink()
        unfinished.rename(self.data)

    async def _complete(self, command: list[str | Path], *, what: str) -> None:
        process = self._launch(command, death_signal=signal.SIGKILL)
        try:
            await processes.ended(process, within=READY_SECONDS_MAX)
        finally:
            await processes.stop(process, ())
        if process.returncode != 0:
            raise Unavailable(f"{what} failed: {self._last_words()}")

    def _launch(self, command: list[str | Path], *, death_signal: int) -> "subprocess.Popen[bytes]":
        with open(self.log, "wb") as log:
            return processes.spawn(
                command,
                log=log,
                account=self.place.account,
                death_signal=death_signal,
                environment={"LC_ALL": "C"},
            )

    def _write_password_file(self) -> Path:
        path = self.data.with_name("password")
        path.unlink(missing_ok=True)
        with open(path, "x", opener=_owner_only) as file:
            file.write(self.superuser_password)
        self.place.give(path)
        return path

    def _refuse_other_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        ours = binaries.postgres_folder().name.removeprefix("pginstall")
        if made_by != ours:
            raise Unavailable(
                f"{self.data} was made by PostgreSQL {made_by}, this is {ours}: install the version of this "
                "platform that made it, dump (`pg_dump`), start with a new ESE_HOME and restore."
            )

    async def _run(self) -> None:
        """Start; a port that was taken meanwhile, or the last of a killed server, gets another attempt."""
        for _ in range(ATTEMPTS_MAX):
            self.port = ports.free_from(self.port)
            self._spawn()
            if await self._ready():
                return
            words = self._last_words()
            if "shared memory block" in words or "lock file" in words:
                self.tell("waiting for the last of an earlier PostgreSQL to end")
                await asyncio.sleep(0.25)
            elif "ould not bind" not in words:
                break
        await self.stop()
        raise Unavailable(f"PostgreSQL did not start: {words}\nIts log is {self.log}.")

    def _spawn(self) -> None:
        command: list[str | Path] = [
            self._program("postgres"), "-D", self.data, "-c", f"port={self.port}",
            "-c", f"listen_addresses={ports.LOOPBACK}", "-c", "unix_socket_directories=",
        ]  # fmt: skip
        self.process = self._launch(command, death_signal=signal.SIGINT)

    async def _ready(self) -> bool:
        """Wait for the word `ready` in postmaster.pid (line 8), where pg_ctl looks too."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        told = time.monotonic() + 5
        while self.is_running() and time.monotonic() < deadline:
            if self._says_ready():
                return True
            if time.monotonic() > told:
                self.tell("PostgreSQL replays its log after a crash; this can take minutes")
                told = deadline
            await asyncio.sleep(processes.POLL_SECONDS)
        return False

    def _says_ready(self) -> bool:
        lines = _lines(self.data / "postmaster.pid")
        ours = self.process is not None and lines[:1] == [str(self.process.pid)]
        return ours and len(lines) > 7 and lines[7].strip() == "ready"

    async def _stop_orphan(self) -> None:
        """A server that outlived its killed owner is stopped; a stale pid file of another program is
        removed."""
        lines = _lines(self.data / "postmaster.pid")
        if not lines or not lines[0].strip().isdigit():
            return
        orphan = processes.find_orphan(int(lines[0]), str(self.data))
        if orphan is not None:
            self.tell(f"stopping PostgreSQL (process {orphan.pid}) that an earlier start left running")
            await processes.stop_orphan(orphan, STOP)
        else:
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    async def _ensure_role_and_database(self) -> None:
        """The platform's own role is no superuser; it owns its database and nothing else."""
        connection = await self._connect_as_superuser()
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", ROLE):
                createdb = "CREATEDB" if self.may_create_databases else "NOCREATEDB"
                password = self.password.replace("'", "''")
                await connection.execute(f"CREATE ROLE {ROLE} LOGIN {createdb} PASSWORD '{password}'")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        finally:
            await connection.close()

    async def _connect_as_superuser(self) -> "asyncpg.Connection[asyncpg.Record]":
        try:
            return await asyncpg.connect(
                host=ports.LOOPBACK,
                port=self.port,
                user=SUPERUSER,
                password=self.superuser_password,
                database="postgres",
            )
        except asyncpg.InvalidPasswordError as error:
            await self.stop()
            raise Unavailable(
                f"{self.data} was made with other passwords than those in secrets.json: restore that file."
            ) from error

    def _program(self, name: str) -> Path:
        folder = binaries.postgres_folder()
        libraries = folder.parent.with_name(f"{binaries.POSTGRES_WHEEL}.libs")
        return self.place.executable(folder, f"bin/{name}", beside=(libraries,) if libraries.exists() else ())

    def _last_words(self) -> str:
        """The end of the start log: what the server said before it gave up."""
        return " ".join(line.strip() for line in _lines(self.log)[-6:]) or "it said nothing"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
