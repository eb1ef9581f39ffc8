"""Flags are read through one injected `Flags`: nobody else reads their tables, and no setting stands in for one."""

import ast
from collections.abc import Iterator

from event_stream_engine.flags.api import CATALOGUE
from event_stream_engine.settings import Section, Settings
from tests.architecture.sources import Source, explain, package

TABLES = ("feature_flags", "feature_flag_versions", "flag_audit")
OWNERS = ("flags/",)


def test_only_the_flags_read_their_tables() -> None:
    found = [line for source in package() if not source.name.startswith(OWNERS) for line in tables_named(source)]
    assert not found, explain(found, "Take a `Flags` (flags.api) as a parameter and ask it: it answers from memory.")


def tables_named(source: Source) -> Iterator[str]:
    for node in source.nodes():
        named = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if isinstance(node, ast.Name):
            named = node.id
        if any(table in named for table in TABLES):
            yield f"{source.name}:{getattr(node, 'lineno', 0)}"


def test_no_setting_stands_in_for_a_flag() -> None:
    sections = [field.annotation for field in Settings.model_fields.values()]
    aliases = {
        setting.alias
        for section in sections
        if isinstance(section, type) and issubclass(section, Section)
        for setting in section.model_fields.values()
    }
    assert not aliases & set(CATALOGUE), "A flag's value comes from its store, where a change is judged and audited."
    assert not {alias for alias in aliases if alias and alias.startswith("MONITORING_")}
