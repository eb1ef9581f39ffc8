"""`ese audit …`: what is typed. `commands` does it, imported when it runs."""

from typing import Annotated

import typer

from event_stream_engine.entrypoints.typed import By, From, To

app = typer.Typer(no_args_is_help=True, help="The audit trail.")

Actor = Annotated[str | None, typer.Option(help="Only what this account did: its email address or its id.")]
Action = Annotated[str | None, typer.Option(help="Such as campaign.launch, or campaign.* for all of that kind.")]
Subject = Annotated[str | None, typer.Option(help="Only what was done to this: the id that the list prints.")]


@app.command("list")
def list_(
    from_: From = None,
    to: To = None,
    actor: Actor = None,
    action: Action = None,
    subject: Subject = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the details.")] = False,
) -> None:
    """Print who changed what, newest first: at most 200."""
    from event_stream_engine.entrypoints.audit import commands

    commands.list_entries(from_, to, actor, action, subject, as_json=as_json)


@app.command()
def export(
    from_: From = None,
    to: To = None,
    actor: Actor = None,
    action: Action = None,
    subject: Subject = None,
    by: By = "operator",
) -> None:
    """Print all that match as CSV; the export is an entry itself."""
    from event_stream_engine.entrypoints.audit import commands

    commands.export(from_, to, actor, action, subject, by)


@app.command()
def verify(
    known: Annotated[
        str, typer.Option(help="<id>:<hash> that an earlier run printed and that was kept elsewhere.")
    ] = "",
) -> None:
    """Follow the hash chain of the whole audit trail; exit status 1 where it breaks."""
    from event_stream_engine.entrypoints.audit import commands

    raise typer.Exit(commands.verify(known))
