"""An API process that goes says so to its browsers before it closes their connections.

Granian's workers answer SIGTERM by cutting off every WebSocket and waiting for every stream to end by itself; the
application's own shutdown comes after that, when there is nobody left to be told. The loop is the one place that sees
the signal first.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVarTuple, Unpack

import uvloop
from granian import loops
from granian.constants import Loops

_Given = TypeVarTuple("_Given")
_STOPPING = (signal.SIGINT, signal.SIGTERM)


class LeavingLoop(uvloop.Loop):
    """Before the server hears of a signal to stop, `leave` is awaited, which must have a bound of its own: further
    signals change nothing, since a terminal sends one to this process and to its parent, which sends another."""

    leave: Callable[[], Coroutine[Any, Any, None]] | None = None
    _leaving: asyncio.Task[None] | None = None

    def add_signal_handler(self, sig: int, callback: Callable[[Unpack[_Given]], object], *args: *_Given) -> None:
        if sig in _STOPPING:
            super().add_signal_handler(sig, self._stop, callback, args)
        else:
            super().add_signal_handler(sig, callback, *args)

    def _stop(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        if self.leave is None:
            callback(*args)
        elif self._leaving is None:
            self._leaving = self.create_task(self.leave())
            self._leaving.add_done_callback(lambda _: callback(*args))


LOOP = Loops.auto
"""What a server is told whose processes are to have this loop. Granian asks for it before it loads the application, so
the process that starts them must have imported this module."""


@loops.register(LOOP.value)
def leaving_loop() -> asyncio.AbstractEventLoop:
    """For Granian's `Loops.auto`."""
    loop: asyncio.AbstractEventLoop = LeavingLoop()
    asyncio.set_event_loop(loop)
    return loop


def before_leaving(leave: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Await it, once, before the process that runs this stops serving."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, LeavingLoop):
        loop.leave = leave
