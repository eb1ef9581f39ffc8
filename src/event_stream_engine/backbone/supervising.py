"""Tasks that live and die together, and leases whose holder is gone."""

import asyncio
import contextlib
import math
import os
import socket
from collections.abc import Coroutine
from typing import Any

_AGAIN_SECONDS = 2.0


async def until_one_fails(*work: Coroutine[None, None, None]) -> None:
    """All of it at once, until all is done or one raises; then the others are ended."""
    tasks = [asyncio.create_task(one) for one in work]
    done: set[asyncio.Task[None]] = set()
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await end(*tasks)
    for task in done:
        task.result()


async def until_set(event: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """The work, until it ends by itself or `event` is set; then it is ended."""
    task, waiting = asyncio.create_task(work), asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(task, waiting)
    if not task.cancelled():
        task.result()


async def end(*tasks: "asyncio.Task[Any]", within: float = math.inf) -> None:
    """Cancel, and wait until all have ended, at most `within` seconds.

    More than once where need be: a library may lose a cancellation that arrives together with what it waits for, as
    `asyncio.wait_for` of Python 3.11 does. Who is canceled here meanwhile still sees them ended first: a task left
    behind would keep its parent's lease for ever."""
    time = asyncio.get_running_loop().time
    deadline = time() + within
    interrupted: asyncio.CancelledError | None = None
    while (pending := [task for task in tasks if not task.done()]) and (left := deadline - time()) > 0:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=min(_AGAIN_SECONDS, left))
        except asyncio.CancelledError as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted


async def pause(event: asyncio.Event, seconds: float) -> None:
    """So long, or until `event` is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def holder_name() -> str:
    """Who holds a lease: `<host>:<process id>`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_gone(holder: str | None) -> bool:
    """Whether a holder was a process of this host that no longer runs: its lease need not be waited for."""
    host, _, pid = (holder or "").rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
