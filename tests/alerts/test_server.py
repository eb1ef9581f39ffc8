"""Prometheus itself, with the files that are shipped, reads the platform and fires its alerts."""

import asyncio
import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmarks.stage.dashboards import serve

from event_stream_engine.alerts.catalogue import RULES
from event_stream_engine.alerts.grafana import expressions
from tests.alerts.test_rules import PROMETHEUS, tool
from tests.conftest import Addresses
from tests.waiting import until

WAIT_SECONDS = 90
SERIES_MAX = 2000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Prometheus:
    """A running server, asked over its API."""

    def __init__(self, port: int) -> None:
        self._origin = f"http://127.0.0.1:{port}"

    async def ask(self, path: str, **given: str) -> Any:
        """The answer's data; None while the server does not answer."""
        return await asyncio.to_thread(self._ask, f"{self._origin}/api/v1/{path}?{urllib.parse.urlencode(given)}")

    async def until(self, what: str, holds: Callable[[Any], bool], path: str, **given: str) -> Any:
        data = None

        async def seen() -> bool:
            nonlocal data
            data = await self.ask(path, **given)
            return holds(data)

        try:
            await until(seen, WAIT_SECONDS)
        except TimeoutError:
            raise AssertionError(f"not seen: {what}; last: {data}") from None
        return data

    def _ask(self, address: str) -> Any:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=5) as answer:
                said = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it reads its log
                return None
            raise AssertionError(f"{address}: {error.read().decode()}") from error
        except OSError:
            return None
        assert said["status"] == "success", said
        return said["data"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
async def prometheus(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Prometheus]:
    """With the shipped files: only the address, and how often it looks, are the test's."""
    program = tool("prometheus")
    platform = await serve(Addresses(database_url, redis_url), ESE_HOME=str(tmp_path / "home"))  # type: ignore[arg-type]
    settings = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{platform.port}"]}]
    del settings["alerting"]
    shutil.copytree(PROMETHEUS / "rules", tmp_path / "rules")
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(settings))
    port = free_port()
    server = subprocess.Popen(
        [program, f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=(tmp_path / "prometheus.log").open("wb"),
    )  # fmt: skip
    try:
        yield Prometheus(port)
    finally:
        server.terminate()
        server.wait(30)
        await platform.stop()


async def test_prometheus_reads_the_platform_and_fires_its_alerts(prometheus: Prometheus) -> None:
    def is_up(data: Any) -> bool:
        return bool(data and data["result"] and data["result"][0]["value"][1] == "1")

    await prometheus.until("a scrape that works", is_up, "query", query='up{job="ese"}')
    series = await prometheus.ask("query", query='scrape_samples_scraped{job="ese"}')
    assert 100 < int(series["result"][0]["value"][1]) <= SERIES_MAX

    def fires(data: Any) -> bool:
        states = {alert["labels"]["alertname"]: alert["state"] for alert in (data or {}).get("alerts", [])}
        return states.get("EseWatchdog") == "firing"

    await prometheus.until("the watchdog's alert", fires, "alerts")

    def judged(data: Any) -> bool:
        return {rule["health"] for group in data["groups"] for rule in group["rules"]} == {"ok"}

    groups = (await prometheus.until("every rule judged without error", judged, "rules"))["groups"]
    there = {rule["name"] for group in groups for rule in group["rules"] if rule["type"] == "alerting"}
    assert there == {rule.name for rule in RULES}
    for query in expressions():
        assert (await prometheus.ask("query", query=query))["resultType"] == "vector", query
