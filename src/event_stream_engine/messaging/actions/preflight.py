"""Preflight: what a launch would do, before it does it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from event_stream_engine import clock
from event_stream_engine.backbone import groups
from event_stream_engine.database import Transaction
from event_stream_engine.messaging import sms
from event_stream_engine.messaging.actions.campaigns import find_campaign, frozen_parts
from event_stream_engine.messaging.actions.segments import audience_of
from event_stream_engine.messaging.actions.senders import find_sender
from event_stream_engine.messaging.actions.templates import find_template
from event_stream_engine.messaging.model.campaigns import Campaign, CampaignNotReady
from event_stream_engine.messaging.model.compliance import REFUSALS
from event_stream_engine.messaging.model.finish import expected_finish
from event_stream_engine.messaging.model.quiet import PREFIX_LENGTH, quiet_until, zones_of
from event_stream_engine.messaging.model.templates import Template, render, required_placeholders
from event_stream_engine.messaging.store import preflight as store

MEASURED_MAX = 2000
"""Up to this many texts are rendered and measured; the total of a larger audience is estimated from them."""

PREVIEWS = 5


@dataclass
class Problem:
    """An `error` forbids the launch, a `warning` does not."""

    level: str
    code: str
    message: str


@dataclass
class Preflight:
    """`sms_segments` is None for WhatsApp, and `total` an estimate where `is_estimate`. `expected_seconds` go by until
    `expected_finish`, when the last message has left: the rate and everybody's quiet hours decide; `sending_seconds`
    is what the rate alone would take. `without_zone` people have no time zone of their own; for `zone_from_phone` of
    them their number tells it.
    """

    audience: int
    eligible: int
    exclusions: list[dict[str, Any]]
    sms_segments: dict[str, Any] | None
    expected_seconds: float
    sending_seconds: float
    expected_finish: datetime
    quiet_now: int
    without_zone: int
    zone_from_phone: int
    previews: list[dict[str, Any]]
    problems: list[Problem] = field(default_factory=list)

    @property
    def can_launch(self) -> bool:
        return not any(problem.level == "error" for problem in self.problems)


LAUNCH_GROUPS = ("messaging.freeze_audience", "messaging.start_sending")
"""Without these consumer groups a launched campaign has no people, or sends nothing."""


async def preflight(tx: Transaction, campaign_id: UUID, *, is_sending_held: bool = False) -> Preflight:
    """`is_sending_held`: an operator holds the circuit to Twilio open. Raises `CampaignNotFound`, `TemplateNotFound` or
    `SegmentNotFound`."""
    campaign = await find_campaign(tx, campaign_id)
    template = await find_template(tx, campaign.template_id)
    rule = await audience_of(tx, campaign.segment_id, campaign.topic)
    required = required_placeholders(template.body)
    decided = store.verdict(
        channel=template.channel,
        body=template.body,
        is_approved_template=template.content_sid is not None,
        now=clock.now(),
    )
    verdicts = await store.by_verdict(tx, rule, decided)
    eligible = verdicts.pop("allowed", 0)
    lacking = await store.without_value(tx, rule, decided, required) if "missing_attribute" in verdicts else {}
    places = _places(await store.zones(tx, rule, decided, PREFIX_LENGTH))
    recipients = await store.recipients(tx, rule, decided, MEASURED_MAX)
    texts = [render(template.body, row.attributes, row.phone).text for row in recipients]
    rate = await _rate(tx, campaign)
    start = max(clock.now(), campaign.scheduled_at or clock.now())
    finish = expected_finish(places.people, rate, campaign.quiet_hours, start)
    found = Preflight(
        audience=eligible + sum(verdicts.values()),
        eligible=eligible,
        exclusions=_exclusions(verdicts, lacking),
        sms_segments=_measure(texts, eligible) if template.channel == "sms" else None,
        expected_seconds=round((finish - start).total_seconds(), 1),
        sending_seconds=round(eligible / rate, 1) if rate else 0.0,
        expected_finish=finish,
        quiet_now=_quiet(campaign, places.people),
        without_zone=places.without_zone,
        zone_from_phone=places.from_phone,
        previews=[
            {"contact_id": row.id, "phone": row.phone, "text": text}
            for row, text in zip(recipients[:PREVIEWS], texts, strict=False)
        ],
    )
    held = await _held(tx, is_sending_held=is_sending_held)
    found.problems = [
        *held,
        *await _problems(tx, campaign, template, found),
        *_without_value(lacking),
        *_unsendable(verdicts),
    ]
    return found


def _exclusions(verdicts: dict[str, int], lacking: dict[str, int]) -> list[dict[str, Any]]:
    """Who is left out and why; `lacking` are the placeholders without a value, and for how many."""
    placeholders = ", ".join(f"{{{name}}} for {count:,}" for name, count in lacking.items())
    return [
        {
            "reason": reason,
            "title": REFUSALS[reason],
            "count": count,
            "detail": placeholders if reason == "missing_attribute" else None,
        }
        for reason, count in sorted(verdicts.items(), key=lambda item: -item[1])
    ]


def _measure(texts: list[str], eligible: int) -> dict[str, Any] | None:
    if not texts:
        return None
    lengths = [sms.measure(text) for text in texts]
    segments = [length.segments for length in lengths]
    unicode = sum(length.encoding == "UCS-2" for length in lengths)
    encoding = "GSM-7" if unicode == 0 else "UCS-2" if unicode == len(lengths) else "mixed"
    return {
        "per_message_min": min(segments),
        "per_message_max": max(segments),
        "total": round(sum(segments) * eligible / len(segments)),
        "is_estimate": eligible > len(segments),
        "encoding": encoding,
    }


async def _rate(tx: Transaction, campaign: Campaign) -> int | None:
    """Messages a second; None while no sender is chosen and no limit set."""
    rates = [campaign.messages_per_second] if campaign.messages_per_second else []
    if campaign.sender_id is not None:
        rates.append((await find_sender(tx, campaign.sender_id)).messages_per_second)
    return min(rates) if rates else None


@dataclass
class _Places:
    """How many people are in each set of candidate zones; `()` are those of whom nothing is known."""

    people: Counter[tuple[str, ...]]
    without_zone: int
    from_phone: int


def _places(rows: Sequence[tuple[str | None, str, int]]) -> _Places:
    found = _Places(Counter(), 0, 0)
    for own, prefix, count in rows:
        zones = zones_of(own, prefix)
        found.people[zones] += count
        if own is None:
            found.without_zone += count
            found.from_phone += count if zones else 0
    return found


def _quiet(campaign: Campaign, people: Mapping[tuple[str, ...], int]) -> int:
    """How many would be held back at this moment."""
    quiet = campaign.quiet_hours
    if quiet is None:
        return 0
    now = clock.now()
    return sum(count for zones, count in people.items() if quiet_until(quiet, zones, now))


def _without_value(lacking: dict[str, int]) -> list[Problem]:
    return [
        Problem(
            "warning",
            "placeholder_without_value",
            f"{{{name}}} has no value for {count:,} {'person' if count == 1 else 'people'} who would get it otherwise. "
            f"Write {{{name}|…}} in the template, with what stands there instead, to include them.",
        )
        for name, count in lacking.items()
    ]


_UNSENDABLE = {
    "variable_empty": "a variable of the WhatsApp template would be empty, which Twilio refuses. Write {name|…} in the "
    "template, with what stands there instead.",
    "variable_multiline": "a variable of the WhatsApp template would have line breaks, tabs or more than four spaces "
    "in a row, which WhatsApp refuses. Correct these attributes of the contacts.",
    "text_empty": "their text would be empty. Give the template a text of its own.",
    "text_too_long": "their text would be longer than 1,600 characters. Shorten the template, or these attributes of "
    "the contacts.",
}


def _unsendable(verdicts: dict[str, int]) -> list[Problem]:
    return [
        Problem("warning", reason, f"{count:,} {'person is' if count == 1 else 'people are'} left out: {why}")
        for reason, why in _UNSENDABLE.items()
        if (count := verdicts.get(reason))
    ]


def _zones_unknown(campaign: Campaign, found: Preflight) -> str:
    """By which clock people without a time zone of their own are kept from messages at night."""
    said = [f"{_people(found.without_zone)} no time zone."]
    if found.zone_from_phone:
        said.append(
            f"For {found.zone_from_phone:,} it comes from the phone number; a number that fits several zones waits "
            "until it is day in all of them."
        )
    rest = found.without_zone - found.zone_from_phone
    if rest:
        said.append(f"For {rest:,} the campaign's zone counts: {campaign.timezone}.")
    return " ".join(said)


def _people(count: int) -> str:
    return f"{count:,} {'person has' if count == 1 else 'people have'}"


async def _held(tx: Transaction, *, is_sending_held: bool) -> list[Problem]:
    """What somebody holds, so that a launch would come to nothing for now."""
    found = []
    if is_sending_held:
        message = (
            "An operator holds the circuit to Twilio open: no message leaves until it is reset (Monitoring, twilio)."
        )
        found.append(Problem("error", "sending_held", message))
    for name in await groups.paused_of(tx, LAUNCH_GROUPS):
        message = f"The consumer group {name} is paused: nothing is sent until it is resumed, under Event streams."
        found.append(Problem("error", "group_paused", message))
    return found


async def _problems(tx: Transaction, campaign: Campaign, template: Template, found: Preflight) -> list[Problem]:
    problems: list[Problem] = []
    try:
        await frozen_parts(tx, campaign)
    except CampaignNotReady as missing:
        problems += [Problem("error", f"missing_{e.field}", e.message) for e in missing.errors]
    if found.audience == 0:
        problems.append(Problem("error", "empty_audience", "Nobody is in the segment. Choose another one."))
    elif found.eligible == 0:
        message = "Everybody is excluded, for the reasons shown: nothing would be sent."
        problems.append(Problem("error", "nobody_eligible", message))
    if template.channel == "whatsapp" and not template.content_sid:
        message = (
            "Without an approved template (Content SID), WhatsApp delivers only to people who wrote to you "
            "in the last 24 hours."
        )
        problems.append(Problem("warning", "no_content_sid", message))
    if campaign.quiet_hours is None:
        message = "No quiet hours are set: messages may arrive at night."
        problems.append(Problem("warning", "no_quiet_hours", message))
    elif found.without_zone:
        problems.append(Problem("warning", "zones_unknown", _zones_unknown(campaign, found)))
    if campaign.quiet_hours is not None and found.quiet_now:
        message = f"It is quiet time for {found.quiet_now:,} people: theirs leave when it ends."
        problems.append(Problem("warning", "quiet_now", message))
    return problems
