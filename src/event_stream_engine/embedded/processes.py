"""Child processes that cannot be left behind, and the end of those that were."""

import asyncio
import ctypes
import math
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

POLL_SECONDS = 0.05
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, prctl(2)
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def dies_with_parent(signal_number: int) -> Callable[[], None]:
    """What a forked child runs before exec: the kernel sends it `signal_number` when this process dies.

    Linux only; elsewhere a killed parent leaves the child running until the next start finds it. It must run
    after the change of account (the kernel forgets the wish at setuid), which is where `subprocess` calls
    `preexec_fn`."""
    parent = os.getpid()

    def arrange() -> None:
        if _libc is not None:
            _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal_number)
            if os.getppid() != parent:  # it died between fork and prctl
                os.kill(os.getpid(), signal.SIGKILL)

    return arrange


def die_with_parent(signal_number: int) -> None:
    """The same for a process that is forked already: from now on the kernel sends it `signal_number` when its parent
    dies. Linux only."""
    if _libc is not None:
        _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal_number)


def spawn(
    command: Sequence[str | Path],
    *,
    log: IO[bytes] | int,
    account: int | None,
    death_signal: int,
    environment: Mapping[str, str] | None = None,
    folder: str | Path = "/",
    inherited: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start a server in a session of its own, so that Ctrl-C in the terminal does not reach it.

    `account` is (numeric) the user to become; None keeps ours. Output goes to `log`. `inherited`: descriptors it keeps.
    """
    drop = {} if account is None else {"user": account, "group": group_of(account), "extra_groups": []}
    arguments = [str(part) for part in command]
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # noqa: S603
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=folder,
        env=environment,
        start_new_session=True,
        pass_fds=inherited,
        preexec_fn=dies_with_parent(death_signal),
        **drop,
    )


def group_of(account: int) -> int:
    """The primary group of a user id; the id itself where the user database does not know it."""
    try:
        return pwd.getpwuid(account).pw_gid
    except KeyError:
        return account


async def ended(process: "subprocess.Popen[bytes]", *, within: float) -> bool:
    """Wait at most `within` seconds (`math.inf`: for ever) for the process to end."""
    deadline = time.monotonic() + within
    while process.poll() is None:
        if (left := deadline - time.monotonic()) < 0:
            return False
        await _may_have_ended(process.pid, left)
    return True


async def _may_have_ended(pid: int, within: float) -> None:
    """Until the kernel says that our child has ended, or `within` seconds have passed. Where the kernel does not tell
    (other than Linux), for a moment."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        await asyncio.sleep(min(POLL_SECONDS, within))
        return
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(descriptor, told.set)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if within == math.inf else within):
                await told.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def stop(process: "subprocess.Popen[bytes]", signals: Sequence[tuple[int, float]]) -> None:
    """Send each signal in turn with its patience in seconds; then SIGKILL to what is left of its session."""
    for number, patience in signals:
        process.send_signal(number)  # does nothing to a process that has ended
        if await ended(process, within=patience):
            break
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await ended(process, within=5)


def find_orphan(pid: int, marker: str) -> psutil.Process | None:
    """The process `pid` if it still runs and its command line names `marker` (a pid may have been reused)."""
    try:
        process = psutil.Process(pid)
        return process if any(marker in part for part in process.cmdline()) else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


async def stop_orphan(process: psutil.Process, signals: Sequence[tuple[int, float]]) -> None:
    """As `stop`, for a process that an earlier owner started."""
    for number, patience in (*signals, (signal.SIGKILL, 5.0)):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        if await _gone(process, within=patience):
            return


async def _gone(process: psutil.Process, *, within: float) -> bool:
    deadline = time.monotonic() + within
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True
