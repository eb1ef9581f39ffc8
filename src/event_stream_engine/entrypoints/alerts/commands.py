"""What `ese alerts …` does."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import typer

from event_stream_engine import clock
from event_stream_engine.alerts import actions, store
from event_stream_engine.alerts.catalogue import RULES
from event_stream_engine.alerts.model import Alert, State
from event_stream_engine.alerts.routes import OPEN
from event_stream_engine.alerts.webhooks import Endpoint, try_endpoint
from event_stream_engine.entrypoints.typed import an_id, in_transaction
from event_stream_engine.errors import Invalid, Unavailable
from event_stream_engine.settings import load_settings

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


def silence(alert_id: str | None, rule: str | None, reason: str, hours: float, by: str) -> None:
    until = _end(hours)
    if rule is not None and alert_id is None:
        in_transaction(lambda tx: actions.silence_rule(tx, rule, reason=reason, ends_at=until, by=None, who=by))
        typer.echo(f"{rule} is silenced until {until:{_TIME}}")
        return
    if alert_id is None or rule is not None:
        raise Invalid("Name either an alert (its id) or a rule (--rule).")
    done = in_transaction(lambda tx: actions.silence(tx, _id(alert_id), reason=reason, ends_at=until, by=None, who=by))
    typer.echo(f"{line(done)} (silent until {until:{_TIME}})")


def end_silence(rule: str, by: str) -> None:
    ended = in_transaction(lambda tx: actions.end_rule_silence(tx, rule, by=None, who=by))
    typer.echo(f"{rule} is no longer silenced" if ended else f"{rule} was not silenced")


def list_rules() -> None:
    silences = in_transaction(lambda tx: store.rule_silences(tx, clock.now()))
    for rule in RULES:
        silence = silences.get(rule.name)
        said = f"  (silenced until {silence.ends_at:{_TIME}}: {silence.reason})" if silence else ""
        typer.echo(f"{rule.severity:<6}  {rule.name}{said}")


def test_webhook() -> None:
    settings = load_settings()
    endpoint = Endpoint.of(settings.alerts)
    if endpoint is None:
        raise Invalid("ESE_ALERT_WEBHOOK_URL is not set: set it and ESE_ALERT_WEBHOOK_SECRET, then try again.")
    error = asyncio.run(try_endpoint(endpoint, settings.http.origin))
    if error:
        raise Unavailable(
            f"The receiver did not accept the webhook ({error}). Check ESE_ALERT_WEBHOOK_URL and the receiver's log."
        )
    typer.echo("The receiver accepted the webhook (alert.test).")


def _end(hours: float) -> datetime:
    try:
        return clock.now() + timedelta(hours=hours)
    except (OverflowError, ValueError):
        raise Invalid("--hours: write a number up to 720.") from None


def _states(said: str) -> tuple[State, ...]:
    if said == "open":
        return OPEN
    known: dict[str, State] = {state: state for state in (*OPEN, "resolved")}
    if said not in known:
        raise Invalid(f"{said} is no state of an alert: write open, {', '.join(known)}.")
    return (known[said],)


def _id(said: str) -> UUID:
    return an_id(said, "an alert", "ese alerts list")
