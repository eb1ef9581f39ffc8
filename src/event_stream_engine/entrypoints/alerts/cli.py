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
    """Say that somebody looks after an alert."""
    from event_stream_engine.entrypoints.alerts import commands

    commands.acknowledge(alert_id, by)


@app.command("silence")
def alerts_silence(
    alert_id: AlertId,
    reason: Annotated[str, typer.Option(help="Why; it is shown beside the alert.")],
    hours: Annotated[float, typer.Option(help="For how long, at most 720.")] = 4,
    by: By = "operator",
) -> None:
    """Tell nobody of an alert, nor of its return, for some hours."""
    from event_stream_engine.entrypoints.alerts import commands

    commands.silence(alert_id, reason, hours, by)
