"""A person writes to one of the account's senders: what Twilio keeps of it, and the webhook it sends.

Fields: https://www.twilio.com/docs/messaging/guides/webhook-request
"""

import secrets
import time
from typing import Annotated, Any

import msgspec

from event_stream_engine.entrypoints.sandbox.account import Account
from event_stream_engine.entrypoints.sandbox.callbacks import Callback, Reply
from event_stream_engine.entrypoints.sandbox.mailbox import received
from event_stream_engine.entrypoints.sandbox.message import API_VERSION, Message
from event_stream_engine.messaging import sms

WHATSAPP_PREFIX = "whatsapp:"
KEYWORDS = {
    **dict.fromkeys(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"), "stop"),
    **dict.fromkeys(("START", "YES", "UNSTOP"), "start"),
    **dict.fromkeys(("HELP", "INFO"), "help"),
}
"""What Twilio acts on by default, as the whole message in any case, with or without a full stop:
https://help.twilio.com/articles/223134027"""


class InboundMedia(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    content_type: str = "image/jpeg"


class Button(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    payload: str = ""


class InboundRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`from` writes to `to`: a number of ours, or a Messaging Service (`MG…`) for one of its numbers.

    `opt_out_type` overrides what Advanced Opt-Out would have found (custom words of a Messaging Service).
    """

    from_: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = msgspec.field(name="from")
    to: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    body: Annotated[str, msgspec.Meta(max_length=1600)] = ""
    media: Annotated[tuple[InboundMedia, ...], msgspec.Meta(max_length=10)] = ()
    button: Button | None = None
    profile_name: str | None = None
    opt_out_type: str | None = None
    extra: dict[str, str] = {}


async def receive_inbound(account: Account, request: InboundRequest) -> dict[str, Any]:
    """Apply the message to the block list, list it, and post it to the inbound webhook.

    Returns its sid, what the keyword did (`stop`, `start`, `help` or None) and the webhook's answer.
    """
    service, number = _addresses(account, request)
    effect = _apply_keyword(account, request, service, number)
    account.senders.heard(number, request.from_)
    form = _form(account, request, service, number, effect)
    account.mailbox.add(_listed(dict(form), request))
    url = account.config.webhook_inbound_url
    reply = await account.dispatcher.deliver(Callback(url, form)) if url else Reply(None, "no inbound webhook")
    return {
        "sid": dict(form)["MessageSid"],
        "effect": effect,
        "webhook_status": reply.status,
        "webhook_reply": reply.body[:2000],
    }


def _listed(form: dict[str, str], request: InboundRequest) -> Message:
    """The resource that the API shows, whatever becomes of the webhook."""
    return received(
        sid=form["MessageSid"],
        from_=form["From"],
        to=form["To"],
        service=form.get("MessagingServiceSid"),
        body=form["Body"],
        media=tuple(media.url for media in request.media),
        segments=int(form["NumSegments"]),
        at=time.time(),
    )


def _addresses(account: Account, request: InboundRequest) -> tuple[str | None, str]:
    """The Messaging Service concerned, if any, and the number that was written to."""
    if request.to.startswith("MG"):
        return request.to, account.senders.number_of(request.to, request.from_)
    return account.senders.service_of(request.to), request.to


def _apply_keyword(account: Account, request: InboundRequest, service: str | None, number: str) -> str | None:
    """Twilio acts on keywords for SMS numbers, and for WhatsApp only within a Messaging Service."""
    if service is None and request.from_.startswith(WHATSAPP_PREFIX):
        return None
    configured = request.opt_out_type.lower() if service and request.opt_out_type else None
    kind = configured or KEYWORDS.get(request.body.strip(" \n\t.!").upper())
    if kind is None:
        return None
    if kind != "help":
        account.senders.set_blocked(service or number, request.from_, kind == "stop")
    return kind


def _form(
    account: Account, request: InboundRequest, service: str | None, number: str, effect: str | None
) -> list[tuple[str, str]]:
    sid = ("MM" if request.media else "SM") + secrets.token_hex(16)
    form = {
        "AccountSid": account.config.account_sid,
        "ApiVersion": API_VERSION,
        "Body": request.button.text if request.button else request.body,
        "From": request.from_,
        "MessageSid": sid,
        "NumMedia": str(len(request.media)),
        "NumSegments": str(sms.measure(request.body).segments),
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "SmsStatus": "received",
        "To": number,
    }
    for index, media in enumerate(request.media):
        form[f"MediaUrl{index}"] = media.url
        form[f"MediaContentType{index}"] = media.content_type
    if service is not None:
        form["MessagingServiceSid"] = service
        if effect is not None:
            form["OptOutType"] = effect.upper()
    form.update(_whatsapp_fields(request) if request.from_.startswith(WHATSAPP_PREFIX) else _GEOGRAPHY)
    return list({**form, **request.extra}.items())


# Twilio sends these with every SMS, empty where it does not know the place.
_GEOGRAPHY = {f"{side}{part}": "" for side in ("From", "To") for part in ("City", "State", "Zip", "Country")}


def _whatsapp_fields(request: InboundRequest) -> dict[str, str]:
    number = request.from_.removeprefix(WHATSAPP_PREFIX)
    kind = "button" if request.button else "image" if request.media else "text"
    fields = {
        "ChannelMetadata": '{"type":"whatsapp","data":{"context":{}}}',
        "MessageType": kind,
        "ProfileName": request.profile_name or "",
        "WaId": number.removeprefix("+"),
    }
    if request.button:
        fields |= {"ButtonText": request.button.text, "ButtonPayload": request.button.payload}
    return fields
