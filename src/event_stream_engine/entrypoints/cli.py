"""`ese`: the command line. Each command imports what it needs when it runs, so `ese --help` is quick."""

import importlib
import sys
from typing import Annotated

import typer

from event_stream_engine import __version__
from event_stream_engine.entrypoints.alerts import cli as alerts
from event_stream_engine.entrypoints.audit import cli as audit
from event_stream_engine.entrypoints.backbone import cli as backbone
from event_stream_engine.entrypoints.backbone import letters_cli
from event_stream_engine.entrypoints.contacts import cli as contacts
from event_stream_engine.entrypoints.flags import cli as flags
from event_stream_engine.entrypoints.inbound import cli as inbound
from event_stream_engine.entrypoints.keys import cli as keys
from event_stream_engine.entrypoints.monitoring import cli as breakers
from event_stream_engine.entrypoints.restore import cli as restore
from event_stream_engine.entrypoints.typed import By
from event_stream_engine.errors import EseError

# One process of the operating system each: command -> module, function.
PROCESSES = {
    "serve": ("serving", "main"),
    "relay": ("relay", "main"),
    "consume": ("consumer", "main"),
    "work": ("worker", "main"),
}

app = typer.Typer(
    name="ese",
    help="Event Stream Engine: engagement on one transactional event log.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

stored = typer.Typer(help="Secrets that are stored encrypted.", no_args_is_help=True)

# In the order of `ese --help`; each is written where what it does is.
GROUPS = {
    "flags": flags.app,
    "audit": audit.app,
    "keys": keys.app,
    "contacts": contacts.app,
    "inbound": inbound.app,
    "events": backbone.events,
    "backbone": backbone.backbone,
    "groups": backbone.groups,
    "dead-letters": letters_cli.app,
    "alerts": alerts.app,
    "breakers": breakers.app,
    "replay": backbone.replays,
    "restore": restore.app,
    "secrets": stored,
}
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def _run_process(command: str) -> None:
    module, function = PROCESSES[command]
    getattr(importlib.import_module(f"event_stream_engine.entrypoints.{module}"), function)()


@app.command()
def up() -> None:
    """Start everything on this machine and print a sign-in link."""
    from event_stream_engine.entrypoints import supervisor

    raise typer.Exit(supervisor.main())


@app.command()
def serve() -> None:
    """Run the API and the UI."""
    _run_process("serve")


@app.command()
def relay() -> None:
    """Publish committed events to the streams."""
    _run_process("relay")


@app.command()
def consume() -> None:
    """Apply the reactions to events."""
    _run_process("consume")


@app.command()
def work() -> None:
    """Run queued tasks, and start scheduled ones (a Celery worker)."""
    _run_process("work")


@app.command()
def sandbox() -> None:
    """Run the local stand-in for Twilio."""
    from event_stream_engine.entrypoints.sandbox.serve import run
    from event_stream_engine.settings import load_settings

    run(load_settings())


@app.command("sign-in")
def sign_in(
    email: Annotated[str | None, typer.Option(help="Whose account; without it the first admin's.")] = None,
) -> None:
    """Print a new one-time link that signs the first admin, or another account, in (the platform must be running)."""
    import asyncio

    from event_stream_engine.entrypoints.sign_in_command import sign_in_link
    from event_stream_engine.settings import load_settings

    settings = load_settings()
    typer.echo(asyncio.run(sign_in_link(settings.database_url, settings.http.origin, email)))


@app.command()
def doctor(
    verbose: Annotated[bool, typer.Option("--all", help="Every setting, also those left at their default.")] = False,
) -> None:
    """Say what is configured, what answers, what is missing and what to do."""
    from event_stream_engine.entrypoints import doctor as examination

    raise typer.Exit(examination.main(every_setting=verbose))


@app.command()
def verify(
    as_json: Annotated[bool, typer.Option("--json", help="The whole proof as one JSON object.")] = False,
) -> None:
    """Prove that every committed event is in its stream once and in every group's charge; status 1 if not."""
    from event_stream_engine.entrypoints.backbone import commands

    raise typer.Exit(commands.verify(as_json=as_json))


@stored.command("rotate")
def secrets_rotate(by: By = "operator") -> None:
    """Encrypt stored secrets with ESE_SECRET_KEY; those of ESE_SECRET_KEY_PREVIOUS are read for the last time."""
    from event_stream_engine.entrypoints import secrets_command

    secrets_command.rotate(by)


@app.command()
def migrate() -> None:
    """Bring the database to this release's schema, whole or not at all (`ese up` does it by itself)."""
    from event_stream_engine.database.migrating import migrate_now
    from event_stream_engine.settings import load_settings

    typer.echo(f"Schema: {migrate_now(load_settings().database_url)}.")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """The edge: an expected error is one line and status 1; anything else keeps its traceback."""
    try:
        app()
    except EseError as error:
        typer.echo(f"ese: {error.detail}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
