"""Free ports on loopback."""

import socket

LOOPBACK = "127.0.0.1"
STEPS_MAX = 100  # how far beyond the preferred port to look


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on `host:port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT does not count
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def any_free(host: str = LOOPBACK) -> int:
    """A port that the system picks."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def free_from(preferred: int, host: str = LOOPBACK, *, taken: frozenset[int] = frozenset()) -> int:
    """`preferred`, or the next free port after it that is not in `taken`, or any when `STEPS_MAX` are
    taken."""
    candidates = range(preferred, min(preferred + STEPS_MAX, 65536))
    return next((port for port in candidates if port not in taken and is_free(port, host)), None) or any_free(host)
