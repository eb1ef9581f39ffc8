"""`ese alerts …`: what is typed. `commands` does it, imported when it runs."""

from typing import Annotated

import typer

from event_stream_engine.entrypoints.typed import By

app = typer.Typer(help="What is wrong, and who looks after it.", no_args_is_help=True)

AlertId = Annotated[str, typer.Argument(help="As `ese alerts list` prints it.")]


@app.command("list")
def alerts_list(
    state: Annotated[str, typer.Option(help="open, firing, acknowledged, silenced, inhibited or resolved.")] = "open",
) -> None:
    """Print alerts, the newest first."""
    from event_stream_engine.entrypoints.alerts import commands

    commands.list_alerts(state)


@app.command("ack")
def alerts_ack(alert_id: AlertId, by: By = "operator") -> None:
    """Acknowledge an alert."""
    from event_stream_engine.entrypoints.alerts import commands

    commands.acknowledge(alert_id, by)


@app.command("silence")
def alerts_silence(
    reason: Annotated[str, typer.Option(help="Why; it is shown beside the alert.")],
    alert_id: Annotated[str | None, typer.Argument(help="As `ese alerts list` prints it.")] = None,
    rule: Annotated[str | None, typer.Option(help="A rule instead of an alert; it need not be firing.")] = None,
    hours: Annotated[float, typer.Option(help="For how long, at most 720.")] = 4,
    by: By = "operator",
) -> None:
    """Silence an alert, or all alerts of a rule during maintenance, for some hours."""
    from event_stream_engine.entrypoints.alerts import commands

    commands.silence(alert_id, rule, reason, hours, by)


@app.command("unsilence")
def alerts_unsilence(
    rule: Annotated[str, typer.Option(help="As `ese alerts rules` prints it.")], by: By = "operator"
) -> None:
    """End the silence of a rule."""
    from event_stream_engine.entrypoints.alerts import commands

    commands.end_silence(rule, by)


@app.command("rules")
def alerts_rules() -> None:
    """List the rules and their silences."""
    from event_stream_engine.entrypoints.alerts import commands

    commands.list_rules()


@app.command("test-webhook")
def alerts_test_webhook() -> None:
    """Send a signed `alert.test` to ESE_ALERT_WEBHOOK_URL."""
    from event_stream_engine.entrypoints.alerts import commands

    commands.test_webhook()
