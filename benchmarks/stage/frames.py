"""A server's WebSocket as bytes: its frames, and what a test event says, without decoding it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

_MINE = b'"event_type":"benchmark"'


@dataclass
class Frames:
    """Frames of a server (RFC 6455: never masked; ours are never in parts), the answer to the handshake left out."""

    is_open: bool = False
    _rest: bytearray = field(default_factory=bytearray)

    def fed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The opcode and content of each frame that is complete now. Raises `ConnectionError` for another answer."""
        self._rest += data
        if not self.is_open and not self._opened():
            return
        at = 0
        while (frame := self._frame(at)) is not None:
            opcode, begin, at = frame
            yield opcode, bytes(self._rest[begin:at])
        del self._rest[:at]

    def _opened(self) -> bool:
        head, found, rest = bytes(self._rest).partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(head[:200].decode(errors="replace"))
        self.is_open, self._rest = True, bytearray(rest)
        return True

    def _frame(self, at: int) -> tuple[int, int, int] | None:
        """Opcode, where the content begins, where it ends; None while it is not all there."""
        rest = self._rest
        if len(rest) < at + 2:
            return None
        begin, length = at + 2, rest[at + 1] & 0x7F
        if length >= 126:
            size = 2 if length == 126 else 8
            begin += size
            if len(rest) < begin:
                return None
            length = int.from_bytes(rest[begin - size : begin], "big")
        return (rest[at] & 0x0F, begin, begin + length) if len(rest) >= begin + length else None


def position_of(line: bytes) -> str:
    """What to resume after."""
    begin = line.index(b'"id":"') + 6
    return line[begin : line.index(b'"', begin)].decode()


def number_of(line: bytes) -> int | None:
    """Which one of the benchmark's events it is; None for any other event."""
    return int(_after(line, b'"number":')) if _MINE in line else None


def said_at(line: bytes) -> float:
    """When it was published, by the machine's `perf_counter`."""
    return float(_after(line, b'"at":'))


def _after(line: bytes, name: bytes) -> bytes:
    begin = line.index(name) + len(name)
    end = begin
    while line[end] not in b",}":
        end += 1
    return line[begin:end]
