"""One campaign through the public API: prepare, launch, watch, and compare what we say with the sandbox's ledger."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.journeys.running_platform import Api, RunningPlatform

SENDER = "+14155550100"
FINAL = ("delivered", "read", "undelivered", "failed", "refused", "canceled")
TAKEN = ("accepted", "sent", "delivered", "read", "undelivered")
OUTSIDERS = 20  # contacts that the segment leaves out
REPEATED = 5  # rows of somebody who stands in the file already
INVALID = 25
WRONG = ("not a number,Eve,gold", ",Eve,gold", "+1415,Eve,gold", "4.15E+09,Eve,gold", "+14155550199 ext 5,Eve,gold")

GOLD: dict[str, Any] = {"all": [{"field": "attributes.tier", "op": "eq", "value": "gold"}]}

# A bad day at the carrier: slow and refused requests, replies that get lost after the message was taken, receipts
# that come twice, in the wrong order, and before the answer to the request itself.
BAD_DAY: dict[str, Any] = {
    "latency_ms": [5, 60],
    "throttled": 0.02,
    "error_before": 0.01,
    "error_after": 0.01,
    "dropped": 0.02,
    "failed": 0.03,
    "status_delay_seconds": [0.2, 1.0],
    "duplicated": 0.2,
    "reordered": 0.2,
    "early": 0.1,
}


def phone(number: int) -> str:
    """The number of recipient `number`: a US number that could be assigned."""
    return f"+1415{2340000 + number}"


@dataclass
class Launched:
    """A campaign and whom it is for."""

    id: str
    recipients: tuple[str, ...]


def contact_file(recipients: Sequence[str]) -> bytes:
    """A CSV with the recipients, contacts that the segment does not take, rows that repeat, and rows that are wrong."""
    outsiders = [phone(9000 + n) for n in range(OUTSIDERS)]
    rows = [f"{number},Ana {index},gold" for index, number in enumerate(recipients)]
    rows += [f"{number},Bo,silver" for number in outsiders]
    rows += [f"{number},Ana,gold" for number in recipients[:REPEATED]]
    rows += [WRONG[n % len(WRONG)] for n in range(INVALID)]
    random.Random(3).shuffle(rows)
    return "\n".join(["phone,name,tier", *rows, ""]).encode()


def import_contacts(platform: RunningPlatform, recipients: Sequence[str]) -> dict[str, Any]:
    """Upload, map the columns, start, and follow it to its end; every row must be accounted for."""
    api = platform.api
    uploaded = api.upload("/api/v1/imports", "spring.csv", contact_file(recipients))
    preview = api.get(f"/api/v1/imports/{uploaded['id']}/preview")
    assert [column["name"] for column in preview["columns"]] == ["phone", "name", "tier"], preview
    mapping = [
        {"column": "phone", "target": "phone"},
        {"column": "name", "target": {"attribute": "name"}},
        {"column": "tier", "target": {"attribute": "tier"}},
    ]
    options = {"mapping": mapping, "consent_source": "journey", "default_consent": "opted_in"}
    api.post(f"/api/v1/imports/{uploaded['id']}/start", options)

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = api.get(f"/api/v1/imports/{uploaded['id']}")
        return found if found["status"] not in ("uploaded", "running") else None

    found = platform.wait_until("the end of the import", ended, 60)
    assert found["status"] == "completed", found
    expected = {"created": len(recipients) + OUTSIDERS, "merged": REPEATED, "rejected": INVALID}
    assert {name: found[name] for name in expected} == expected, found
    assert found["rows_read"] == sum(expected.values()), found
    assert len(api.everything(f"/api/v1/imports/{uploaded['id']}/rejects")) == INVALID
    return found


def launch(
    api: Api,
    recipients: Sequence[str],
    *,
    per_second: int,
    name: str = "Spring",
    channel: str = "sms",
    content_sid: str | None = None,
    rule: dict[str, Any] = GOLD,
) -> Launched:
    """Template, segment, sender, campaign; preflight must agree with what we know; then it runs."""
    text = {"name": f"{name} text", "channel": channel, "body": _text(name, "{name|there}")}
    template = api.post("/api/v1/templates", text | ({"content_sid": content_sid} if content_sid else {}))
    segment = api.post("/api/v1/segments", {"name": f"{name} gold", "definition": rule})
    senders = [s for s in api.get("/api/v1/senders")["items"] if s["address"] == SENDER and s["channel"] == channel]
    sender = senders[0] if senders else api.post(
        "/api/v1/senders",
        {"name": f"Main {channel}", "channel": channel, "address": SENDER, "messages_per_second": 1000},
    )  # fmt: skip
    campaign = api.post(
        "/api/v1/campaigns",
        {
            "name": name, "template_id": template["id"], "segment_id": segment["id"], "sender_id": sender["id"],
            "messages_per_second": per_second,
        },
    )  # fmt: skip
    preflight = api.post(f"/api/v1/campaigns/{campaign['id']}/preflight")
    assert preflight["can_launch"], preflight["problems"]
    assert preflight["audience"] == len(recipients), preflight
    api.post(f"/api/v1/campaigns/{campaign['id']}/launch")
    return Launched(campaign["id"], tuple(recipients))


def launch_on_whatsapp(
    platform: RunningPlatform, recipients: Sequence[str], names: Sequence[str], *, per_second: int
) -> list[Launched]:
    """Campaigns with an approved template each, to the same people from the same sender."""
    sids = {name: f"HX{number:032x}" for number, name in enumerate(names, 1)}
    platform.sandbox.put("/sandbox/templates", {sid: _text(name, "{{1}}") for name, sid in sids.items()})
    rule = {"all": [{"field": "phone", "op": "in", "value": list(recipients)}]}
    return [
        launch(
            platform.api, recipients, per_second=per_second, name=name, channel="whatsapp", content_sid=sid, rule=rule
        )
        for name, sid in sids.items()
    ]  # fmt: skip


def _text(name: str, person: str) -> str:
    return f"Hi {person}, {name} is here. Reply STOP to end."


def counts(api: Api, campaign: Launched) -> dict[str, int]:
    found: dict[str, int] = api.get(f"/api/v1/campaigns/{campaign.id}")["counts"]
    return found


def accepted(found: dict[str, int]) -> int:
    """How many the carrier took so far."""
    return sum(found[name] for name in TAKEN)


def settled(found: dict[str, int], audience: int) -> bool:
    return found["audience"] == audience and sum(found[name] for name in FINAL) == audience


def wait_settled(platform: RunningPlatform, campaign: Launched, seconds: float) -> dict[str, int]:
    """Until every message has its final outcome; the counters then."""
    audience = len(campaign.recipients)

    def final() -> dict[str, int] | None:
        found = counts(platform.api, campaign)
        return found if settled(found, audience) else None

    return platform.wait_until(f"{audience} final outcomes of {campaign.id}", final, seconds)


def one_not_yet_sent(api: Api, campaign: Launched) -> str:
    """The queued recipient whose turn comes last."""
    queued = api.everything(f"/api/v1/reporting/campaigns/{campaign.id}/recipients", status="queued")
    assert queued, "everything was sent before the STOP could be played"
    last: str = max(queued, key=lambda row: row["message_id"])["phone"]
    return last


def write_stop(platform: RunningPlatform, number: str, *, to: str = SENDER) -> None:
    """The person writes STOP; the webhook has answered when this returns."""
    answer = platform.sandbox.post("/sandbox/inbound", {"from": number, "to": to, "body": "STOP"})
    assert answer["webhook_status"] == 200, answer


# Requests are refused with 503, answers are lost after the message was taken, and no receipt ever comes.
SILENCE: dict[str, Any] = {**BAD_DAY, "dropped": 0.12, "error_before": 0.12, "lost": 1.0}


@dataclass
class Verdict:
    """What the comparison found; `problems` is empty when every check held."""

    recipients: int
    accounted: int
    missing: int
    duplicate: int
    problems: list[str] = field(default_factory=list)

    def add(self, other: "Verdict") -> None:
        self.recipients += other.recipients
        self.accounted += other.accounted
        self.missing += other.missing
        self.duplicate += other.duplicate
        self.problems += other.problems

    def line(self) -> str:
        return (
            f"journey: {self.recipients} recipients, {self.accounted} accounted, {self.missing} missing, "
            f"{self.duplicate} duplicate"
        )


def compare(platform: RunningPlatform, campaign: Launched, *, stopped: str | None = None) -> Verdict:
    """Counters, report, ledger rows and the sandbox's ledger, message by message."""
    api, name = platform.api, f"/api/v1/reporting/campaigns/{campaign.id}"
    rows = {row["phone"]: row for row in api.everything(f"{name}/recipients")}
    took = taken_by_the_sandbox(platform, campaign)
    accounted = sum(_agrees(rows.get(number), took[number]) for number in campaign.recipients)
    duplicate = sum(count - 1 for count in took.values() if count > 1)
    audience = len(campaign.recipients)
    verdict = Verdict(audience, accounted, audience - accounted, duplicate)
    shown, summary = counts(api, campaign), api.get(f"{name}/summary")
    tally = Counter(row["status"] for row in rows.values())
    states = {state: count for state, count in shown.items() if state != "audience"}
    _check(verdict, +Counter(states) == +tally, f"counters {states} differ from rows {dict(tally)}")
    _check(verdict, sum(states.values()) == audience, f"counters sum to {sum(states.values())}, not {audience}")
    _check(verdict, summary["counts"] == shown, f"the report says {summary['counts']}, the campaign {shown}")
    in_log = api.get("/api/v1/reporting/messages/status", campaign_id=campaign.id)["summary"]["total"]
    _check(verdict, in_log == audience, f"the message log has {in_log} rows, not {audience}")
    strangers = set(took) - set(campaign.recipients)
    _check(verdict, not strangers, f"messages to people outside the audience: {sorted(strangers)[:5]}")
    known = summary["funnel"]["accepted"]
    _check(verdict, known == len(took), f"{known} accepted by our count, {len(took)} by the sandbox's")
    if stopped is not None:
        row = rows[stopped]
        _check(verdict, (row["status"], row["reason"]) == ("refused", "stopped"), f"after STOP: {row}")
        _check(verdict, took[stopped] == 0, f"{stopped} got a message after STOP")
    return verdict


def _check(verdict: Verdict, held: bool, otherwise: str) -> None:
    if not held:
        verdict.problems.append(otherwise)


def taken_by_the_sandbox(platform: RunningPlatform, campaign: Launched) -> Counter[str]:
    """How many messages of this campaign the sandbox accepted for each number."""
    name = platform.api.get(f"/api/v1/campaigns/{campaign.id}")["name"]
    report = platform.sandbox.get("/sandbox/ledger", group="to", body=f"{name} is here", limit=100_000)
    assert report["exact"], report
    return Counter({item["to"].removeprefix("whatsapp:"): item["accepted"] for item in report["items"]})


def _agrees(row: dict[str, Any] | None, taken: int) -> bool:
    """A row is accounted for when it is final and claims exactly what the sandbox accepted."""
    if row is None or row["status"] not in FINAL:
        return False
    return taken == (1 if row["accepted_at"] else 0)


def shuffled(recipients: int, seed: int) -> list[str]:
    """Numbers in an order of their own, so that nothing depends on it."""
    numbers = [phone(n) for n in range(recipients)]
    random.Random(seed).shuffle(numbers)
    return numbers
