"""The field's standard terms: GLOSSARY.md says which; the words that they replaced do not come back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import in_tests, package

ROOT = Path(__file__).parents[2]
REPLACED = {
    r"chores?": "task",
    r"cancelled": "canceled",
    r"Nothing fires": "No active alerts",
    r"As they will read it": "Preview",
    r"Keep as it is": "Cancel",
    r"Know this": "Warning",
    r"How far it got": "Funnel",
    r"[Ww]orked out at launch": "The audience is fixed at launch",
    r"group starts anew": "consumer group restarting",
    r"event is dead": "event dead-lettered",
}
PUBLIC = ("ese_queue_chores",)
"""Names that others depend on."""
PYTHON = (r"\.cancelled\(\)", r"CancelledError")

LOG_METHODS = {"debug", "info", "warning", "error", "exception"}


def texts() -> Iterator[tuple[str, str]]:
    """What a reader meets: code, documents, and the UI's sources."""
    for source in (*package(), *in_tests()):
        yield str(source.path), source.text
    folders = (ROOT / "docs", ROOT / "frontend" / "src", ROOT / "deploy")
    for path in (*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*"))):
        if path.suffix in (".md", ".ts", ".tsx", ".yml") and path.name != "schema.d.ts":
            yield str(path), path.read_text()


@pytest.mark.parametrize(("word", "instead"), REPLACED.items())
def test_a_word_that_was_replaced_does_not_come_back(word: str, instead: str) -> None:
    found = []
    for path, given in texts():
        if path.endswith(("test_words.py", "GLOSSARY.md", "CHANGELOG.md")):
            continue
        text = re.sub("|".join((*PUBLIC, *PYTHON)), "", given)
        found += [f"{path}: {line.strip()[:100]}" for line in text.splitlines() if re.search(rf"\b{word}\b", line)]
    assert found == [], f"write {instead!r}"


def logged() -> Iterator[tuple[str, str]]:
    for source in package():
        for node in ast.walk(ast.parse(source.text)):
            match node:
                case ast.Call(func=ast.Attribute(attr=level, value=ast.Name(id="log")), args=[ast.Constant(event), *_]):
                    if level in LOG_METHODS:
                        yield str(source.path), str(event)


def test_a_log_event_is_a_short_phrase_without_an_article() -> None:
    """`subject verb`, so that it can be searched for; what varies is a field."""
    events = list(logged())
    assert len(events) > 50
    long = [f"{path}: {event}" for path, event in events if len(event) > 60 or re.match(r"(a|an|the)\b", event)]
    assert long == []
