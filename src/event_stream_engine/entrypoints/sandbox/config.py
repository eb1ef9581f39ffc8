"""The sandbox's start configuration."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from event_stream_engine.entrypoints.sandbox.faults import Faults

SMS_QUEUE_SECONDS: Final = 10 * 3600
WHATSAPP_QUEUE_SECONDS: Final = 4 * 3600
WINDOW_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """`webhook_inbound_url` may be empty: then inbound messages change the block list only.

    `clock_scale` 60 lets an hour of queue or delay pass in a minute. `senders` empty admits every well-formed
    sender. `services` names the numbers behind a Messaging Service; an unlisted one gets one made-up number.
    `journal` is the append-only file that survives a restart; None keeps nothing.
    Past `messages_max` the oldest messages' details are forgotten (their counts stay); past `pairs_max`
    distinct (recipient, sender) pairs new messages are refused with 503: a count that forgets is no judge.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8701
    api_key_sid: str | None = None
    api_key_secret: str | None = field(default=None, repr=False)
    webhook_inbound_url: str = ""
    seed: int = 1
    clock_scale: float = 1.0
    senders: frozenset[str] = frozenset()
    services: dict[str, tuple[str, ...]] = field(default_factory=dict)
    journal: Path | None = None
    messages_max: int = 300_000
    pairs_max: int = 2_000_000
    callback_workers: int = 32
    callbacks_waiting_max: int = 500_000
    faults: Faults = field(default_factory=Faults)
