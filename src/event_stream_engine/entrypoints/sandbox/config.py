"""The sandbox's start configuration."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from pydantic import SecretStr

from event_stream_engine.entrypoints.sandbox.faults import Faults, parse_faults
from event_stream_engine.errors import Invalid
from event_stream_engine.settings import Settings

JOURNAL_FILE: Final = "sandbox.jsonl"

SMS_QUEUE_SECONDS: Final = 10 * 3600
WHATSAPP_QUEUE_SECONDS: Final = 4 * 3600
WINDOW_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """`webhook_inbound_url` may be empty: then inbound messages change the block list only.

    With `webhook_secret` webhooks are signed as a Webhooks Rule with a SharedKey has it (HMAC-SHA256).
    `webhook_fallback_url` is shown by the API and never called.
    `clock_scale` 60 lets an hour of queue or delay pass in a minute. `senders` empty admits every well-formed
    sender. `templates` are texts with `{{1}}` by Content SID; more are registered at `/sandbox/templates`.
    `services` names the numbers behind a Messaging Service; an unlisted one gets one made-up number.
    `journal` is the append-only file that survives a restart; None keeps nothing.
    Past `messages_max` the oldest messages' details are forgotten (their counts stay); past `pairs_max`
    distinct (recipient, sender) pairs new messages are refused with 503: a count that forgets is no judge.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8701
    listen_fd: int | None = None
    """A listening socket that it was given; without one it makes its own."""
    api_key_sid: str | None = None
    api_key_secret: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    webhook_inbound_url: str = ""
    webhook_fallback_url: str = ""
    seed: int = 1
    clock_scale: float = 1.0
    senders: frozenset[str] = frozenset()
    templates: dict[str, str] = field(default_factory=dict)
    services: dict[str, tuple[str, ...]] = field(default_factory=dict)
    journal: Path | None = None
    messages_max: int = 300_000
    pairs_max: int = 2_000_000
    callback_workers: int = 32
    callbacks_waiting_max: int = 500_000
    faults: Faults = field(default_factory=Faults)


def config_from(settings: Settings) -> SandboxConfig:
    """The configuration that the settings describe. Raises `Invalid` naming the variable that is wrong."""
    chosen = settings.sandbox
    account_sid = chosen.account_sid or settings.twilio.account_sid
    token = chosen.auth_token or settings.twilio.auth_token
    if not account_sid or token is None:
        raise Invalid("Set ESE_SANDBOX_ACCOUNT_SID and ESE_SANDBOX_AUTH_TOKEN, or start everything by `ese up`.")
    inbound = f"{settings.http.origin}/webhooks/twilio/inbound"
    return SandboxConfig(
        account_sid=account_sid,
        auth_token=token.get_secret_value(),
        host=chosen.host,
        port=chosen.port,
        listen_fd=chosen.listen_fd,
        api_key_sid=settings.twilio.api_key_sid,
        api_key_secret=_revealed(settings.twilio.api_key_secret),
        webhook_secret=_revealed(settings.twilio.webhook_secret, first=True),
        webhook_inbound_url=chosen.webhook_inbound_url or f"{inbound}#rc=5&rp=all",
        webhook_fallback_url=chosen.webhook_inbound_url or inbound,
        seed=chosen.seed,
        clock_scale=chosen.clock_scale,
        senders=frozenset(name.strip() for name in chosen.senders.split(",") if name.strip()),
        services=_services(chosen.services),
        journal=settings.home / JOURNAL_FILE,
        messages_max=chosen.messages_max,
        faults=_faults(chosen.faults),
    )


def _revealed(secret: SecretStr | None, *, first: bool = False) -> str | None:
    """Of several, separated by commas, the `first`."""
    if secret is None:
        return None
    text = secret.get_secret_value()
    return text.partition(",")[0].strip() if first else text


def _faults(text: str) -> Faults:
    try:
        return parse_faults(msgspec.json.decode(text), over=Faults())
    except msgspec.MsgspecError as error:
        raise Invalid.field("ESE_SANDBOX_FAULTS", str(error)) from error


def _services(text: str) -> dict[str, tuple[str, ...]]:
    try:
        return msgspec.json.decode(text, type=dict[str, tuple[str, ...]])
    except msgspec.MsgspecError as error:
        raise Invalid.field("ESE_SANDBOX_SERVICES", str(error)) from error
