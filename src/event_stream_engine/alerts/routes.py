"""`/api/v1/alerts`: what fires and what fired, acknowledged and silenced by people; the rules and their runbooks."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from event_stream_engine import clock
from event_stream_engine.alerts import actions, runbooks, store
from event_stream_engine.alerts.catalogue import BY_NAME, RULES
from event_stream_engine.alerts.model import Alert, AlertNotFound, Rule, Severity, Silence, State
from event_stream_engine.database import Transaction
from event_stream_engine.identity import api as identity
from event_stream_engine.web.auth import Account
from event_stream_engine.web.bodies import Body, Moment
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Cursor, Limit, Page, decode_cursor, encode_cursor
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/alerts", tags=["alerts"], route_class=Route)

OPEN: tuple[State, ...] = ("firing", "acknowledged", "silenced", "inhibited")


class AlertSilence(BaseModel):
    reason: str
    ends_at: datetime
    by: str | None = Field(description="Null: the command line, or an account that is gone.")
    of: Literal["alert", "rule"] = Field(description="Whether it silences one alert or all of its rule.")


class AlertShape(BaseModel):
    id: UUID
    rule: str = Field(examples=["EseDeadLetters"])
    labels: dict[str, str] = Field(examples=[{"group": "messaging.count"}])
    severity: Severity
    state: State = Field(description="`inhibited`: a consequence of `inhibited_by`, which fires too.")
    summary: str
    meaning: str
    value: float
    started_at: datetime
    seen_at: datetime = Field(description="When it was last seen to fire.")
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    inhibited_by: str | None
    silence: AlertSilence | None


class AlertSummary(BaseModel):
    """How many there are, and how many of them you have not looked at."""

    firing: int
    acknowledged: int
    silenced: int
    inhibited: int
    unread: int


class AlertRule(BaseModel):
    name: str
    severity: Severity
    summary: str
    meaning: str
    hold_seconds: int
    expression: str = Field(description="In Prometheus's language.")
    silenced_by: list[str]
    runbook: str = Field(description="Its page, from the root of the sources.")
    judged_here: bool = Field(description="False: only Prometheus can know.")
    silence: AlertSilence | None = Field(description="Of the rule, in force now.")


class AlertRules(BaseModel):
    items: list[AlertRule]


class Runbook(BaseModel):
    rule: str
    markdown: str


class SilenceIn(Body):
    reason: str = Field(min_length=1, max_length=500)
    ends_at: Moment


@router.get("", summary="Alerts, the newest first", dependencies=[needs("monitoring:read")])
async def list_alerts(
    tx: Tx,
    state: Annotated[list[State] | None, Query(description="Only in one of these states; none: all.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[AlertShape]:
    """Resolved ones are kept for 90 days."""
    found = await store.page(tx, state or (), decode_cursor(cursor, datetime, UUID), limit + 1)
    shown = found[:limit]
    following = encode_cursor(shown[-1].started_at, shown[-1].id) if len(found) > limit else None
    return Page(items=await _shapes(tx, shown), next_cursor=following)


@router.get("/summary", summary="How many alerts there are", dependencies=[needs("monitoring:read")])
async def summarize_alerts(tx: Tx, by: Account) -> AlertSummary:
    counts = {state: await store.count(tx, (state,)) for state in OPEN}
    return AlertSummary(**counts, unread=await store.unread(tx, by.account_id))


@router.post("/seen", status_code=204, summary="Note that you have looked", dependencies=[needs("monitoring:read")])
async def see_alerts(tx: Tx, by: Account) -> None:
    """What fires now is unread no more, for your account."""
    await store.look(tx, by.account_id, clock.now())


@router.get("/rules", summary="The rules", dependencies=[needs("monitoring:read")])
async def list_alert_rules(tx: Tx) -> AlertRules:
    return AlertRules(items=await _rules(tx, RULES))


@router.get("/rules/{name}/runbook", summary="What to do", dependencies=[needs("monitoring:read")])
async def read_runbook(name: str) -> Runbook:
    rule = BY_NAME.get(name)
    if rule is None:
        raise AlertNotFound("There is no such rule. `GET /api/v1/alerts/rules` names them.")
    return Runbook(rule=name, markdown=await asyncio.to_thread(runbooks.text_of, rule))


@router.post("/rules/{name}/silence", summary="Silence a rule", dependencies=[needs("alerts:operate")])
async def silence_alert_rule(tx: Tx, by: Account, name: str, body: SilenceIn) -> AlertRule:
    """For maintenance. Its alerts, those that fire later included, are shown as silenced and nobody is told of them
    until `ends_at` (at most 30 days). A second silence replaces the end and the reason of the first."""
    await actions.silence_rule(tx, name, reason=body.reason, ends_at=body.ends_at, by=by.account_id)
    return (await _rules(tx, (BY_NAME[name],)))[0]


@router.delete("/rules/{name}/silence", summary="End a rule's silence", dependencies=[needs("alerts:operate")])
async def end_alert_rule_silence(tx: Tx, by: Account, name: str) -> AlertRule:
    """What fires meanwhile is told of at the next judgement."""
    await actions.end_rule_silence(tx, name, by=by.account_id)
    return (await _rules(tx, (BY_NAME[name],)))[0]


@router.get("/{alert_id}", summary="One alert", dependencies=[needs("monitoring:read")])
async def read_alert(tx: Tx, alert_id: UUID) -> AlertShape:
    found = await store.alert(tx, alert_id)
    if found is None:
        raise AlertNotFound("There is no such alert. Resolved ones are kept for 90 days.")
    return await _shape(tx, found)


@router.post("/{alert_id}/acknowledge", summary="Look after it", dependencies=[needs("alerts:operate")])
async def acknowledge_alert(tx: Tx, by: Account, alert_id: UUID) -> AlertShape:
    """Who acknowledged first stays. 409 when it is over."""
    return await _shape(tx, await actions.acknowledge(tx, alert_id, by=by.account_id))


@router.post("/{alert_id}/silence", summary="Be quiet about it", dependencies=[needs("alerts:operate")])
async def silence_alert(tx: Tx, by: Account, alert_id: UUID, body: SilenceIn) -> AlertShape:
    """Nobody is told of it, nor when it comes back with the same labels, until `ends_at` (at most 30 days)."""
    done = await actions.silence(tx, alert_id, reason=body.reason, ends_at=body.ends_at, by=by.account_id)
    return await _shape(tx, done)


@router.delete("/{alert_id}/silence", summary="Tell of it again", dependencies=[needs("alerts:operate")])
async def end_alert_silence(tx: Tx, by: Account, alert_id: UUID) -> AlertShape:
    return await _shape(tx, await actions.end_silence(tx, alert_id, by=by.account_id))


async def _rules(tx: Transaction, rules: Sequence[Rule]) -> list[AlertRule]:
    silences = await store.rule_silences(tx, clock.now())
    names = await identity.names(tx, {one.created_by for one in silences.values() if one.created_by is not None})
    return [_rule(rule, _silence(silences.get(rule.name), names)) for rule in rules]


def _silence(silence: Silence | None, names: dict[UUID, str]) -> AlertSilence | None:
    if silence is None:
        return None
    by = names.get(silence.created_by) if silence.created_by else None
    return AlertSilence(
        reason=silence.reason, ends_at=silence.ends_at, by=by, of="alert" if silence.rule is None else "rule"
    )


def _rule(rule: Rule, silence: AlertSilence | None) -> AlertRule:
    return AlertRule(
        name=rule.name,
        severity=rule.severity,
        summary=rule.summary,
        meaning=rule.meaning,
        hold_seconds=rule.hold,
        expression=rule.condition.promql,
        silenced_by=list(rule.silenced_by),
        runbook=rule.runbook,
        judged_here=rule.is_judged_here,
        silence=silence,
    )


async def _shape(tx: Transaction, alert: Alert) -> AlertShape:
    return (await _shapes(tx, [alert]))[0]


async def _shapes(tx: Transaction, found: Sequence[Alert]) -> list[AlertShape]:
    people = {alert.acknowledged_by for alert in found} | {a.silence.created_by for a in found if a.silence}
    names = await identity.names(tx, {person for person in people if person is not None})
    return [_shown(alert, names) for alert in found]


def _shown(alert: Alert, names: dict[UUID, str]) -> AlertShape:
    rule = BY_NAME.get(alert.rule)
    return AlertShape(
        id=alert.id,
        rule=alert.rule,
        labels=alert.labels,
        severity=alert.severity,
        state=alert.state,
        summary=alert.summary,
        meaning=rule.meaning if rule else "This release has no such rule any more.",
        value=alert.value,
        started_at=alert.started_at,
        seen_at=alert.seen_at,
        resolved_at=alert.resolved_at,
        acknowledged_at=alert.acknowledged_at,
        acknowledged_by=names.get(alert.acknowledged_by) if alert.acknowledged_by else None,
        inhibited_by=alert.inhibited_by,
        silence=_silence(alert.silence, names),
    )
