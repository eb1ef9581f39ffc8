"""A recurring error is logged at its first occurrence, when its cause changes, once a minute, and when it is over."""

import time

import pytest
from structlog.testing import capture_logs

from event_stream_engine.telemetry import Repeated


def test_an_outage_is_a_few_lines_however_often_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    interrupted = Repeated("rows wait", "rows are written")
    with capture_logs() as logged:
        interrupted.worked()
        for _ in range(300):
            interrupted.failed("ConnectionRefusedError", pending=5)
            now += 0.25
        for _ in range(10):
            interrupted.failed("CircuitOpen", pending=6)
        interrupted.worked()
        interrupted.worked()
        interrupted.failed("ConnectionRefusedError", pending=7)
    told = [(line["event"], line.get("error"), line.get("times") or line.get("failed")) for line in logged]
    assert told == [
        ("rows wait", "ConnectionRefusedError", 1),
        ("rows wait", "ConnectionRefusedError", 241),
        ("rows wait", "CircuitOpen", 301),
        ("rows are written", None, 310),
        ("rows wait", "ConnectionRefusedError", 1),
    ]
