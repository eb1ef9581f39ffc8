"""`ese dead-letters …`: what is typed. `letter_commands` does it, imported when it runs."""

from enum import StrEnum
from typing import Annotated

import typer

from event_stream_engine.entrypoints.typed import By

app = typer.Typer(help="Events that a group gave up.", no_args_is_help=True)

LetterIds = Annotated[list[str] | None, typer.Argument(help="Ids as `ese dead-letters list` prints them.")]
OfGroup = Annotated[str | None, typer.Option("--group", help="Only this group's.")]
OfType = Annotated[str | None, typer.Option("--type", help="Only events of this type.")]
OfKey = Annotated[str | None, typer.Option("--key", help="Only events with this key.")]
OfCause = Annotated[
    str | None, typer.Option("--cause", help="Only of this cause, as `ese dead-letters causes` prints it.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be.")]
PerSecond = Annotated[int | None, typer.Option(help="At most so many events a second.")]


class Status(StrEnum):
    """What became of a letter, as the API names it."""

    OPEN = "open"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


@app.command("list")
def letters_list(
    group: OfGroup = None,
    type_: OfType = None,
    key: OfKey = None,
    cause: OfCause = None,
    status: Annotated[Status, typer.Option(help=f"What became of them: {', '.join(Status)}.")] = Status.OPEN,
) -> None:
    """Print the newest 200 dead letters."""
    from event_stream_engine.entrypoints.backbone import letter_commands

    letter_commands.list_letters(group, type_, key, cause, status.value)


@app.command("causes")
def letters_causes(group: OfGroup = None, type_: OfType = None, key: OfKey = None) -> None:
    """Print the open ones by what they died of, the most frequent first: at most 100 causes of the newest 10,000."""
    from event_stream_engine.entrypoints.backbone import letter_commands

    letter_commands.list_causes(group, type_, key)


@app.command("show")
def letters_show(letter_id: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Print a dead letter with its event, its stack and its history."""
    from event_stream_engine.entrypoints.backbone import letter_commands

    letter_commands.show_letter(letter_id)


@app.command("redrive")
def letters_redrive(
    ids: LetterIds = None,
    group: OfGroup = None,
    type_: OfType = None,
    key: OfKey = None,
    cause: OfCause = None,
    dry_run: DryRun = False,
    per_second: PerSecond = None,
    by: By = "operator",
) -> None:
    """Give dead letters back to their groups: those named, or all open ones that match."""
    from event_stream_engine.entrypoints.backbone import letter_commands

    letter_commands.redrive(ids, group, type_, key, cause, dry_run=dry_run, per_second=per_second, by=by)


@app.command("discard")
def letters_discard(
    reason: Annotated[str, typer.Option(help="Why their effect is not wanted.")],
    ids: LetterIds = None,
    group: OfGroup = None,
    type_: OfType = None,
    key: OfKey = None,
    cause: OfCause = None,
    dry_run: DryRun = False,
    by: By = "operator",
) -> None:
    """Settle dead letters without their effect."""
    from event_stream_engine.entrypoints.backbone import letter_commands

    letter_commands.discard(ids, group, type_, key, cause, dry_run=dry_run, by=by, reason=reason)
