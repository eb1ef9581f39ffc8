"""`ese contacts …`: what is typed. `commands` does it, imported when it runs."""

from typing import Annotated

import typer

from event_stream_engine.entrypoints.typed import By

app = typer.Typer(help="One person's data: what is stored, and erasing it.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(help="The phone number in any spelling, or the contact's id.")]


@app.command()
def record(who: Who, by: By = "operator") -> None:
    """Print all that is stored about one person, as JSON."""
    from event_stream_engine.entrypoints.contacts import commands

    commands.record(who, by)


@app.command()
def erase(who: Who, by: By = "operator") -> None:
    """Delete a contact and erase the person everywhere; a STOP or an opt-out stays in force."""
    from event_stream_engine.entrypoints.contacts import commands

    commands.erase(who, by)
