"""`ese breakers …`: what is typed. `commands` does it, imported when it runs."""

from typing import Annotated

import typer

from event_stream_engine.entrypoints.typed import By

app = typer.Typer(help="Circuit breakers: look, hold open, disable, reset.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="As `ese breakers list` prints it.")]
Process = Annotated[str, typer.Option(help="serve, relay, consume or work: only these processes; else all of them.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the order.")]


@app.command("list")
def list_() -> None:
    """Print every process's breakers and connection pools, and when it was heard last."""
    from event_stream_engine.entrypoints.monitoring import commands

    commands.list_breakers()


@app.command("open")
def open_(name: Name, reason: Reason, process: Process = "", by: By = "operator") -> None:
    """Refuse every call behind a breaker until it is reset; what waits, waits."""
    from event_stream_engine.entrypoints.monitoring import commands

    commands.give(name, "open", process=process, reason=reason, by=by)


@app.command()
def disable(name: Name, reason: Reason, process: Process = "", by: By = "operator") -> None:
    """Let every call pass, whatever becomes of it, until the breaker is reset."""
    from event_stream_engine.entrypoints.monitoring import commands

    commands.give(name, "disable", process=process, reason=reason, by=by)


@app.command()
def reset(name: Name, reason: Reason = "", process: Process = "", by: By = "operator") -> None:
    """Close a breaker as if nothing had happened."""
    from event_stream_engine.entrypoints.monitoring import commands

    commands.give(name, "reset", process=process, reason=reason, by=by)
