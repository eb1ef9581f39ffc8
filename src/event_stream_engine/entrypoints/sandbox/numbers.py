"""The account's numbers and Messaging Services, with the webhooks that are set for them.

https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource
https://www.twilio.com/docs/messaging/api/service-resource
"""

import hashlib
from typing import Any

from event_stream_engine.entrypoints.sandbox.config import SandboxConfig
from event_stream_engine.entrypoints.sandbox.message import API_VERSION


def list_numbers(config: SandboxConfig, wanted: str | None) -> dict[str, Any]:
    """The SMS numbers; `wanted` is one of them. Where every well-formed sender exists, the one that is asked for."""
    known = [sender for sender in sorted(config.senders) if sender.startswith("+")]
    if not config.senders and wanted:
        known = [wanted]
    chosen = [number for number in known if wanted in (None, number)]
    return {"incoming_phone_numbers": [_number(config, number) for number in chosen], "next_page_uri": None}


def _number(config: SandboxConfig, number: str) -> dict[str, Any]:
    sid = "PN" + hashlib.sha256(number.encode()).hexdigest()[:32]
    return {
        "sid": sid,
        "account_sid": config.account_sid,
        "api_version": API_VERSION,
        "friendly_name": number,
        "phone_number": number,
        "capabilities": {"voice": False, "sms": True, "mms": True, "fax": False},
        "sms_url": config.webhook_inbound_url,
        "sms_method": "POST",
        "sms_fallback_url": config.webhook_fallback_url,
        "sms_fallback_method": "POST",
        "status": "in-use",
        "uri": f"/{API_VERSION}/Accounts/{config.account_sid}/IncomingPhoneNumbers/{sid}.json",
    }


def service(config: SandboxConfig, sid: str) -> dict[str, Any] | None:
    """A Messaging Service; where none is listed, every well-formed one exists."""
    if config.services and sid not in config.services:
        return None
    return {
        "sid": sid,
        "account_sid": config.account_sid,
        "friendly_name": "Sandbox",
        "inbound_request_url": config.webhook_inbound_url,
        "inbound_method": "POST",
        "fallback_url": config.webhook_fallback_url,
        "fallback_method": "POST",
        "sticky_sender": True,
        "use_inbound_webhook_on_number": False,
        "url": f"https://messaging.twilio.com/v1/Services/{sid}",
    }
