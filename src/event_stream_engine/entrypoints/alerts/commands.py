"""What `ese alerts …` does."""

from datetime import timedelta
from uuid import UUID

import typer

from event_stream_engine import clock
from event_stream_engine.alerts import actions, store
from event_stream_engine.alerts.model import Alert, State
from event_stream_engine.alerts.routes import OPEN
from event_stream_engine.entrypoints.typed import an_id, in_transaction
from event_stream_engine.errors import Invalid

SHOWN = 200
_TIME = "%Y-%m-%d %H:%M:%SZ"


def list_alerts(state: str) -> None:
    """Print alerts, the newest first; `open`: all that are not resolved."""
    found = in_transaction(lambda tx: store.page(tx, _states(state), None, SHOWN))
    for alert in found:
        typer.echo(line(alert))
    if not found:
        typer.echo(f"No alert is {state}.")


def line(alert: Alert) -> str:
    ended = f" until {alert.resolved_at:{_TIME}}" if alert.resolved_at else ""
    told = f"{alert.state}  {alert.severity}  {alert.started_at:{_TIME}}{ended}"
    return f"{alert.id}  {told}  {alert.rule}: {alert.summary}"


def acknowledge(alert_id: str, by: str) -> None:
    done = in_transaction(lambda tx: actions.acknowledge(tx, _id(alert_id), by=None, who=by))
    typer.echo(line(done))


def silence(alert_id: str, reason: str, hours: float, by: str) -> None:
    until = clock.now() + timedelta(hours=hours)
    done = in_transaction(lambda tx: actions.silence(tx, _id(alert_id), reason=reason, ends_at=until, by=None, who=by))
    typer.echo(f"{line(done)} (silent until {until:{_TIME}})")


def _states(said: str) -> tuple[State, ...]:
    if said == "open":
        return OPEN
    known: dict[str, State] = {state: state for state in (*OPEN, "resolved")}
    if said not in known:
        raise Invalid(f"{said} is no state of an alert: write open, {', '.join(known)}.")
    return (known[said],)


def _id(said: str) -> UUID:
    return an_id(said, "an alert", "ese alerts list")
