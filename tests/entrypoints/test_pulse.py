"""Who hangs is found by the signs of life that do not come; who is slow, or whose host slept, is left alone."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable

import pytest

from event_stream_engine.entrypoints.pulse import START_SECONDS, Pulses
from tests.waiting import until

LIMIT = 5.0

BUSY = """
import asyncio, sys, threading
from event_stream_engine.entrypoints import pulse

def burn():
    while True: sum(range(1000))

async def main():
    async with pulse.from_loop():
        print("here", flush=True)
        for _ in range(4): threading.Thread(target=burn, daemon=True).start()
        await asyncio.sleep(600)

pulse.start(sys.argv[1])
asyncio.run(main())
"""
STANDS_STILL = """
import asyncio, sys, time
from event_stream_engine.entrypoints import pulse

async def main():
    async with pulse.from_loop():
        await asyncio.sleep(0.5)
        print("here", flush=True)
        time.sleep(600)

pulse.start(sys.argv[1])
asyncio.run(main())
"""


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Watch:
    """A supervisor's side whose ticks a test makes, each of one second of `clock`."""

    def __init__(self, clock: Clock, pulses: Pulses) -> None:
        self.clock, self.pulses = clock, pulses

    async def ticks(self, count: int, *, seconds: float = 1.0) -> dict[int, tuple[int, float]]:
        """The first that hang. Before each tick the supervisor hears itself, if it can."""
        for _ in range(count):
            self.clock.now += seconds
            if self.pulses._own is not None:
                await until(lambda: self.pulses._came_back)
            if hung := self.pulses.tick():
                return hung
        return {}

    async def hears(self, pid: int) -> None:
        """Its next sign of life."""
        self.pulses._watched[pid].silent = 0.5
        await until(lambda: self.pulses._watched[pid].silent == 0.0)


@pytest.fixture
async def watch() -> Watch:
    clock = Clock()
    pulses = Pulses(LIMIT, clock)
    await pulses.open()
    pulses.tick()  # sends the first sign of life, which comes back before the next
    return Watch(clock, pulses)


Spawn = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
async def spawn(watch: Watch) -> AsyncIterator[Spawn]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(program: str) -> "subprocess.Popen[bytes]":
        arguments = [sys.executable, "-c", program, watch.pulses.address]
        started.append(subprocess.Popen(arguments, stdout=subprocess.PIPE, start_new_session=True))
        watch.pulses.expect(started[-1].pid)
        assert started[-1].stdout is not None
        assert started[-1].stdout.readline() == b"here\n"
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


async def test_a_stopped_process_hangs_after_the_limit_and_not_before(watch: Watch, spawn: Spawn) -> None:
    process = spawn(BUSY)
    await watch.hears(process.pid)
    process.send_signal(signal.SIGSTOP)
    await asyncio.to_thread(os.waitpid, process.pid, os.WUNTRACED)
    await watch.ticks(1)  # what it sent before it was stopped is received
    watch.pulses._watched[process.pid].silent = 0.0
    assert await watch.ticks(int(LIMIT)) == {}
    hung = await watch.ticks(1)
    assert hung == {process.pid: (process.pid, LIMIT + 1)}
    assert await watch.ticks(20) == {}, "it is told once; the supervisor starts another"
    process.send_signal(signal.SIGCONT)


async def test_a_loop_that_stands_still_hangs_though_its_process_runs(watch: Watch, spawn: Spawn) -> None:
    process = spawn(STANDS_STILL)
    await watch.ticks(1)
    assert process.pid in await watch.ticks(200)


async def test_a_process_that_is_only_slow_does_not_hang(watch: Watch, spawn: Spawn) -> None:
    """Four threads that never pause, and a stop of two seconds that ends: real seconds, and the limit is five."""
    process = spawn(BUSY)
    watch.pulses._clock = time.monotonic
    watch.pulses._last_tick = time.monotonic()
    watched = watch.pulses._watched[process.pid]

    def silent_for(seconds: float) -> bool:
        assert watch.pulses.tick() == {}
        return watched.silent >= seconds

    for _ in range(4):
        await watch.hears(process.pid)
        assert watch.pulses.tick() == {}
    process.send_signal(signal.SIGSTOP)
    await until(lambda: silent_for(2.0))
    process.send_signal(signal.SIGCONT)
    await until(lambda: not silent_for(1.0))
    for _ in range(4):
        await watch.hears(process.pid)
        assert watch.pulses.tick() == {}


async def test_a_host_that_slept_makes_nobody_hang(watch: Watch, spawn: Spawn) -> None:
    process = spawn(BUSY)
    await watch.hears(process.pid)
    assert await watch.ticks(2, seconds=86_400) == {}


async def test_nobody_hangs_while_the_supervisor_does_not_hear_itself(watch: Watch, spawn: Spawn) -> None:
    process = spawn(BUSY)
    await watch.hears(process.pid)
    process.send_signal(signal.SIGSTOP)
    watch.pulses._own = None
    watch.pulses._came_back = False
    assert await watch.ticks(50) == {}
    process.send_signal(signal.SIGCONT)


async def test_a_child_has_time_to_start(watch: Watch) -> None:
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        watch.pulses.expect(process.pid)
        assert await watch.ticks(int(START_SECONDS)) == {}
        assert process.pid in await watch.ticks(2)
    finally:
        process.kill()
        process.wait(10)


async def test_a_process_that_ended_is_forgotten(watch: Watch, spawn: Spawn) -> None:
    process = spawn(BUSY)
    await watch.hears(process.pid)
    process.kill()
    process.wait(10)
    assert await watch.ticks(20) == {}
    assert process.pid not in watch.pulses._watched


async def test_a_datagram_without_the_token_is_no_sign_of_life(watch: Watch, spawn: Spawn) -> None:
    process = spawn(BUSY)
    await watch.hears(process.pid)
    watch.pulses._watched[process.pid].silent = 3.0
    watch.pulses.datagram_received(f"{'0' * 32} {process.pid}".encode(), ("127.0.0.1", 1))
    watch.pulses.datagram_received(b"\xff\xfe 1", ("127.0.0.1", 1))
    assert watch.pulses._watched[process.pid].silent == 3.0
