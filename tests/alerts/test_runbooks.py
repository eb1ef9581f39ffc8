"""Each rule has a page that says what to do, and what the page names is there."""

import re
from pathlib import Path

import pytest
import typer.main

from event_stream_engine.alerts.catalogue import RULES
from event_stream_engine.alerts.model import Rule
from event_stream_engine.entrypoints.cli import app
from event_stream_engine.flags.api import CATALOGUE
from event_stream_engine.settings import Section, Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "runbooks"
PARTS = ["What it means", "What to look at", "What to do"]
METRICS = (ROOT / "docs" / "metrics.md").read_text() if (ROOT / "docs" / "metrics.md").exists() else ""

# Exported by parts that a release may not have yet.


@pytest.fixture(params=RULES, ids=lambda rule: rule.name)
def page(request: pytest.FixtureRequest) -> str:
    rule: Rule = request.param
    return (ROOT / rule.runbook).read_text()


def commands() -> set[str]:
    def every(group: object, typed: str) -> set[str]:
        found = {typed}
        for word, command in getattr(group, "commands", {}).items():
            found |= every(command, f"{typed} {word}")
        return found

    return every(typer.main.get_command(app), "ese")


def test_every_page_is_of_a_rule() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == {rule.name for rule in RULES}


def test_a_page_says_what_it_means_what_to_look_at_and_what_to_do(page: str) -> None:
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == PARTS
    assert all(len(part.strip()) > 20 for part in re.split(r"^## .*$", page, flags=re.MULTILINE)[1:])


def test_the_commands_it_names_exist(page: str) -> None:
    known = commands()
    for typed in re.findall(r"`(ese [^`]*)`", page):
        words = [word for word in typed.split() if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
        assert any(" ".join(words[:n]) in known for n in (2, 3)), typed
        if len(words) > 2:
            assert " ".join(words[:3]) in known or " ".join(words[:2]) in known, typed


def test_its_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page):
        assert (FOLDER / target).resolve().is_file(), target


def test_the_metrics_settings_and_flags_it_names_exist(page: str) -> None:
    for metric in re.findall(r"`(ese_[a-z_]+)", page):
        assert f"`{metric}`" in METRICS, metric
    sections = [field.annotation for field in Settings.model_fields.values()]
    known = {
        s.alias
        for kind in sections
        if isinstance(kind, type) and issubclass(kind, Section)
        for s in kind.model_fields.values()
    }
    for name in re.findall(r"`(ESE_[A-Z_]+)", page):
        assert name in known | {"ESE_HOME"}, name
    for name in re.findall(r"`(MONITORING_[A-Z_]+)", page):
        assert name in CATALOGUE, name


def test_the_metrics_that_rules_judge_exist() -> None:
    for rule in RULES:
        for metric in re.findall(r"\b(ese_[a-z_]+)", rule.condition.promql):
            assert f"`{metric}`" in METRICS, (rule.name, metric)


NO_METRICS = {"ese_entryid", "ese_log", "ese_number", "ese_session", "ese_fresh"}  # headers of Kafka, cookies
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_the_metrics_and_alerts_a_guide_names_exist(guide: Path) -> None:
    told = guide.read_text()
    for metric in re.findall(r"`(ese_[a-z_]*[a-z0-9])(?=[`{])", told):
        assert f"`{metric}`" in METRICS or metric in NO_METRICS, metric
    for alert in re.findall(r"`(Ese[A-Z][A-Za-z]+)`", told):
        assert alert in {rule.name for rule in RULES}, alert


def test_what_to_watch_names_every_alert_with_its_severity() -> None:
    told = (ROOT / "docs" / "guides" / "operations.md").read_text()
    rows = [line.split("|") for line in told.splitlines() if line.startswith("| `") and "`Ese" in line]
    severities = {name: row[4] for row in rows for name in re.findall(r"`(Ese[A-Za-z]+)`", row[2])}
    assert set(severities) == {rule.name for rule in RULES}
    for rule in RULES:
        assert rule.severity == "none" or rule.severity in severities[rule.name], rule.name
