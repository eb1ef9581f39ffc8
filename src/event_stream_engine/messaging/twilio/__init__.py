"""Everything this platform knows about Twilio: its REST client, its webhooks, signatures and error codes.

Nothing outside this package (and the sandbox, which plays Twilio) names a Twilio field, header or code rule.
"""

from typing import Any

from event_stream_engine.errors import Unavailable
from event_stream_engine.messaging.gateway import MessageGateway
from event_stream_engine.messaging.twilio.client import TwilioGateway
from event_stream_engine.messaging.twilio.guarded import ASKING, SENDING, GuardedGateway
from event_stream_engine.resilience import circuits_of
from event_stream_engine.settings import Settings


def client_of(settings: Settings) -> TwilioGateway:
    """A client of its own, without breakers. Raises `Unavailable` without credentials."""
    twilio = settings.twilio
    credentials = twilio.credentials
    if twilio.account_sid is None or credentials is None:
        raise Unavailable(
            "No Twilio account is configured: set TWILIO_ACCOUNT_SID, and TWILIO_AUTH_TOKEN or an API key."
        )
    return TwilioGateway(
        account_sid=twilio.account_sid,
        user=credentials[0],
        auth_token=credentials[1],
        base_url=twilio.base_url,
        connections=settings.messaging.concurrency * 2,
    )


def gateway_of(settings: Settings, shared: dict[str, Any]) -> MessageGateway:
    """This process's one gateway behind its breakers, made on first use. Raises `Unavailable` without credentials."""
    if "twilio" not in shared:
        client = client_of(settings)
        circuits = circuits_of(shared)
        sending, asking = circuits.breaker(SENDING), circuits.breaker(ASKING)
        guarded = shared["twilio"] = GuardedGateway(client, sending, asking, settings.messaging.concurrency * 2)
        circuits.add_pool(SENDING, guarded.pool)
    gateway: MessageGateway = shared["twilio"]
    return gateway
