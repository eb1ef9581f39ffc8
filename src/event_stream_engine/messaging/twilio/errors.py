"""Twilio's error codes as data: what happened, what a marketer can do, and what the engine does.

Codes and meanings: https://www.twilio.com/docs/api/errors. The reactions are ours.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Reaction: TypeAlias = Literal["retry", "backoff", "no_retry", "defer"]
Suppression: TypeAlias = Literal["none", "opt_out", "invalid_number", "block_channel"]
PauseScope: TypeAlias = Literal["none", "campaign", "account"]
PauseWhen: TypeAlias = Literal["at_once", "mostly"]


@dataclass(frozen=True, slots=True)
class TwilioError:
    """One code.

    `reaction`: `retry` once or twice after hours; `backoff` in seconds, no attempt burned; `defer` to a later
    day or window; `no_retry`. `suppression` is what the contact learns from it. `pause` is who stops sending:
    `campaign` because the next message would fail alike, `account` because every campaign would. `pause_when`: an
    answer with a fault of the account or the sender pauses `at_once`; `mostly` is for codes that one recipient's data
    can cause: that recipient fails, and sending stops when most of the last ones failed alike. A code that comes in a
    receipt always counts as `mostly`.
    """

    code: int
    title: str
    what_to_do: str
    reaction: Reaction = "no_retry"
    suppression: Suppression = "none"
    pause: PauseScope = "none"
    pause_when: PauseWhen = "at_once"


def describe(code: int) -> TwilioError:
    """The entry of a code; an unknown one is neither repeated nor held against the contact."""
    return ERRORS.get(code) or TwilioError(
        code,
        f"Twilio error {code}",
        f"Twilio reported code {code}, which has no advice here. Look it up at "
        f"https://www.twilio.com/docs/errors/{code}.",
    )


def _table(*entries: TwilioError) -> dict[int, TwilioError]:
    return {entry.code: entry for entry in entries}


_E = TwilioError

_SETUP = _table(
    # Twilio always names a code: an answer without one comes from something in between, and the next message
    # would meet it too.
    _E(0, "Refused before it reached Twilio",
       "A proxy or firewall between this platform and Twilio refuses requests; check the network's rules.",
       pause="campaign"),
    _E(20003, "Twilio did not accept the credentials",
       "Check the Account SID and Auth Token in the settings; every campaign waits until they work.",
       pause="account"),
    _E(20429, "Too many requests at once", "Nothing to do: sending slows down by itself.", "backoff"),
    _E(20404, "Twilio does not know this address",
       "Check the Account SID and the sender; the resource named in the request does not exist.",
       pause="campaign"),
    _E(21601, "The sender cannot send SMS", "Choose a number with SMS capability.", pause="campaign"),
    _E(21603, "No sender was given", "Choose a sender for the campaign.", pause="campaign"),
    _E(21604, "No recipient was given", "The message has no phone number; check the contact."),
    _E(21606, "The sender does not belong to this account",
       "Pick a number or Messaging Service that your Twilio account owns.", pause="campaign"),
    _E(21212, "The sender's number is not valid", "Correct the sender's phone number.", pause="campaign"),
    _E(21703, "The Messaging Service has no senders",
       "Add a number to the Messaging Service's sender pool in the Twilio console.", pause="campaign"),
    _E(21704, "The Messaging Service has no suitable sender",
       "Add a sender that can reach this country and channel to the Messaging Service.", pause="campaign"),
    _E(21705, "The Messaging Service does not exist",
       "Check the Messaging Service SID of the sender.", pause="campaign"),
    _E(21910, "Sender and recipient are on different channels",
       "Use a WhatsApp sender for WhatsApp and a phone number for SMS.", pause="campaign"),
    _E(63007, "The WhatsApp sender is unknown to Twilio",
       "Register the WhatsApp sender in the Twilio console, or choose another.", pause="campaign"),
    _E(21608, "A trial account may only text verified numbers",
       "Verify the recipient's number in the Twilio console, or upgrade the account."),
    _E(63015, "The recipient has not joined the WhatsApp sandbox",
       "Ask the recipient to send the join code, or use an approved WhatsApp sender."),
    _E(30002, "The Twilio account is suspended",
       "Look for a notice from Twilio in its console; sending resumes when the account is active again.",
       pause="account"),
    _E(30032, "The toll-free number is not verified",
       "Submit the toll-free verification in Twilio and wait for approval.", pause="campaign"),
    _E(30034, "The sender is not registered for US traffic",
       "Register the number with an A2P 10DLC campaign before texting US numbers.", pause="campaign"),
)  # fmt: skip

_RECIPIENT = _table(
    _E(21211, "Not a valid phone number", "Correct the number or remove the contact.",
       suppression="invalid_number"),
    _E(21217, "The phone number does not look valid", "Correct the number or remove the contact.",
       suppression="invalid_number"),
    _E(21612, "This number cannot be reached from this sender",
       "Try a sender of the recipient's country.", suppression="invalid_number"),
    _E(21614, "Not a mobile number", "Ask the contact for a mobile number.", suppression="invalid_number"),
    _E(21635, "A landline cannot receive SMS", "Ask the contact for a mobile number.",
       suppression="invalid_number"),
    _E(21408, "Sending to this country is switched off",
       "Enable the country under Messaging > Geo permissions in the Twilio console."),
    _E(21610, "The recipient opted out with Twilio",
       "Nothing to do: the contact is recorded as opted out and may come back by sending START.",
       suppression="opt_out"),
    _E(30003, "The handset could not be reached",
       "Often a phone that is switched off: include these people in a later campaign.", "retry"),
    _E(30004, "The recipient or the carrier blocks messages",
       "Reach this contact on another channel.", suppression="block_channel"),
    _E(30005, "The number does not exist any more", "Ask the contact for a current number.",
       suppression="invalid_number"),
    _E(30006, "A landline, or a carrier that cannot be reached", "Ask the contact for a mobile number.",
       suppression="invalid_number"),
    _E(30610, "Outside the hours that the law allows there",
       "Send to these people again in the permitted hours; quiet hours in the campaign prevent this.",
       "defer"),
    _E(30640, "The number belongs to a known litigator",
       "Twilio's Compliance Toolkit blocks this number; leave it out of campaigns.",
       suppression="block_channel"),
    _E(63003, "No WhatsApp account on this number", "Reach this contact by SMS.",
       suppression="block_channel"),
    _E(63024, "WhatsApp cannot deliver to this recipient", "Reach this contact by SMS.",
       suppression="block_channel"),
    _E(63014, "The recipient blocked the WhatsApp sender", "Reach this contact on another channel.",
       suppression="block_channel"),
    _E(63033, "The recipient blocked the business on WhatsApp", "Reach this contact on another channel.",
       suppression="block_channel"),
    _E(63032, "WhatsApp limits messages to this user", "Try this contact again in some days.", "defer"),
    _E(63049, "Meta held the marketing message back",
       "WhatsApp caps marketing per person; US numbers receive none. Try later, or use SMS.", "defer"),
)  # fmt: skip

_CONTENT = _table(
    _E(21602, "The message is empty", "Give the template a text of its own beside its placeholders.",
       pause="campaign", pause_when="mostly"),
    _E(21617, "The text is longer than 1600 characters", "Shorten the template, or the attributes that it takes in.",
       pause="campaign", pause_when="mostly"),
    _E(21609, "The callback address is not valid",
       "Set the public address of this platform to a host name without underscores.", pause="campaign"),
    _E(21654, "A template is required here", "Choose an approved WhatsApp template.", pause="campaign"),
    _E(21655, "The template's Content SID is not valid", "Check the template's Content SID (HX…).",
       pause="campaign"),
    _E(21656, "The template's variables are not valid",
       "Give each placeholder a text that stands in for an empty value, and take line breaks out of the attributes.",
       pause="campaign", pause_when="mostly"),
    _E(30007, "Filtered as spam by the carrier",
       "Rework the text: name your brand, avoid link shorteners and capitals, and check the registration."),
    _E(63026, "Filtered by WhatsApp", "Rework the text and check the template's category."),
    _E(63013, "WhatsApp policy forbids this message",
       "Check the template and the account against WhatsApp's business policy.", pause="campaign"),
    _E(63016, "Free text outside the 24-hour window",
       "Use an approved template: free text is allowed only within 24 hours of the contact's last message."),
    _E(63020, "The WhatsApp business account is restricted",
       "Look for a notice in Meta's business manager.", pause="campaign"),
    _E(63027, "The template does not exist in this language",
       "Check the template's language and approval.", pause="campaign"),
    _E(63028, "The template got the wrong number of variables",
       "Compare the template's placeholders with the variables that Twilio expects.",
       pause="campaign", pause_when="mostly"),
    _E(63030, "The template's variables have a wrong form",
       "Remove line breaks and tabs from the variables and check their types.",
       pause="campaign", pause_when="mostly"),
    _E(63041, "Meta paused the template", "Improve the template's quality or choose another.",
       pause="campaign"),
)  # fmt: skip

_CAPACITY = _table(
    _E(21611, "The sender's queue is full",
       "Lower the sender's rate or add senders, then send to these people again.", "backoff"),
    _E(30001, "The sender's queue overflowed",
       "Lower the sender's rate or add senders, then send to these people again.",
       "retry"),
    _E(30008, "The carrier gave no reason",
       "Often passes by itself: include these people in a later campaign.", "retry"),
    _E(30017, "The carrier is congested",
       "The carrier was busy: include these people in a later campaign, at a lower rate.", "backoff"),
    _E(30022, "US rate limit of the registration", "Lower the rate, or send to these people again later.", "defer"),
    _E(30023, "US daily limit of the registration",
       "Send to these people tomorrow, or ask Twilio for a higher tier.", "defer"),
    _E(30036, "Waited too long in Twilio's queue", "Send again only if the message is still timely."),
    _E(30450, "Blocked as suspected message pumping",
       "Check where this number came from; protection is set in the Twilio console."),
    _E(63017, "WhatsApp account rate exceeded", "Nothing to do: sending slows down by itself.", "backoff"),
    _E(63018, "WhatsApp limit of the sender reached",
       "Send to these people after 24 hours; the limit grows with the sender's quality.", "defer"),
    _E(63038, "Daily message limit of the account reached",
       "Send to these people tomorrow, or ask Twilio for a higher limit.",
       "defer"),
)  # fmt: skip

ERRORS: dict[int, TwilioError] = {**_SETUP, **_RECIPIENT, **_CONTENT, **_CAPACITY}
