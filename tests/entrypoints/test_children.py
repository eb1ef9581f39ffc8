"""A supervised process is kept running, tells its lines, and is never left behind."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
import pytest

from event_stream_engine.entrypoints import children
from event_stream_engine.entrypoints.children import Child, Terminal, pause_after


@dataclass
class Screen(Terminal):
    """A terminal that a test can wait on: `shows` returns once the text has been written."""

    stream: io.StringIO = field(default_factory=io.StringIO)  # type: ignore[assignment]
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def _write(self, text: str) -> None:
        super()._write(text)
        self.changed.set()

    async def shows(self, text: str, *, times: int = 1) -> str:
        async with asyncio.timeout(20):
            while self.stream.getvalue().count(text) < times:
                self.changed.clear()
                await self.changed.wait()
        return self.stream.getvalue()


Start = Callable[..., Child]


@pytest.fixture
async def start():
    """Starts supervised Python programs and stops them at the end."""
    running: list[tuple[Child, asyncio.Task[None]]] = []

    def begin(program: str, screen: Terminal, **choices: object) -> Child:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        child = Child("it", [sys.executable, "-c", program], environment, screen, chance=lambda: 0.0, **choices)
        running.append((child, asyncio.create_task(child.keep_running())))
        return child

    yield begin
    for child, task in running:
        await child.stop()
        await task


async def test_a_child_that_dies_is_started_again_and_the_terminal_says_how_it_died(start: Start) -> None:
    screen = Screen()
    start("import sys; print('here'); sys.exit(3)", screen)
    shown = await screen.shows("here", times=2)
    assert "it ended with status 3; starting it again in 0.2 s" in shown


async def test_a_child_killed_by_a_signal_is_started_again(start: Start) -> None:
    screen = Screen()
    child = start("import signal; print('here'); signal.pause()", screen)
    await screen.shows("here")
    assert child.process is not None
    child.process.send_signal(signal.SIGKILL)
    shown = await screen.shows("here", times=2)
    assert "was killed by SIGKILL" in shown


async def test_a_program_that_cannot_be_started_is_tried_again_and_does_not_end_the_supervisor() -> None:
    screen = Screen()
    child = Child("it", ["/nowhere/program"], {}, screen, chance=lambda: 0.0)
    task = asyncio.create_task(child.keep_running())
    await screen.shows("No such file", times=2)
    await child.stop()
    await task


async def test_a_stopped_child_stays_stopped(start: Start) -> None:
    screen = Screen()
    child = start("import signal; print('here'); signal.pause()", screen)
    await screen.shows("here")
    await child.stop()
    assert child.process is not None
    assert child.process.returncode == -signal.SIGTERM
    assert "starting it again" not in screen.stream.getvalue()


async def test_a_child_that_ignores_being_told_is_killed_with_everything_it_started(start: Start) -> None:
    screen = Screen()
    child = start(STUBBORN, screen, patience=0.2)
    shown = await screen.shows("grandchild")
    grandchild = psutil.Process(int(shown.split("grandchild ")[1].split()[0]))
    await child.stop()
    await asyncio.to_thread(psutil.wait_procs, [grandchild], 10)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


STUBBORN = """
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
left = subprocess.Popen(["sleep", "600"], preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
print("grandchild", left.pid)
while True: signal.pause()
"""


async def test_haste_cuts_the_patience_short(start: Start) -> None:
    screen, hasty = Screen(), asyncio.Event()
    child = start(STUBBORN, screen, patience=1000)
    await screen.shows("grandchild")
    hasty.set()
    async with asyncio.timeout(20):
        await child.stop(hasty=hasty)


async def test_ctrl_c_in_the_terminal_does_not_reach_a_child(start: Start) -> None:
    screen = Screen()
    child = start("import os, signal; print('here', os.getsid(0) == os.getpid()); signal.pause()", screen)
    await screen.shows("here True")
    assert child.process is not None
    assert os.getpgid(child.process.pid) != os.getpgid(0)


async def test_loopback_addresses_of_children_are_shown_without_scheme(start: Start) -> None:
    screen = Screen()
    addresses = "http://127.0.0.1:1 http://localhost:2 https://example.org/"
    start(f"import signal; print('at {addresses} now'); signal.pause()", screen)
    shown = await screen.shows("now")
    assert "at 127.0.0.1:1 localhost:2 https://example.org/ now" in shown


async def test_a_line_without_end_is_cut_and_what_follows_is_still_shown(start: Start) -> None:
    screen = Screen()
    start("import signal; print('x' * 300_000); print('after'); signal.pause()", screen)
    shown = await screen.shows("after")
    assert "[cut: the line is too long]" in shown


def test_pauses_grow_to_a_cap_and_are_spread() -> None:
    longest = [pause_after(failures, 1.0) for failures in range(1, 60)]
    assert longest == sorted(longest)
    assert longest[0] == children.PAUSE_SECONDS_FIRST
    assert longest[-1] == children.PAUSE_SECONDS_MAX
    assert pause_after(3, 0.0) == pause_after(3, 1.0) / 2
