"""What the platform takes while nothing happens: `ese up` as a newcomer starts it, a minute after it is ready.

Processor time is what the kernel counted for all processes, the embedded servers too; memory is their proportional set
size, so that pages that processes share count once."""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil

from benchmarks.stage.figures import record
from event_stream_engine.embedded import ports

SETTLE_SECONDS, MEASURED_SECONDS, READY_SECONDS_MAX = 60, 60, 180
PERCENT_MAX, MEGABYTES_MAX = 2.0, 700


async def measure() -> None:
    async with _platform() as parent:
        await asyncio.sleep(SETTLE_SECONDS)
        before = _processor_seconds(parent)
        await asyncio.sleep(MEASURED_SECONDS)
        after = _processor_seconds(parent)
        memory = _megabytes(parent)
    spent = {name: after[name] - before.get(name, 0) for name in after}
    percent = 100 * sum(spent.values()) / MEASURED_SECONDS
    _tell({name: 100 * seconds / MEASURED_SECONDS for name, seconds in spent.items()}, memory)
    megabytes = sum(memory.values())
    record(
        "idle_processor", percent, "% of a core, the whole platform at rest",
        beside="% allowed", beside_value=PERCENT_MAX, ratio=percent / PERCENT_MAX,
        goal=f"<= {PERCENT_MAX:.0f} %", met=percent <= PERCENT_MAX,
    )  # fmt: skip
    record(
        "idle_memory", megabytes, "MB of memory, the whole platform at rest",
        beside="MB allowed", beside_value=MEGABYTES_MAX, ratio=megabytes / MEGABYTES_MAX,
        goal=f"<= {MEGABYTES_MAX} MB", met=megabytes <= MEGABYTES_MAX,
    )  # fmt: skip


@asynccontextmanager
async def _platform() -> AsyncIterator[psutil.Process]:
    """`ese up` in an empty home; its process. Everything it started ends with it."""
    with tempfile.TemporaryDirectory(prefix="ese-idle-") as home:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "event_stream_engine.entrypoints.cli", "up",
            env={**os.environ, "ESE_HOME": home, "ESE_HTTP_PORT": str(ports.any_free())},
            stdout=DEVNULL, stderr=DEVNULL,
        )  # fmt: skip
        try:
            await _ready(Path(home), process)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            await process.wait()


async def _ready(home: Path, process: Process) -> None:
    async with asyncio.timeout(READY_SECONDS_MAX):
        while process.returncode is None:
            record_file = home / "runtime.json"
            if record_file.exists() and msgspec.json.decode(record_file.read_bytes()).get("state") == "ready":
                return
            await asyncio.sleep(0.2)
    raise RuntimeError(f"`ese up` ended with status {process.returncode} before it was ready")


def _family(parent: psutil.Process) -> list[tuple[str, psutil.Process]]:
    """The parent and all below it, each under the name of the program it belongs to."""
    return [("up", parent), *((_name(child), child) for child in parent.children(recursive=True))]


def _name(process: psutil.Process) -> str:
    """The `ese` command whose process, or child, it is; else the server's name."""
    try:
        words = process.cmdline()
        if "event_stream_engine.entrypoints.cli" in words:
            return words[words.index("event_stream_engine.entrypoints.cli") + 1]
        if process.name().startswith(("postgres", "valkey", "redis")):
            return process.name()
        return _name(process.parent() or process) if process.ppid() > 1 else process.name()
    except psutil.NoSuchProcess:
        return "ended"


def _processor_seconds(parent: psutil.Process) -> dict[str, float]:
    """By program. What has ended meanwhile is counted where its parent waited for it."""
    seconds: dict[str, float] = {}
    for name, process in _family(parent):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds[name] = seconds.get(name, 0) + times.user + times.system
    return seconds


def _megabytes(parent: psutil.Process) -> dict[str, float]:
    memory: dict[str, float] = {}
    for name, process in _family(parent):
        try:
            memory[name] = memory.get(name, 0) + process.memory_full_info().pss / 1e6
        except psutil.NoSuchProcess:
            continue
    return memory


def _tell(percent: dict[str, float], memory: dict[str, float]) -> None:
    for name in sorted(memory, key=lambda each: -memory[each]):
        print(f"{name:>16} {percent.get(name, 0):6.2f} % {memory[name]:8.1f} MB", flush=True)
