"""Runbooks: beside the sources in a checkout, inside the package in a wheel."""

from pathlib import Path

from event_stream_engine.alerts.model import AlertNotFound, Rule

_PACKAGE = Path(__file__).parents[1]
FOLDERS = (_PACKAGE / "runbooks", _PACKAGE.parents[1] / "docs" / "runbooks")


def text_of(rule: Rule) -> str:
    """The page as Markdown. Raises `AlertNotFound` where this installation has none."""
    for folder in FOLDERS:
        page = folder / f"{rule.name}.md"
        if page.is_file():
            return page.read_text()
    raise AlertNotFound(f"This installation has no runbook for {rule.name}; the sources have {rule.runbook}.")
