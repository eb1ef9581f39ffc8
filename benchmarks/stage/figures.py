"""One figure: kept for the table, and written to `benchmarks/results/<name>.json`."""

import json
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent.parent / "results"
GUIDE = Path(__file__).parents[2] / "docs/guides/performance.md"

_figures: list[dict[str, Any]] = []


def record(
    name: str, value: float, unit: str, *, beside: str, beside_value: float, ratio: float, goal: str, met: bool
) -> None:
    """Keep a figure. `ratio` is to what the same machine did in the same run: `beside_value`, called `beside`."""
    figure = {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "beside": round(beside_value, 3),
        "beside_what": beside,
        "ratio": round(ratio, 3),
        "goal": goal,
        "met": met,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(figure, indent=2) + "\n")
    _figures.append(figure)


def print_table() -> None:
    """Every figure of this run."""
    table = Table("figure", "value", "beside", "ratio", "goal", "met")
    for f in _figures:
        value, beside = f"{f['value']:,.1f} {f['unit']}", f"{f['beside']:,.1f} {f['beside_what']}"
        table.add_row(f["name"], value, beside, f"{f['ratio']:.3f}", f["goal"], "yes" if f["met"] else "no")
    Console(width=160).print(table)


def write_guide() -> None:
    """Every figure on record, of this run and of earlier ones, as the guide on performance; and those that another
    guide asks for between `<!-- figures: names -->` and `<!-- end of figures -->`."""
    figures = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    lines = [
        "<!-- Written by `make bench`; edits are lost. -->",
        "",
        "# Performance",
        "",
        "Each figure stands beside what the same machine did in the same run without us: machines differ, a loaded one",
        'swings widely, so read the ratio. A missed goal stays here. `make bench ONLY="name …"` measures anew.',
        "",
        *_rows(figures),
    ]
    machines = sorted({f["machine"] for f in figures})
    GUIDE.write_text("\n".join([*lines, "", f"Machine: {'; '.join(machines)}.", ""]))
    for guide in sorted(GUIDE.parent.glob("*.md")):
        text = guide.read_text()
        if (filled := _BLOCK.sub(lambda found: _filled(found, figures), text)) != text:
            guide.write_text(filled)


_BLOCK = re.compile(r"<!-- figures: (?P<names>[a-z0-9_ ]+) -->\n.*?<!-- end of figures -->", re.DOTALL)


def _filled(found: re.Match[str], figures: list[dict[str, Any]]) -> str:
    wanted = found["names"].split()
    rows = _rows([figure for figure in figures if figure["name"] in wanted])
    return "\n".join([f"<!-- figures: {found['names']} -->", *rows, "<!-- end of figures -->"])


def _rows(figures: list[dict[str, Any]]) -> list[str]:
    lines = ["| figure | value | beside | ratio | goal | met | at |", "|---|---|---|---|---|---|---|"]
    for f in figures:
        value, beside = f"{f['value']:,.1f} {f['unit']}", f"{f['beside']:,.1f} {f['beside_what']}"
        met = "yes" if f["met"] else "no"
        lines.append(f"| {f['name']} | {value} | {beside} | {f['ratio']:.3f} | {f['goal']} | {met} | {f['at'][:10]} |")
    return lines
