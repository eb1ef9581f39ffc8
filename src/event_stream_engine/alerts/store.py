"""All SQL of the alerts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, insert, literal, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine import clock
from event_stream_engine.alerts.model import Alert, Silence, State
from event_stream_engine.alerts.tables import alert_silences, alert_views, alert_webhooks, alerts
from event_stream_engine.database import Transaction

_a, _s, _w = alerts.c, alert_silences.c, alert_webhooks.c
_OF_ALERT = or_(_s.fingerprint == _a.fingerprint, _s.rule == _a.rule)
_OWN = [column.name for column in alerts.columns]


def _with_silence(now: datetime) -> Select[Any]:
    """Alerts beside the silence that is in force for each; the one that lasts longest."""
    columns = [column.label(f"s_{column.name}") for column in alert_silences.columns]
    latest = select(*columns).where(_OF_ALERT, _s.ends_at > now).order_by(_s.ends_at.desc()).limit(1).lateral("silence")
    return select(alerts, *latest.c).select_from(alerts.outerjoin(latest, text("true")))


def _alert(row: Any) -> Alert:
    silence = {name: row._mapping[f"s_{name}"] for name in (column.name for column in alert_silences.columns)}
    return Alert(
        **{name: row._mapping[name] for name in _OWN}, silence=Silence(**silence) if silence["id"] is not None else None
    )


async def open_alerts(tx: Transaction) -> list[Alert]:
    """Those that fire now, whatever was said about them."""
    found = await tx.execute(_with_silence(clock.now()).where(_a.resolved_at.is_(None)).order_by(_a.started_at))
    return [_alert(row) for row in found]


async def alert(tx: Transaction, alert_id: UUID, *, lock: bool = False) -> Alert | None:
    if lock:
        await tx.execute(select(_a.id).where(_a.id == alert_id).with_for_update())
    row = (await tx.execute(_with_silence(clock.now()).where(_a.id == alert_id))).one_or_none()
    return None if row is None else _alert(row)


def _in_state(state: State, now: datetime) -> ColumnElement[bool]:
    silenced = select(_s.id).where(_OF_ALERT, _s.ends_at > now).exists()
    is_open, loud = _a.resolved_at.is_(None), and_(_a.resolved_at.is_(None), ~silenced)
    clauses: dict[State, ColumnElement[bool]] = {
        "resolved": _a.resolved_at.is_not(None),
        "silenced": and_(is_open, silenced),
        "inhibited": and_(loud, _a.inhibited_by.is_not(None)),
        "acknowledged": and_(loud, _a.inhibited_by.is_(None), _a.acknowledged_at.is_not(None)),
        "firing": and_(loud, _a.inhibited_by.is_(None), _a.acknowledged_at.is_(None)),
    }
    return clauses[state]


async def page(
    tx: Transaction, states: Collection[State], before: tuple[datetime, UUID] | None, limit: int
) -> list[Alert]:
    """In any of these states, the newest first."""
    now = clock.now()
    query = _with_silence(now).order_by(_a.started_at.desc(), _a.id.desc()).limit(limit)
    if states:
        query = query.where(or_(*(_in_state(state, now) for state in states)))
    if before is not None:
        query = query.where(tuple_(_a.started_at, _a.id) < before)
    return [_alert(row) for row in await tx.execute(query)]


async def count(tx: Transaction, states: Collection[State]) -> int:
    now = clock.now()
    wanted = or_(*(_in_state(state, now) for state in states))
    return (await tx.execute(select(func.count()).select_from(alerts).where(wanted))).scalar_one()


async def unread(tx: Transaction, account_id: UUID) -> int:
    """Firing alerts that began after the account looked last."""
    seen = select(alert_views.c.seen_at).where(alert_views.c.account_id == account_id).scalar_subquery()
    newer = or_(seen.is_(None), _a.started_at > seen)
    wanted = and_(_in_state("firing", clock.now()), newer)
    return (await tx.execute(select(func.count()).select_from(alerts).where(wanted))).scalar_one()


async def look(tx: Transaction, account_id: UUID, at: datetime) -> None:
    statement = upsert(alert_views).values(account_id=account_id, seen_at=at)
    await tx.execute(statement.on_conflict_do_update(index_elements=["account_id"], set_={"seen_at": at}))


async def add(tx: Transaction, new: Alert) -> None:
    await tx.execute(insert(alerts).values({name: getattr(new, name) for name in _OWN}))


async def still_fires(tx: Transaction, seen: Sequence[tuple[UUID, float, str]], now: datetime) -> None:
    """Note the value and the words of alerts that go on."""
    if seen:
        values = [{"of": id_, "seen": value, "told": summary, "now": now} for id_, value, summary in seen]
        await tx.execute(
            text("UPDATE alerts SET value = :seen, summary = :told, seen_at = :now WHERE id = :of"), values
        )


async def resolve(tx: Transaction, ids: Collection[UUID], now: datetime) -> None:
    await tx.execute(update(alerts).where(_a.id.in_(ids)).values(resolved_at=now))


async def inhibit(tx: Transaction, alert_id: UUID, by: str | None) -> None:
    await tx.execute(update(alerts).where(_a.id == alert_id).values(inhibited_by=by))


async def acknowledge(tx: Transaction, alert_id: UUID, by: UUID | None, now: datetime) -> None:
    await tx.execute(update(alerts).where(_a.id == alert_id).values(acknowledged_at=now, acknowledged_by=by))


async def notified(tx: Transaction, alert_id: UUID, now: datetime) -> None:
    await tx.execute(update(alerts).where(_a.id == alert_id).values(notified_at=now))


async def add_silence(tx: Transaction, silence: Silence) -> None:
    await tx.execute(insert(alert_silences).values(vars(silence)))


async def end_silences(tx: Transaction, fingerprint: str, now: datetime) -> int:
    """How many were in force."""
    over = update(alert_silences).where(_s.fingerprint == fingerprint, _s.ends_at > now)
    return (await tx.execute(over.values(ends_at=now))).rowcount


async def rule_silences(tx: Transaction, now: datetime) -> dict[str, Silence]:
    """The silences of rules that are in force, by rule; of several, the one that ends last."""
    found = await tx.execute(select(alert_silences).where(_s.rule.is_not(None), _s.ends_at > now).order_by(_s.ends_at))
    return {row.rule: Silence(**row._mapping) for row in found}


async def end_rule_silences(tx: Transaction, rule: str, now: datetime) -> int:
    """How many were in force."""
    over = update(alert_silences).where(_s.rule == rule, _s.ends_at > now)
    return (await tx.execute(over.values(ends_at=now))).rowcount


@dataclass(frozen=True)
class Waiting:
    """A webhook that was taken to be delivered, or given up; `attempts` with this one."""

    id: UUID
    alert_id: UUID
    type: str
    body: str
    attempts: int
    error: str | None


_WAITING = (_w.id, _w.alert_id, _w.type, _w.body, _w.attempts, _w.error)


async def add_webhook(
    tx: Transaction, webhook_id: UUID, alert_id: UUID, kind: str, body: str, now: datetime, expires_at: datetime
) -> None:
    row = {"id": webhook_id, "alert_id": alert_id, "type": kind, "body": body}
    await tx.execute(insert(alert_webhooks).values(**row, created_at=now, due_at=now, expires_at=expires_at))


async def claim_webhooks(tx: Transaction, now: datetime, pause_seconds: int, limit: int) -> list[Waiting]:
    """Mark as attempted what is due, the oldest first; nobody else gets it before the pause is over, which doubles with
    each attempt."""
    due = select(_w.id).where(_w.settled_at.is_(None), _w.due_at <= now).order_by(_w.due_at, _w.id)
    pause = func.make_interval(0, 0, 0, 0, 0, 0, pause_seconds * func.power(2, _w.attempts))
    claimed = (
        update(alert_webhooks)
        .where(_w.id.in_(due.limit(limit).with_for_update(skip_locked=True)))
        .values(attempts=_w.attempts + 1, due_at=literal(now) + pause)
        .returning(*_WAITING)
    )
    return [Waiting(**row._mapping) for row in await tx.execute(claimed)]


async def note_webhook(tx: Transaction, webhook_id: UUID, error: str) -> None:
    """Why it was not delivered; it is tried again."""
    await tx.execute(update(alert_webhooks).where(_w.id == webhook_id, _w.settled_at.is_(None)).values(error=error))


async def settle_webhook(tx: Transaction, webhook_id: UUID, now: datetime, outcome: str, error: str | None) -> None:
    """It needs no further attempt."""
    mine = update(alert_webhooks).where(_w.id == webhook_id, _w.settled_at.is_(None))
    await tx.execute(mine.values(settled_at=now, outcome=outcome, error=error))


async def give_up_webhooks(tx: Transaction, now: datetime, attempts_max: int) -> list[Waiting]:
    """Settle what came too late or failed too often."""
    over = (_w.expires_at <= now) | ((_w.attempts >= attempts_max) & (_w.due_at <= now))
    given_up = update(alert_webhooks).where(_w.settled_at.is_(None), over)
    found = await tx.execute(given_up.values(settled_at=now, outcome="given_up").returning(*_WAITING))
    return [Waiting(**row._mapping) for row in found]


async def count_webhooks(tx: Transaction, since: datetime) -> tuple[int, int, int]:
    """How many wait, how many of them failed at least once, and how many were given up since then."""
    waits = _w.settled_at.is_(None)
    found = await tx.execute(
        select(
            func.count().filter(waits),
            func.count().filter(waits, _w.error.is_not(None)),
            func.count().filter(_w.outcome == "given_up", _w.settled_at > since),
        ).select_from(alert_webhooks)
    )
    waiting, failing, given_up = found.one()
    return waiting, failing, given_up


async def forget_webhooks(tx: Transaction, settled_before: datetime) -> None:
    await tx.execute(alert_webhooks.delete().where(_w.settled_at < settled_before))


async def forget(tx: Transaction, resolved_before: datetime) -> int:
    await tx.execute(alert_silences.delete().where(_s.ends_at < resolved_before))
    return (await tx.execute(alerts.delete().where(_a.resolved_at < resolved_before))).rowcount


async def take_lease(tx: Transaction, holder: str, seconds: float, *, abandoned: bool = False) -> bool:
    """Whether `holder` judges now: it did already, nobody does, or `abandoned` says that the one who did is gone."""
    found = await tx.execute(text(_TAKE), {"holder": holder, "seconds": seconds, "abandoned": abandoned})
    return found.scalar_one_or_none() is not None


async def lease_holder(tx: Transaction) -> str | None:
    return cast("str | None", (await tx.execute(text("SELECT holder FROM alert_lease"))).scalar_one_or_none())


async def release_lease(tx: Transaction, holder: str) -> None:
    await tx.execute(text("DELETE FROM alert_lease WHERE holder = :holder"), {"holder": holder})


_TAKE = """
INSERT INTO alert_lease (name, holder, expires_at)
VALUES ('judge', :holder, clock_timestamp() + make_interval(secs => :seconds))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE alert_lease.expires_at <= clock_timestamp() OR alert_lease.holder = excluded.holder OR :abandoned
RETURNING holder
"""
