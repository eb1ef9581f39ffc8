"""The listening socket outlives the process that serves: a client that connects during a restart waits in its queue.

A process manager makes the socket and names its descriptor (`ESE_HTTP_FD`): `ese up` does, and systemd does with a
socket unit (descriptor 3). Without one the server makes a socket of its own. Granian's own ones are bound with
SO_REUSEPORT: a second server on the same port would take half of the connections, without an error.
"""

import errno
import socket
from typing import Any

from granian import _granian
from granian.constants import HTTPModes
from granian.http import HTTP1Settings
from granian.server import Server, embed

from event_stream_engine.errors import Unavailable

BACKLOG = 1024
STEPS_MAX = 100  # how far beyond the preferred port to look
IDLE_SECONDS = 65
"""A connection that sends no whole request header for so long is closed, also between two requests. More than the 60 s
after which proxies give an idle connection up (nginx's `keepalive_timeout`): they must be the first to do so."""
HEADER_BUFFER_BYTES = 65_536
"""A request header that does not fit, which is found out before it is twice as large, is answered with 431; so is one
of more than 100 fields."""


class SharedServer(Server):  # type: ignore[misc, valid-type]  # which class it is depends on Python's build
    """Granian on a socket that it was given. Its workers are forked and inherit it."""

    inherited_fd: int

    def _init_shared_socket(self) -> None:
        holder: Any = _granian.SocketHolder
        self._shd = holder(self.inherited_fd, False, BACKLOG)
        self._sfd = self.inherited_fd
        self._sso = socket.socket(fileno=self.inherited_fd)
        self._sso.set_inheritable(True)


class EmbeddedServer(embed.Server):
    """The same for a server on this process's own event loop."""

    inherited_fd: int

    def _init_shared_socket(self) -> None:
        holder: Any = _granian.SocketHolder
        self._ssp = None
        self._shd = holder(self.inherited_fd, False, BACKLOG)
        self._sfd = self.inherited_fd  # type: ignore[assignment]


def server_of(listen_fd: int | None, target: str, *, address: str, port: int, setting: str, **given: Any) -> Any:
    """Granian on the inherited socket, or on one of its own. Raises `Unavailable` when the port is taken; `setting`
    names what chooses another one.

    HTTP/1 only: a server that may also speak HTTP/2 waits without limit for the first byte, which says what it is."""
    limits = HTTP1Settings(header_read_timeout=IDLE_SECONDS * 1000, max_buffer_size=HEADER_BUFFER_BYTES)
    shared = SharedServer(target, address=address, port=port, http=HTTPModes.http1, http1_settings=limits, **given)
    shared.inherited_fd = listen_only(address, port, setting).detach() if listen_fd is None else listen_fd
    return shared


def listen_only(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket that shares its port with nobody. Raises `Unavailable`."""
    try:
        return listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(
                f"Port {port} on {host} is taken: another server listens there. Stop it, or choose a port with "
                f"{setting}."
            ) from error
        raise Unavailable(f"Nothing can listen on {host}, port {port}: {error.strerror or error}.") from error


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def listen_from(host: str, preferred: int, taken: frozenset[int] = frozenset()) -> socket.socket:
    """A listening socket on `preferred`, or on the next free port that is not in `taken`. The port is held from the
    choice on: nobody can take it before a server serves it. Raises `OSError` where the host is none of ours."""
    for port in range(preferred, min(preferred + STEPS_MAX, 65_536)):
        if port in taken:
            continue
        try:
            return listen(host, port)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
    return listen(host, 0)
