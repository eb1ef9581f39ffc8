"""What Twilio remembers per sender: its queue, who opted out, and the open WhatsApp conversations."""

import hashlib
import time

from event_stream_engine.entrypoints.sandbox.config import (
    SMS_QUEUE_SECONDS,
    WHATSAPP_QUEUE_SECONDS,
    WINDOW_SECONDS,
    SandboxConfig,
)
from event_stream_engine.entrypoints.sandbox.journal import Journal


class ScaledClock:
    """Sandbox time in seconds: `scale` times as fast as the machine's."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._start = time.monotonic()

    def now(self) -> float:
        return (time.monotonic() - self._start) * self._scale

    def real(self, seconds: float) -> float:
        """How long `seconds` of sandbox time take."""
        return seconds / self._scale


class Senders:
    """Numbers and Messaging Services of the account."""

    def __init__(self, config: SandboxConfig, clock: ScaledClock, journal: Journal) -> None:
        self._config = config
        self._clock = clock
        self._journal = journal
        self._clear()

    def _clear(self) -> None:
        self._free_at: dict[str, float] = {}
        self._blocked: set[tuple[str, str]] = set()
        self._spoke_at: dict[tuple[str, str], float] = {}

    def owns(self, sender: str) -> bool:
        return not self._config.senders or sender in self._config.senders

    def number_of(self, service: str, recipient: str) -> str:
        """The number a Messaging Service uses for a recipient; the same one each time (sticky sender)."""
        pool = self._pool(service)
        number = pool[hashlib.blake2b(recipient.encode(), digest_size=2).digest()[0] % len(pool)]
        return f"whatsapp:{number}" if recipient.startswith("whatsapp:") else number

    def _pool(self, service: str) -> tuple[str, ...]:
        listed = self._config.services.get(service)
        if listed:
            return listed
        digits = int.from_bytes(hashlib.blake2b(service.encode(), digest_size=4).digest()) % 10_000_000
        return (f"+1415{digits:07d}",)

    def service_of(self, number: str) -> str | None:
        plain = number.removeprefix("whatsapp:")
        return next((s for s, pool in self._config.services.items() if plain in pool), None)

    def wait(self, sender: str, rate: float) -> float:
        """Seconds until the sender would take the next message. A service's rate is its pool's sum."""
        return 0.0 if rate == 0 else max(0.0, self._free_at.get(sender, 0.0) - self._clock.now())

    def is_full(self, sender: str, rate: float, *, whatsapp: bool) -> bool:
        limit = WHATSAPP_QUEUE_SECONDS if whatsapp else SMS_QUEUE_SECONDS
        return self.wait(sender, rate) >= limit

    def enqueue(self, sender: str, rate: float, units: int) -> float:
        """Take `units` messages' room in the queue; returns the seconds until they leave."""
        if rate == 0:
            return 0.0
        width = len(self._pool(sender)) if sender.startswith("MG") else 1
        now = self._clock.now()
        starts = max(now, self._free_at.get(sender, 0.0))
        self._free_at[sender] = starts + units / (rate * width)
        return starts - now

    def set_blocked(self, sender: str, recipient: str, blocked: bool) -> None:
        pair = (sender, recipient)
        if blocked:
            self._blocked.add(pair)
        else:
            self._blocked.discard(pair)
        self._journal.append("b", sender, recipient, blocked)

    def is_blocked(self, sender: str, recipient: str) -> bool:
        return (sender, recipient) in self._blocked

    @property
    def blocked_count(self) -> int:
        return len(self._blocked)

    def heard(self, sender: str, contact: str) -> None:
        """The contact wrote: this opens the WhatsApp window."""
        at = time.time()
        self._spoke_at[sender, contact] = at
        self._journal.append("w", sender, contact, at)

    def has_joined(self, sender: str, contact: str) -> bool:
        return (sender, contact) in self._spoke_at

    def is_window_open(self, sender: str, contact: str) -> bool:
        at = self._spoke_at.get((sender, contact))
        return at is not None and time.time() - at < self._clock.real(WINDOW_SECONDS)

    def reset(self) -> None:
        self._clear()

    def restore(self, lines: list[list[object]]) -> None:
        for kind, sender, contact, value in lines:
            pair = (str(sender), str(contact))
            if kind == "w" and isinstance(value, float):
                self._spoke_at[pair] = value
            elif kind == "b" and value:
                self._blocked.add(pair)
            elif kind == "b":
                self._blocked.discard(pair)

    def lines(self) -> list[tuple[object, ...]]:
        blocked: list[tuple[object, ...]] = [("b", *pair, True) for pair in self._blocked]
        return blocked + [("w", *pair, at) for pair, at in self._spoke_at.items()]
