"""`ese inbound …`: what is typed. `commands` does it, imported when it runs."""

from typing import Annotated

import typer

from event_stream_engine.entrypoints.typed import By

app = typer.Typer(help="Messages from people: up to when they are known, and catching up.", no_args_is_help=True)


@app.command()
def status() -> None:
    """Print, for each sender, up to when Twilio's list of inbound messages is applied."""
    from event_stream_engine.entrypoints.inbound import commands

    commands.print_status()


@app.command("catch-up")
def catch_up(
    since: Annotated[
        str | None, typer.Option(help="From this time on (ISO 8601), or this day (UTC); else from where it stands.")
    ] = None,
    by: By = "operator",
) -> None:
    """Ask Twilio for inbound messages and apply those that no webhook brought; status 1 if the list is not complete."""
    from event_stream_engine.entrypoints.inbound import commands

    raise typer.Exit(commands.catch_up(since, by))
