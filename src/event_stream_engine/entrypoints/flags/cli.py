"""`ese flags …`: what is typed. `commands` does it, imported when it runs."""

from typing import Annotated

import typer

from event_stream_engine.entrypoints.typed import By, From, To

app = typer.Typer(help="Feature flags: look, change, kill, go back.", no_args_is_help=True)

FlagName = Annotated[str, typer.Argument(help="As `ese flags list` prints it.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the change.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Print each flag's state, type, value and share."""
    from event_stream_engine.entrypoints.flags import commands

    commands.list_flags(as_json=as_json)


@app.command()
def show(name: FlagName) -> None:
    """Print a flag's whole definition."""
    from event_stream_engine.entrypoints.flags import commands

    commands.show(name)


@app.command("set")
def set_(
    assignments: Annotated[
        list[str], typer.Argument(help="NAME=VALUE (JSON, or plain text), or just NAME; all or none.")
    ],
    reason: Reason,
    percentage: Annotated[
        float | None, typer.Option(help="0 to 100, with at most two decimals: serve --serve to that share.")
    ] = None,
    serve: Annotated[str, typer.Option(help="What --percentage gives (JSON, or plain text).")] = "true",
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Disabled, a flag gives its `off` value.")
    ] = None,
    restore: Annotated[bool, typer.Option("--restore", help="Lift the kill switch.")] = False,
    type_: Annotated[
        str | None, typer.Option("--type", help="Make new flags: bool, int, float, string or json.")
    ] = None,
    by: By = "operator",
) -> None:
    """Change flags, or make new ones with --type: all of them or none."""
    from event_stream_engine.entrypoints.flags import commands

    wanted = commands.Wanted(assignments, percentage, serve, enable, restore, type_)
    commands.set_flags(wanted, reason=reason, by=by)


@app.command()
def kill(name: FlagName, reason: Reason, by: By = "operator") -> None:
    """Give everybody the flag's `off` value, at once."""
    from event_stream_engine.entrypoints.flags import commands

    commands.kill(name, reason=reason, by=by)


@app.command()
def rollback(
    name: FlagName,
    version: Annotated[int, typer.Argument(help="As `ese flags history` prints it; 0: as declared.")],
    reason: Reason,
    by: By = "operator",
) -> None:
    """Make a new version with an earlier one's definition."""
    from event_stream_engine.entrypoints.flags import commands

    commands.rollback(name, version, reason=reason, by=by)


@app.command()
def history(name: FlagName, from_: From = None, to: To = None) -> None:
    """Print who changed a flag, when and why: the newest 200 changes."""
    from event_stream_engine.entrypoints.flags import commands

    commands.history(name, from_, to)


@app.command()
def evaluate(
    name: FlagName,
    attributes: Annotated[list[str] | None, typer.Argument(help="NAME=VALUE, such as targeting_key=contact-1.")] = None,
) -> None:
    """Print what a flag gives in a context, and why."""
    from event_stream_engine.entrypoints.flags import commands

    commands.evaluate(name, attributes or [])


@app.command("verify")
def verify_audit() -> None:
    """Compute the audit's hashes anew; status 1 when a row was tampered with."""
    from event_stream_engine.entrypoints.flags import commands

    raise typer.Exit(commands.verify_audit())
