"""One figure: printed, and written to `benchmarks/results/<name>.json`."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")


def record(
    name: str, value: float, unit: str, *, beside: str, beside_value: float, ratio: float, goal: str, met: bool
) -> dict[str, Any]:
    """Keep a figure. `ratio` is to what the same machine did in the same run: `beside`, `beside_value`."""
    figure = {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "beside": {"what": beside, "value": round(beside_value, 3)},
        "ratio": round(ratio, 3),
        "goal": goal,
        "met": met,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(figure, indent=2) + "\n")
    verdict = "met" if met else "MISSED"
    print(f"{name:20} {value:>12,.1f} {unit:14} ratio {ratio:6.3f}  goal {goal:28} {verdict}", flush=True)
    print(f"{'':20} {beside_value:>12,.1f} {beside}", flush=True)
    return figure
