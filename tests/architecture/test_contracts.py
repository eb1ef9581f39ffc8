"""The import contracts cover everything there is: a new file of a feature stands behind its door from the
start.

`make lint` checks that imports keep the contracts; this checks that the contracts are complete.
"""

import configparser

import pytest

from tests.architecture.sources import FEATURES, PACKAGE, ROOT

NAME = "event_stream_engine"
OPEN = {"api"}  # the one door


def contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return parser


def modules_of(feature: str) -> set[str]:
    folder = PACKAGE / feature
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    folders = {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}
    return {f"{NAME}.{feature}.{module}" for module in (files | folders) - OPEN}


@pytest.mark.parametrize("feature", [name for name in FEATURES if (PACKAGE / name / "__init__.py").exists()])
def test_every_file_of_a_feature_stands_behind_its_door(feature: str) -> None:
    section = f"importlinter:contract:door-{feature}"
    listed = set(contracts().get(section, "protected_modules", fallback="").split())
    missing = sorted(modules_of(feature) - listed)
    assert not missing, (
        f"`.importlinter` must protect these under [{section}] (allowed importers: {NAME}.{feature} and "
        f"{NAME}.entrypoints), so that other features ask {feature}.api instead:\n  " + "\n  ".join(missing)
    )


def test_every_feature_says_what_it_owns() -> None:
    silent = [
        name
        for name in FEATURES
        if (folder := PACKAGE / name).exists() and not (folder / "__init__.py").read_text().lstrip().startswith('"""')
    ]
    assert not silent, f"The first paragraph of `__init__.py` says what a feature owns, emits and hears: {silent}"
