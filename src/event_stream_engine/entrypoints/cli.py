"""`ese`: the command line. Each command imports what it needs when it runs, so `ese --help` is quick."""

import importlib
import sys
from typing import Annotated

import typer

from event_stream_engine import __version__
from event_stream_engine.entrypoints.flags import cli as flags
from event_stream_engine.entrypoints.monitoring import cli as breakers
from event_stream_engine.errors import EseError

# One process of the operating system each: command -> module, function.
PROCESSES = {
    "serve": ("api", "main"),
    "relay": ("relay", "main"),
    "consume": ("consumer", "main"),
    "work": ("worker", "main"),
    "beat": ("worker", "beat"),
}

app = typer.Typer(
    name="ese",
    help="Event Stream Engine: engagement on one transactional event log.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
    """Do the chores that wait in the queues (a Celery worker)."""
    _run_process("work")


@app.command()
def beat() -> None:
    """Plan the scheduled chores (Celery beat)."""
    _run_process("beat")


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

    from event_stream_engine.entrypoints.supervisor import sign_in_link
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


app.add_typer(flags.app, name="flags")
app.add_typer(breakers.app, name="breakers")

audit = typer.Typer(no_args_is_help=True, help="The audit trail.")
app.add_typer(audit, name="audit")


@audit.command("verify")
def audit_verify(
    known: Annotated[
        str, typer.Option(help="<id>:<hash> that an earlier run printed and that was kept elsewhere.")
    ] = "",
) -> None:
    """Follow the hash chain of the whole audit trail; exit status 1 where it breaks."""
    from event_stream_engine.entrypoints.auditing import verify

    raise typer.Exit(verify(known))


events = typer.Typer(help="Follow events.", no_args_is_help=True)
app.add_typer(events, name="events")


@events.command("tail")
def events_tail(
    stream: Annotated[list[str] | None, typer.Argument(help="Such as messaging.campaign.v1; none: all.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with what the streams hold.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the data.")] = False,
) -> None:
    """Print events as they are published, until Ctrl-C."""
    from event_stream_engine.entrypoints import events as following

    following.tail(stream or [], from_start=from_start, as_json=as_json)


@events.command("trace")
def events_trace(
    event_id: Annotated[str, typer.Argument(help="An event's id, a correlation id, or a request's X-Request-ID.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the data.")] = False,
) -> None:
    """Print what one request or event led to, and which groups have applied it."""
    from event_stream_engine.entrypoints import events as following

    following.trace(event_id, as_json=as_json)


backbone = typer.Typer(help="Look after the relay and its streams.", no_args_is_help=True)
app.add_typer(backbone, name="backbone")


@backbone.command("status")
def backbone_status() -> None:
    """Print the relay, its streams and what waits."""
    from event_stream_engine.entrypoints.backbone import commands

    commands.status()


@backbone.command("rebuild")
def backbone_rebuild(
    stream: Annotated[str, typer.Argument(help="Such as messaging.campaign.v1, or `all`.")],
) -> None:
    """Ask the relay to empty a stream and fill it again from the outbox; groups keep their place."""
    from event_stream_engine.entrypoints.backbone import commands

    commands.rebuild(None if stream == "all" else stream)


@backbone.command("accept-generation")
def backbone_accept_generation(
    reason: Annotated[str, typer.Option(help="Why this database is the one to go on with.")],
    by: Annotated[str, typer.Option(help="Who decides.")] = "operator",
) -> None:
    """Go on from a restored database (the relay must be stopped)."""
    from event_stream_engine.entrypoints.backbone import commands

    commands.accept_generation(by, reason)


groups = typer.Typer(help="Pause, resume and look at consumer groups.", no_args_is_help=True)
app.add_typer(groups, name="groups")

Group = Annotated[str, typer.Argument(help="Such as messaging.apply_receipts; `ese groups list` names them.")]
By = Annotated[str, typer.Option(help="Who does it; it is kept with it.")]


@groups.command("list")
def groups_list() -> None:
    """Print each group's state, lag, parked events and dead letters."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.list_groups()


@groups.command("pause")
def groups_pause(group: Group, reason: Annotated[str, typer.Option(help="Why.")], by: By = "operator") -> None:
    """Let a group stand still; its events wait."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.pause(group, by, reason)


@groups.command("resume")
def groups_resume(group: Group) -> None:
    """Let a paused group go on."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.resume(group)


@groups.command("retry")
def groups_retry(group: Group) -> None:
    """Try what a group has parked now, not when it is due."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.retry(group)


letters = typer.Typer(help="Events that a group gave up.", no_args_is_help=True)
app.add_typer(letters, name="dead-letters")

LetterIds = Annotated[list[str] | None, typer.Argument(help="Ids as `ese dead-letters list` prints them.")]
OfGroup = Annotated[str | None, typer.Option("--group", help="Only this group's.")]
OfType = Annotated[str | None, typer.Option("--type", help="Only events of this type.")]
OfKey = Annotated[str | None, typer.Option("--key", help="Only events with this key.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be.")]
PerSecond = Annotated[int | None, typer.Option(help="At most so many events a second.")]


@letters.command("list")
def letters_list(
    group: OfGroup = None,
    type_: OfType = None,
    key: OfKey = None,
    status: Annotated[str, typer.Option(help="open, redriven or discarded.")] = "open",
) -> None:
    """Print the newest 200 dead letters."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.list_letters(group, type_, key, status)


@letters.command("show")
def letters_show(letter_id: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Print a dead letter with its event, its stack and its history."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.show_letter(letter_id)


@letters.command("redrive")
def letters_redrive(
    ids: LetterIds = None,
    group: OfGroup = None,
    type_: OfType = None,
    key: OfKey = None,
    dry_run: DryRun = False,
    per_second: PerSecond = None,
    by: By = "operator",
) -> None:
    """Give dead letters back to their groups: those named, or all open ones that match."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.redrive(ids, group, type_, key, dry_run=dry_run, per_second=per_second, by=by)


@letters.command("discard")
def letters_discard(
    reason: Annotated[str, typer.Option(help="Why their effect is not wanted.")],
    ids: LetterIds = None,
    group: OfGroup = None,
    type_: OfType = None,
    key: OfKey = None,
    dry_run: DryRun = False,
    by: By = "operator",
) -> None:
    """Settle dead letters without their effect."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.discard(ids, group, type_, key, dry_run=dry_run, by=by, reason=reason)


alerts = typer.Typer(help="What is wrong, and who looks after it.", no_args_is_help=True)
app.add_typer(alerts, name="alerts")

AlertId = Annotated[str, typer.Argument(help="As `ese alerts list` prints it.")]


@alerts.command("list")
def alerts_list(
    state: Annotated[str, typer.Option(help="open, firing, acknowledged, silenced, inhibited or resolved.")] = "open",
) -> None:
    """Print alerts, the newest first."""
    from event_stream_engine.entrypoints import alerting

    alerting.list_alerts(state)


@alerts.command("ack")
def alerts_ack(alert_id: AlertId, by: By = "operator") -> None:
    """Say that somebody looks after an alert."""
    from event_stream_engine.entrypoints import alerting

    alerting.acknowledge(alert_id, by)


@alerts.command("silence")
def alerts_silence(
    alert_id: AlertId,
    reason: Annotated[str, typer.Option(help="Why; it is shown beside the alert.")],
    hours: Annotated[float, typer.Option(help="For how long, at most 720.")] = 4,
) -> None:
    """Tell nobody of an alert, nor of its return, for some hours."""
    from event_stream_engine.entrypoints import alerting

    alerting.silence(alert_id, reason, hours)


replays = typer.Typer(help="A part of the log once more, for one group.", no_args_is_help=True)
app.add_typer(replays, name="replay")


@replays.command("start")
def replay_start(
    group: Group,
    stream: Annotated[str | None, typer.Option(help="Only events of this stream.")] = None,
    type_: Annotated[list[str] | None, typer.Option("--type", help="Only events of this type (repeatable).")] = None,
    key: OfKey = None,
    from_: Annotated[str | None, typer.Option("--from", help="A time (ISO 8601) or an entry id.")] = None,
    to: Annotated[str | None, typer.Option(help="A time (ISO 8601) or an entry id, inclusive.")] = None,
    dry_run: DryRun = False,
    per_second: PerSecond = None,
    by: By = "operator",
) -> None:
    """Replay what a group hears; live events go on meanwhile."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.start_replay(group, stream, type_, key, from_, to, dry_run=dry_run, per_second=per_second, by=by)


@replays.command("list")
def replay_list() -> None:
    """Print the newest 200 replays."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.list_replays()


@replays.command("cancel")
def replay_cancel(replay_id: Annotated[str, typer.Argument(help="As `ese replay list` prints it.")]) -> None:
    """Stop a replay; what it has applied stays applied."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.cancel_replay(replay_id)


@app.command()
def verify(
    as_json: Annotated[bool, typer.Option("--json", help="The whole proof as one JSON object.")] = False,
) -> None:
    """Prove that every committed event is in its stream once and in every group's charge; status 1 if not."""
    from event_stream_engine.entrypoints.backbone import commands

    raise typer.Exit(commands.verify(as_json=as_json))


stored = typer.Typer(help="Secrets that are stored encrypted.", no_args_is_help=True)
app.add_typer(stored, name="secrets")


@stored.command("rotate")
def secrets_rotate() -> None:
    """Encrypt stored secrets with ESE_SECRET_KEY; those of ESE_SECRET_KEY_PREVIOUS are read for the last time."""
    from event_stream_engine.entrypoints import secrets_command

    secrets_command.rotate()


@app.command()
def migrate() -> None:
    """Bring the database to this version's schema (`ese up` does it by itself)."""
    from event_stream_engine.database.migrating import migrate_now
    from event_stream_engine.settings import load_settings

    migrate_now(load_settings().database_url)
    typer.echo("The schema is up to date.")


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
