"""A process that is kept running: started, watched, started again after a pause, stopped within a bound.

Children run in sessions of their own: Ctrl-C in the terminal reaches the supervisor only, which then stops
them in order with SIGTERM. When the supervisor dies the kernel sends them SIGTERM (Linux)."""

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TextIO

from event_stream_engine import clock
from event_stream_engine.backbone.supervising import end, pause
from event_stream_engine.embedded import processes

PAUSE_SECONDS_FIRST = 0.5
PAUSE_SECONDS_MAX = 30.0
HEALTHY_SECONDS = 30.0  # a run of this length forgives the failures before it
FAILURES_TOLD = 5  # from this many in a row on, say that the child does not stay up
LINE_BYTES_MAX = 64 * 2**10  # a longer line is cut, and says so
HASTY_SECONDS = 0.5

_LOOPBACK_SCHEME = re.compile(r"https?://(?=localhost\b|127\.|\[::1\]|0\.0\.0\.0)")
_COLOURS = (36, 33, 35, 32, 34, 31, 96, 93)


@dataclass
class Terminal:
    """Writes the supervisor's words and the children's lines, each under its name."""

    stream: TextIO = sys.stdout
    colour: bool = False
    names: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        """One line of the supervisor's own."""
        self._write(f"{text}\n")

    def pass_on(self, name: str, line: str) -> None:
        """A child's line. Loopback addresses lose their scheme, so that the one link stays the only link."""
        shown = _LOOPBACK_SCHEME.sub("", line)
        self._write(f"{self._label(name)} {shown}\n")

    def _label(self, name: str) -> str:
        if name not in self.names:
            self.names.append(name)
        label = f"{name:>8} |"
        return f"\x1b[{_COLOURS[self.names.index(name) % len(_COLOURS)]}m{label}\x1b[0m" if self.colour else label

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal is gone: keep running until told to stop
            self.stream.write(text)
            self.stream.flush()


def pause_after(failures: int, chance: float) -> float:
    """Seconds to wait after that many failures in a row: doubling to the cap, spread by `chance` in [0,
    1)."""
    longest = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_FIRST * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + chance / 2)


@dataclass
class Child:
    """`keep_running()` until `stop()`; `patience` is how long (s) it may take to end after SIGTERM."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    terminal: Terminal
    patience: float = 10.0
    chance: Callable[[], float] = random.random
    inherited: Sequence[int] = ()
    on_start: Callable[[], None] = field(default=lambda: None, repr=False)
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    restarts: int = 0
    restarts_hung: int = 0
    hung_at: datetime | None = None
    _killed_because: str | None = field(default=None, repr=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    async def keep_running(self) -> None:
        """Start again whenever it ends, until `stop()` is called. It never gives up; at the cap it says
        so."""
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            how = await self._run_once()
            if self._stopping.is_set():
                return
            failures = 1 if time.monotonic() - started >= HEALTHY_SECONDS else failures + 1
            self.restarts += 1
            seconds = pause_after(failures, self.chance())
            self._tell_failure(how, failures, seconds)
            await pause(self._stopping, seconds)

    def start_again(self, environment: Mapping[str, str]) -> None:
        """End this run; the next one has the new environment."""
        self.environment = environment
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self, reason: str) -> None:
        """SIGKILL to its whole session: a process that is stopped obeys no other signal. It is started again."""
        if self.process is not None and self.process.poll() is None:
            self._killed_because = reason
            self.restarts_hung += 1
            self.hung_at = clock.now()
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def retire(self) -> None:
        """Let it run, but do not start it again."""
        self._stopping.set()

    async def stop(self, *, hasty: asyncio.Event | None = None) -> None:
        """SIGTERM, its patience, then SIGKILL for its whole session; `hasty` cuts the patience short."""
        self.retire()
        process = self.process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        await _ended_or_hasty(process, self.patience, hasty)
        await processes.stop(process, ())

    async def _run_once(self) -> str:
        """One life of the process; how it ended, for people."""
        reading, writing = os.pipe()
        try:
            self.process = processes.spawn(
                self.command,
                log=writing,
                account=None,
                death_signal=signal.SIGTERM,
                environment=self.environment,
                inherited=self.inherited,
                folder=os.getcwd(),  # the folder that `ese up` was started in
            )
        except OSError as error:
            os.close(reading)
            return f"cannot be started: {error}"
        finally:
            os.close(writing)
        self.on_start()
        forwarding = asyncio.create_task(self._forward(reading))
        await processes.ended(self.process, within=float("inf"))
        await processes.stop(self.process, ())  # what it started and left behind
        await _finish(forwarding)
        killed, self._killed_because = self._killed_because, None
        return killed or _how(self.process.returncode)

    async def _forward(self, reading: int) -> None:
        """Pass its lines on until it closes them."""
        reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        pipe = os.fdopen(reading, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while line := await _line(reader):
                self.terminal.pass_on(self.name, line.decode(errors="replace").rstrip("\r\n"))
        finally:
            transport.close()

    def _tell_failure(self, how: str, failures: int, seconds: float) -> None:
        self.terminal.tell(f"{self.name} {how}; starting it again in {seconds:.1f} s")
        if failures >= FAILURES_TOLD and failures % FAILURES_TOLD == 0:
            self.terminal.tell(
                f"{self.name} does not stay up: {failures} failures in a row. Its last lines above say why; "
                f"trying on every {PAUSE_SECONDS_MAX:.0f} s at most. `ese doctor` checks the settings."
            )


def _how(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next line; of one longer than the limit, the beginning. Empty at the end."""
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError as long:
        return await reader.readexactly(long.consumed) + b" [cut: the line is too long]\n"


async def _ended_or_hasty(process: "subprocess.Popen[bytes]", patience: float, hasty: asyncio.Event | None) -> None:
    """Until it ends, its patience is over, or someone is in a hurry."""
    waiting = asyncio.create_task(processes.ended(process, within=patience))
    hurry = asyncio.create_task(hasty.wait() if hasty else asyncio.sleep(patience))
    await asyncio.wait({waiting, hurry}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        await asyncio.wait({waiting}, timeout=HASTY_SECONDS)
    await end(waiting, hurry)


async def _finish(task: "asyncio.Task[None]") -> None:
    """The rest of the output; a grandchild that holds the pipe open does not hold us."""
    await asyncio.wait({task}, timeout=1)
    await end(task)
