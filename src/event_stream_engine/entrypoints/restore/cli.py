"""`ese restore …`: what is typed. `commands` does it, imported when it runs."""

from typing import Annotated

import typer

from event_stream_engine.entrypoints.typed import By

app = typer.Typer(help="The hold on sending after a database was restored.", no_args_is_help=True)


@app.command()
def status() -> None:
    """Print whether sending is held and what may have been sent since the backup; status 1 while it is held."""
    from event_stream_engine.entrypoints.restore import commands

    raise typer.Exit(commands.print_status())


@app.command()
def release(
    reason: Annotated[str, typer.Option(help="Why this database is the one to go on with.")], by: By = "operator"
) -> None:
    """Apply what people wrote since the backup, then let sending go on; Twilio is asked before each open message."""
    from event_stream_engine.entrypoints.restore import commands

    commands.release(reason, by)
