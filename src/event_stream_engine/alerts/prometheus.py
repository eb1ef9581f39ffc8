"""The rules as files for Prometheus and Alertmanager."""

import json
from collections.abc import Iterable, Iterator

from event_stream_engine.alerts.catalogue import RULES
from event_stream_engine.alerts.model import ERRORS, REQUESTS, WINDOWS, Rule, duration

NOTICE = "# Generated from src/event_stream_engine/alerts/catalogue.py by `make docs`; edits are lost.\n"


def rule_file() -> str:
    """Recording rules for the windows of the error budget, and every alert."""
    lines = ["groups:", "  - name: ese-recording", "    interval: 30s", "    rules:"]
    for window in WINDOWS:
        lines += _recorded(duration(window))
    lines += ["  - name: ese-alerts", "    interval: 15s", "    rules:"]
    for rule in RULES:
        lines += _alert(rule)
    return NOTICE + "\n".join(lines) + "\n"


def _recorded(window: str) -> Iterator[str]:
    failed, all_ = f"sum(rate({ERRORS.promql}[{window}]))", f"sum(rate({REQUESTS.promql}[{window}]))"
    yield f"      - record: ese:http_errors:ratio_rate{window}"
    yield f"        expr: {json.dumps(f'{failed} / {all_}')}"
    yield f"      - record: ese:http_errors:increase{window}"
    yield f"        expr: {json.dumps(f'sum(increase({ERRORS.promql}[{window}]))')}"


def _alert(rule: Rule) -> Iterator[str]:
    yield f"      - alert: {rule.name}"
    yield "        expr: |-"
    yield from (f"          {line}" for line in rule.condition.promql.splitlines())
    if rule.hold:
        yield f"        for: {duration(rule.hold)}"
    yield f"        labels: {{severity: {rule.severity}}}"
    yield "        annotations:"
    yield f"          summary: {json.dumps(_template(rule.summary))}"
    yield f"          description: {json.dumps(rule.meaning)}"
    yield f"          runbook: {json.dumps(rule.runbook)}"


def _template(summary: str) -> str:
    """`{group}` in Prometheus's templates."""
    text = summary.replace("{value}", "<<value>>").replace("{", "{{ $labels.").replace("}", " }}")
    return text.replace("<<value>>", "{{ $value | humanize }}")


def inhibitions(rules: Iterable[Rule] = RULES) -> dict[str, list[str]]:
    """What is silent while an alert fires, by the alert."""
    found: dict[str, list[str]] = {}
    for rule in rules:
        for cause in rule.silenced_by:
            found.setdefault(cause, []).append(rule.name)
    return found


_HEAD = """# Put your receivers here: a page must wake somebody, a ticket must not.
route:
  receiver: tickets
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 4h
  routes:
    - matchers: ['alertname = "EseWatchdog"']
      receiver: watchdog
      group_wait: 0s
      repeat_interval: 5m
    - matchers: ['severity = "page"']
      receiver: pages
receivers:
  - name: pages
  - name: tickets
  - name: watchdog
inhibit_rules:"""


def alertmanager_file() -> str:
    """Where alerts go, and which are only consequences of others."""
    lines = [_HEAD]
    for cause, consequences in inhibitions().items():
        lines.append(f"  - source_matchers: ['alertname = \"{cause}\"']")
        lines.append(f"    target_matchers: ['alertname =~ \"{'|'.join(consequences)}\"']")
    return NOTICE + "\n".join(lines) + "\n"


_SERVER = """\
# Prometheus with the rules of the platform. Put the addresses of your `ese serve` and Alertmanager in. `/metrics` asks
# for no credentials and says nothing secret; where the address is public, let only Prometheus reach it.
global:
  scrape_interval: 15s
  evaluation_interval: 15s
rule_files:
  - rules/*.yml
alerting:
  alertmanagers:
    - static_configs:
        - targets: ["127.0.0.1:9093"]
scrape_configs:
  - job_name: ese
    static_configs:
      - targets: ["127.0.0.1:8700"]
"""


def server_file() -> str:
    """What Prometheus itself is started with."""
    return NOTICE.replace("catalogue", "prometheus") + _SERVER
