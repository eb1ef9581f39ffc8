"""What happens to alerts: they begin, go on and end by judgement; people acknowledge and silence them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.alerts import store
from event_stream_engine.alerts.catalogue import BY_NAME
from event_stream_engine.alerts.evaluating import inhibited
from event_stream_engine.alerts.model import Alert, AlertNotFound, AlertResolved, Judged, Rule, Silence, check_silence
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.errors import Invalid
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.ids import new_id

KEPT = timedelta(days=90)
_TOPIC = "alerts"


@dataclass(frozen=True)
class Several:
    """Tells each of several mailers. A `Mailer`."""

    mailers: Sequence["Mailer"]

    async def tell(self, tx: Transaction, alert: Alert) -> None:
        for mailer in self.mailers:
            await mailer.tell(tx, alert)


class Mailer(Protocol):
    """Writes down, in the transaction of the change, that people are to be told."""

    async def tell(self, tx: Transaction, alert: Alert) -> None:
        """Of an alert that began (`resolved_at` None), or of one that is over and was told of."""


async def settle(tx: Transaction, judged: Sequence[Judged], mailer: Mailer | None) -> list[Alert]:
    """Make what is kept say what was judged; the alerts that began, ended, or became a consequence of another."""
    now = clock.now()
    known = {alert.fingerprint: alert for alert in await store.open_alerts(tx)}
    firing = {one.fingerprint: one for one in judged}
    causes = inhibited(judged)
    begun = [_begun(one, causes.get(key), now) for key, one in firing.items() if key not in known]
    over = [replace(alert, resolved_at=now) for key, alert in known.items() if key not in firing]
    for alert in begun:
        await store.add(tx, alert)
    if over:
        await store.resolve(tx, [alert.id for alert in over], now)
    going = [(alert, firing[key]) for key, alert in known.items() if key in firing]
    await store.still_fires(tx, [(alert.id, one.value, one.summary) for alert, one in going], now)
    moved = [
        replace(alert, inhibited_by=causes.get(alert.fingerprint))
        for alert, _ in going
        if alert.inhibited_by != causes.get(alert.fingerprint)
    ]
    for alert in moved:
        await store.inhibit(tx, alert.id, alert.inhibited_by)
    for alert in [*begun, *moved, *over]:
        await _tell(tx, alert, mailer)
        await _push(tx, alert)
    if mailer is not None:
        for alert, _ in going:  # a silence that was in force when it began may have ended
            if alert.notified_at is None and alert.state == "firing":
                await _tell(tx, alert, mailer)
    return [*begun, *moved, *over]


def _begun(judged: Judged, inhibited_by: str | None, now: datetime) -> Alert:
    return Alert(
        id=new_id(),
        rule=judged.rule.name,
        fingerprint=judged.fingerprint,
        labels=dict(judged.labels),
        severity=judged.rule.severity,
        summary=judged.summary,
        value=judged.value,
        started_at=now,
        seen_at=now,
        inhibited_by=inhibited_by,
    )


async def _tell(tx: Transaction, alert: Alert, mailer: Mailer | None) -> None:
    """A mail when it begins and one when it is over; none for consequences and for what is silenced."""
    kept = await store.alert(tx, alert.id)
    if mailer is None or kept is None:
        return
    if kept.state == "firing" and kept.notified_at is None:
        await mailer.tell(tx, kept)
        await store.notified(tx, kept.id, clock.now())
    elif kept.state == "resolved" and kept.notified_at is not None and kept.silence is None:
        await mailer.tell(tx, kept)


async def _push(tx: Transaction, alert: Alert) -> None:
    version = int(clock.now().timestamp() * 1000)
    await outbox.record(tx, LiveUpdate(topic=_TOPIC, kind=_TOPIC, entity_id=str(alert.id), version=version))


async def acknowledge(tx: Transaction, alert_id: UUID, *, by: UUID | None, who: str = "") -> Alert:
    """Somebody looks after it; `who`: at the command line. Raises `AlertNotFound`, `AlertResolved`."""
    alert = await _open(tx, alert_id)
    if alert.acknowledged_at is not None:
        return alert
    await store.acknowledge(tx, alert_id, by, clock.now())
    await _push(tx, alert)
    await audit.record(tx, by, "alert.acknowledge", alert_id, _detail(alert, who))
    return await _open(tx, alert_id)


async def silence(
    tx: Transaction, alert_id: UUID, *, reason: str, ends_at: datetime, by: UUID | None, who: str = ""
) -> Alert:
    """Nobody is told of it, nor of its return, until `ends_at`. Raises `AlertNotFound`, `AlertResolved`, `Invalid`."""
    now = clock.now()
    alert = await _open(tx, alert_id)
    said = check_silence(reason, ends_at, now)
    await store.end_silences(tx, alert.fingerprint, now)
    await store.add_silence(tx, Silence(new_id(), alert.fingerprint, said, by, now, ends_at))
    await _push(tx, alert)
    detail = {**_detail(alert, who), "reason": said, "ends_at": ends_at.isoformat()}
    await audit.record(tx, by, "alert.silence", alert_id, detail)
    return await _open(tx, alert_id)


async def end_silence(tx: Transaction, alert_id: UUID, *, by: UUID | None) -> Alert:
    """It is told of again. Raises `AlertNotFound`."""
    alert = await store.alert(tx, alert_id, lock=True)
    if alert is None:
        raise AlertNotFound("There is no such alert.")
    if await store.end_silences(tx, alert.fingerprint, clock.now()):
        await _push(tx, alert)
        await audit.record(tx, by, "alert.end_silence", alert_id, {"rule": alert.rule})
    return await store.alert(tx, alert_id) or alert  # a silence of its rule may still be in force


async def silence_rule(
    tx: Transaction, name: str, *, reason: str, ends_at: datetime, by: UUID | None, who: str = ""
) -> Silence:
    """Nobody is told of any alert of the rule until `ends_at`, whether it fires now or later. It takes the place of an
    earlier silence of the rule. Raises `AlertNotFound`, `Invalid`."""
    now = clock.now()
    rule = _rule(name)
    if not rule.is_judged_here:
        raise Invalid.field("rule", "Only your Prometheus judges this rule: silence it in Alertmanager.")
    said = check_silence(reason, ends_at, now)
    made = Silence(new_id(), None, said, by, now, ends_at, rule.name)
    await store.end_rule_silences(tx, rule.name, now)
    await store.add_silence(tx, made)
    await _push_rule(tx, rule.name)
    detail = {"rule": rule.name, "reason": said, "ends_at": ends_at.isoformat(), **({"by": who} if who else {})}
    await audit.record(tx, by, "alert.silence_rule", rule.name, detail)
    return made


async def end_rule_silence(tx: Transaction, name: str, *, by: UUID | None, who: str = "") -> int:
    """Its alerts are told of again: one that fires meanwhile at the next judgement. How many silences ended. Raises
    `AlertNotFound`."""
    rule = _rule(name)
    ended = await store.end_rule_silences(tx, rule.name, clock.now())
    if ended:
        await _push_rule(tx, rule.name)
        detail = {"rule": rule.name, **({"by": who} if who else {})}
        await audit.record(tx, by, "alert.end_rule_silence", rule.name, detail)
    return ended


def _rule(name: str) -> Rule:
    rule = BY_NAME.get(name)
    if rule is None:
        raise AlertNotFound(f"There is no rule {name}. `ese alerts rules` and the page Alerts name them.")
    return rule


async def _push_rule(tx: Transaction, name: str) -> None:
    version = int(clock.now().timestamp() * 1000)
    await outbox.record(tx, LiveUpdate(topic=_TOPIC, kind=_TOPIC, entity_id=name, version=version))


async def _open(tx: Transaction, alert_id: UUID) -> Alert:
    alert = await store.alert(tx, alert_id, lock=True)
    if alert is None:
        raise AlertNotFound("There is no such alert.")
    if alert.resolved_at is not None:
        raise AlertResolved("It was resolved meanwhile: there is nothing to do about it.")
    return alert


async def forget(tx: Transaction) -> int:
    """Remove what was resolved 90 days ago; how many."""
    return await store.forget(tx, clock.now() - KEPT)


def _detail(alert: Alert, who: str) -> dict[str, object]:
    return {"rule": alert.rule, "labels": alert.labels, **({"by": who} if who else {})}
