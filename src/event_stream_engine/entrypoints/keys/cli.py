"""`ese keys …`: what is typed. `commands` does it, imported when it runs."""

from typing import Annotated

import typer

from event_stream_engine.entrypoints.typed import By

app = typer.Typer(help="API keys: what programs sign in with.", no_args_is_help=True)


@app.command("list")
def list_(
    account: Annotated[str | None, typer.Option(help="Only this account's: its email address or its id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print the newest 200 keys, those that expired or were revoked too; never a secret."""
    from event_stream_engine.entrypoints.keys import commands

    commands.list_keys(account, as_json=as_json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What uses it, such as `Nightly import`.")],
    scope: Annotated[list[str], typer.Option(help="What it may do, such as contacts:read (repeatable).")],
    account: Annotated[
        str | None, typer.Option(help="In whose name: an email address or an id; without it the first admin's.")
    ] = None,
    days: Annotated[int, typer.Option(help="It expires after so many days, at most 365.")] = 90,
    by: By = "operator",
) -> None:
    """Make a key and print its secret, this once: the secret alone goes to standard output."""
    from event_stream_engine.entrypoints.keys import commands

    commands.create(name, scope, account, days, by)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="As `ese keys list` prints it.")], by: By = "operator") -> None:
    """Let a key open nothing any more; it stays in the list."""
    from event_stream_engine.entrypoints.keys import commands

    commands.revoke(key_id, by)
