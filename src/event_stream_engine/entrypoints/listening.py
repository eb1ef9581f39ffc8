"""The listening socket outlives the process that serves: whoever connects during a restart waits in its queue.

A process manager makes the socket and names its descriptor (`ESE_HTTP_FD`): `ese up` does, and systemd does with a
socket unit (descriptor 3). Without one the server makes a socket of its own, as Granian does by default.
"""

import socket
from typing import Any

from granian import _granian
from granian.server import Server

BACKLOG = 1024


class SharedServer(Server):  # type: ignore[misc, valid-type]  # which class it is depends on Python's build
    """Granian on a socket that it was given. Its workers are forked and inherit it."""

    inherited_fd: int

    def _init_shared_socket(self) -> None:
        holder: Any = _granian.SocketHolder
        self._shd = holder(self.inherited_fd, False, BACKLOG)
        self._sfd = self.inherited_fd
        self._sso = socket.socket(fileno=self.inherited_fd)
        self._sso.set_inheritable(True)


def server_of(listen_fd: int | None, target: str, **given: Any) -> Any:
    """Granian, on the inherited socket if there is one."""
    if listen_fd is None:
        return Server(target, **given)
    shared = SharedServer(target, **given)
    shared.inherited_fd = listen_fd
    return shared


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)
