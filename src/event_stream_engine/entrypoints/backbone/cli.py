"""`ese events …`, `ese backbone …`, `ese groups …` and `ese replay …`: what is typed. The modules beside this one do
it, imported when it runs."""

from typing import Annotated

import typer

from event_stream_engine.entrypoints.backbone.letters_cli import DryRun, OfKey, PerSecond
from event_stream_engine.entrypoints.typed import By

events = typer.Typer(help="Follow events.", no_args_is_help=True)


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
    event_id: Annotated[
        str,
        typer.Argument(help="An event's or a campaign's id, or the X-Request-ID of a request about something else."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the data.")] = False,
) -> None:
    """Print what one request or event led to, and which groups have applied it."""
    from event_stream_engine.entrypoints import events as following

    following.trace(event_id, as_json=as_json)


backbone = typer.Typer(help="Look after the relay and its streams.", no_args_is_help=True)


@backbone.command("status")
def backbone_status() -> None:
    """Print the relay, its streams and what waits."""
    from event_stream_engine.entrypoints.backbone import commands

    commands.status()


@backbone.command("rebuild")
def backbone_rebuild(
    stream: Annotated[str, typer.Argument(help="Such as messaging.campaign.v1, or `all`.")],
    by: By = "operator",
) -> None:
    """Ask the relay to empty a stream and fill it again from the outbox; groups keep their place."""
    from event_stream_engine.entrypoints.backbone import commands

    commands.rebuild(None if stream == "all" else stream, by)


@backbone.command("accept-generation")
def backbone_accept_generation(
    reason: Annotated[str, typer.Option(help="Why this database is the one to go on with.")],
    by: By = "operator",
) -> None:
    """Go on from a restored database (the relay must be stopped)."""
    from event_stream_engine.entrypoints.backbone import commands

    commands.accept_generation(by, reason)


groups = typer.Typer(help="Pause, resume and look at consumer groups.", no_args_is_help=True)

Group = Annotated[str, typer.Argument(help="Such as messaging.apply_receipts; `ese groups list` names them.")]


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
def groups_resume(group: Group, by: By = "operator") -> None:
    """Let a paused group go on."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.resume(group, by)


@groups.command("retry")
def groups_retry(group: Group, by: By = "operator") -> None:
    """Try what a group has parked now, not when it is due."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.retry(group, by)


replays = typer.Typer(help="A part of the log once more, for one group.", no_args_is_help=True)


@replays.command("start")
def replay_start(
    group: Group,
    stream: Annotated[str | None, typer.Option(help="Only events of this stream.")] = None,
    type_: Annotated[list[str] | None, typer.Option("--type", help="Only events of this type (repeatable).")] = None,
    key: OfKey = None,
    from_: Annotated[str | None, typer.Option("--from", help="A time (ISO 8601), a day (UTC) or an entry id.")] = None,
    to: Annotated[str | None, typer.Option(help="A time (ISO 8601), a day (UTC) or an entry id, inclusive.")] = None,
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
def replay_cancel(
    replay_id: Annotated[str, typer.Argument(help="As `ese replay list` prints it.")], by: By = "operator"
) -> None:
    """Stop a replay; what it has applied stays applied."""
    from event_stream_engine.entrypoints.backbone import group_commands

    group_commands.cancel_replay(replay_id, by)
