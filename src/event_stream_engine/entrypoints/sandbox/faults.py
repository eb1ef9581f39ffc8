"""What the sandbox does wrong on purpose, and each message's fate under it.

A fate follows from the seed, the recipient and the text, never from the order of calls: two runs with the
same seed, audience and faults end alike however the requests interleave.
"""

import hashlib
import struct
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=60_000)]
Weight = Annotated[float, msgspec.Meta(ge=0)]

ReplyFault: TypeAlias = Literal["throttled", "error_before", "error_after", "dropped", "hanging"]
REPLY_FAULTS: tuple[ReplyFault, ...] = ("throttled", "error_before", "error_after", "dropped", "hanging")

DEFAULT_FAILURE_CODES = {"30003": 3.0, "30005": 2.0, "30006": 1.0, "30007": 1.0, "30008": 2.0}
DEFAULT_WHATSAPP_FAILURE_CODES = {"63024": 3.0, "63003": 2.0, "63049": 1.0}


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Shares are of messages, 0 to 1. Ranges are (lowest, highest), drawn evenly. The defaults are calm.

    Reply faults exclude each other, so their shares add up to at most 1: `throttled` (429, not accepted),
    `error_before` (503, not accepted), `error_after` (500 although accepted), `dropped` (accepted, the
    connection closes in mid-reply), `hanging` (accepted, no reply within `hanging_seconds`).
    Callback faults: `lost` per callback, `duplicated`, `reordered`, `slow` and `early` (first callback before
    the 201) per message.
    """

    latency_ms: tuple[Milliseconds, Milliseconds] = (5.0, 30.0)
    throttled: Share = 0.0
    error_before: Share = 0.0
    error_after: Share = 0.0
    dropped: Share = 0.0
    hanging: Share = 0.0
    hanging_seconds: Seconds = 60.0

    failed: Share = 0.02
    failure_codes: dict[str, Weight] = msgspec.field(default_factory=lambda: dict(DEFAULT_FAILURE_CODES))
    whatsapp_failure_codes: dict[str, Weight] = msgspec.field(
        default_factory=lambda: dict(DEFAULT_WHATSAPP_FAILURE_CODES)
    )
    read: Share = 0.6
    status_delay_seconds: tuple[Seconds, Seconds] = (0.5, 2.0)

    duplicated: Share = 0.0
    reordered: Share = 0.0
    early: Share = 0.0
    lost: Share = 0.0
    slow: Share = 0.0
    slow_seconds: Seconds = 30.0

    messages_per_second: Annotated[float, msgspec.Meta(ge=0)] = 200.0
    concurrency_cap: Annotated[int, msgspec.Meta(ge=1)] = 100
    whatsapp_window: bool = False
    whatsapp_join_required: bool = False

    def __post_init__(self) -> None:
        if sum(getattr(self, name) for name in REPLY_FAULTS) > 1 + 1e-9:
            raise ValueError(f"the shares of {', '.join(REPLY_FAULTS)} must not add up to more than 1")
        for name in ("latency_ms", "status_delay_seconds"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the lowest value comes first")
        for codes in (self.failure_codes, self.whatsapp_failure_codes):
            if not all(code.isdigit() for code in codes):
                raise ValueError("failure codes are numbers")
            if self.failed and not sum(codes.values()):
                raise ValueError("failure codes need at least one weight above 0")


def parse_faults(given: object, *, over: Faults) -> Faults:
    """`over` with the given fields replaced. Raises `msgspec.ValidationError` naming what is wrong."""
    if not isinstance(given, Mapping):
        raise msgspec.ValidationError("the faults are a JSON object")
    return msgspec.convert({**msgspec.to_builtins(over), **given}, Faults)


_UNPACK = struct.Struct("<16I").unpack
_FULL = float(2**32)


class Fate:
    """The draws of one message (and one attempt at it), each an even number in [0, 1)."""

    __slots__ = ("_draws", "_faults")

    def __init__(self, faults: Faults, seed: int, to: str, body: str, attempt: int) -> None:
        key = f"{seed}\0{to}\0{body}\0{attempt}".encode("utf-8", "surrogatepass")
        self._draws = _UNPACK(hashlib.blake2b(key).digest())
        self._faults = faults

    def _draw(self, index: int) -> float:
        return float(self._draws[index]) / _FULL

    def _between(self, index: int, bounds: tuple[float, float]) -> float:
        return bounds[0] + self._draw(index) * (bounds[1] - bounds[0])

    @property
    def reply_fault(self) -> ReplyFault | None:
        at = self._draw(0)
        for name in REPLY_FAULTS:
            share: float = getattr(self._faults, name)
            if at < share:
                return name
            at -= share
        return None

    @property
    def latency(self) -> float:
        """Seconds until the reply."""
        return self._between(1, self._faults.latency_ms) / 1000

    def failure(self, channel: str) -> int | None:
        """The error code the delivery ends with, if it fails."""
        if self._draw(2) >= self._faults.failed:
            return None
        whatsapp = channel == "whatsapp"
        codes = self._faults.whatsapp_failure_codes if whatsapp else self._faults.failure_codes
        at = self._draw(3) * sum(codes.values())
        for code, weight in codes.items():
            at -= weight
            if at < 0:
                return int(code)
        return int(next(reversed(codes)))

    @property
    def is_read(self) -> bool:
        return self._draw(14) < self._faults.read

    def step_delay(self, step: int) -> float:
        """Seconds between two statuses; `step` 0 to 2."""
        return self._between(4 + step, self._faults.status_delay_seconds)

    @property
    def is_duplicated(self) -> bool:
        return self._draw(7) < self._faults.duplicated

    @property
    def is_reordered(self) -> bool:
        return self._draw(8) < self._faults.reordered

    @property
    def is_early(self) -> bool:
        return self._draw(9) < self._faults.early

    def is_lost(self, step: int) -> bool:
        return self._draw(10 + step % 3) < self._faults.lost

    @property
    def is_slow(self) -> bool:
        return self._draw(13) < self._faults.slow
