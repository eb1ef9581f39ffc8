"""May this message leave now? Asked once per message, when it is claimed, with the contact as it is then."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from event_stream_engine.messaging.model.quiet import QuietHours, quiet_until, zones_of

SERVICE_WINDOW = timedelta(hours=24)  # WhatsApp: free text only within 24 h of the person's last message

REFUSALS: dict[str, str] = {
    "stopped": "Wrote STOP",
    "opted_out": "Opted out",
    "no_consent": "Consent unknown",
    "channel_blocked": "Number cannot receive this channel",
    "missing_attribute": "A placeholder has no value",
    "variable_empty": "A variable of the WhatsApp template is empty",
    "variable_multiline": "A variable of the WhatsApp template has line breaks, tabs or wide gaps",
    "text_empty": "The text is empty",
    "text_too_long": "The text is longer than 1,600 characters",
    "outside_window": "Outside WhatsApp's 24-hour window, and the template is not approved",
    "contact_deleted": "The contact was deleted",
}

REASONS: dict[str, str] = REFUSALS | {
    "other_message_under_way": "Waits until another message to this person has left",
    "outcome_unclear": "Twilio does not show whether it was sent",
}


def reason_title(code: str | None) -> str | None:
    """A message's reason in words."""
    return REASONS.get(code, code.replace("_", " ").capitalize()) if code else None


@dataclass(frozen=True, slots=True)
class Allowed:
    pass


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: `reason` is a key of `REFUSALS`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: try again at `until` (aware)."""

    until: datetime


Verdict = Allowed | Refused | Deferred
ALLOWED = Allowed()


@dataclass(frozen=True, slots=True)
class Recipient:
    """What the gate knows of a contact at the moment of the claim."""

    consent: str
    timezone: str | None
    blocked_channels: tuple[str, ...]
    last_inbound_at: datetime | None
    phone: str = ""


def judge(
    recipient: Recipient | None,
    *,
    channel: str,
    is_approved_template: bool,
    unsendable: str | None,
    quiet: QuietHours | None,
    now: datetime,
) -> Verdict:
    """The one gate. Refusals come before deferral: who must not be written to is not kept waiting.

    `unsendable` says what is wrong with the text that this person would get (`templates.unsendable`).
    """
    if recipient is None:
        return Refused("contact_deleted")
    if recipient.consent != "opted_in":
        return Refused({"stopped": "stopped", "opted_out": "opted_out"}.get(recipient.consent, "no_consent"))
    if channel in recipient.blocked_channels:
        return Refused("channel_blocked")
    if unsendable is not None:
        return Refused(unsendable)
    if channel == "whatsapp" and not is_approved_template and not _window_open(recipient, now):
        return Refused("outside_window")
    until = quiet_until(quiet, zones_of(recipient.timezone, recipient.phone), now) if quiet else None
    return Deferred(until) if until else ALLOWED


def _window_open(recipient: Recipient, now: datetime) -> bool:
    return recipient.last_inbound_at is not None and now - recipient.last_inbound_at < SERVICE_WINDOW
