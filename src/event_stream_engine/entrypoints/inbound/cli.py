"""`ese inbound …`: what is typed. `commands` does it, imported when it runs."""

from typing import Annotated

import typer

from event_stream_engine.entrypoints.typed import By

app = typer.Typer(
    help="Messages from people: up to when they are known, catching up, and how replies are read.", no_args_is_help=True
)


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


@app.command()
def read(reply: Annotated[str, typer.Argument(help="What a person might write.")]) -> None:
    """Print how a reply is read: as an opt-out, START, HELP or a text, and why."""
    from event_stream_engine.entrypoints.inbound import commands

    commands.print_reading(reply)


@app.command()
def keywords() -> None:
    """Print the keywords that opt a person out, and where each comes from."""
    from event_stream_engine.entrypoints.inbound import commands

    commands.print_keywords()


@app.command("add-keyword")
def add_keyword(word: Annotated[str, typer.Argument(help="A word or phrase.")], by: By = "operator") -> None:
    """Take a word for an opt-out when it is the whole reply."""
    from event_stream_engine.entrypoints.inbound import commands

    commands.change_keyword(word, by, is_opt_out=True)


@app.command("remove-keyword")
def remove_keyword(word: Annotated[str, typer.Argument(help="A word or phrase.")], by: By = "operator") -> None:
    """Take a word off the list. STOP and the other words that the law names stay on it."""
    from event_stream_engine.entrypoints.inbound import commands

    commands.change_keyword(word, by, is_opt_out=False)
