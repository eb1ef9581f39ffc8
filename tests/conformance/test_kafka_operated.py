"""What an operator is told of Kafka: by `ese doctor`, by the health addresses and by the list of streams."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.kafka import KafkaStreams
from event_stream_engine.database import Database
from event_stream_engine.embedded import ports
from event_stream_engine.entrypoints import doctor
from event_stream_engine.entrypoints.api import create_app
from event_stream_engine.entrypoints.cli import app as command_line
from event_stream_engine.entrypoints.doctor import Finding, Verdict
from event_stream_engine.settings import BackboneSettings, load_settings
from tests.backbone.conftest import working
from tests.conformance.conftest import arrived
from tests.conformance.kafka_broker import KafkaBroker, jars
from tests.conformance.kafka_guarded import GuardedBroker
from tests.web.client import Client
from tests.web.conftest import client_of, owner
from tests.web.settings import settings_for

__all__ = ["client_of", "owner"]  # fixtures

STREAM = "identity.user.v1"


@pytest.fixture
def broker() -> Iterator[KafkaBroker]:
    """One that a test may stop."""
    started = KafkaBroker(jars())
    try:
        started.format()
        started.start()
        yield started
    finally:
        started.close()


@pytest.fixture
async def app(database_url: str, redis_url: str, tmp_path: Path, broker: KafkaBroker) -> AsyncIterator[FastAPI]:
    settings = settings_for(
        database_url, redis_url, tmp_path, ESE_STREAMS="kafka", ESE_KAFKA_BROKERS=broker.address
    )  # fmt: skip
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        yield application


async def kafka_finding(home: Path, **environment: str) -> Finding:
    findings = await doctor.examine(load_settings({"ESE_HOME": str(home), **environment}))
    (found,) = [finding for finding in findings if finding.subject == "Kafka"]
    return found


async def test_health_and_the_list_of_streams_know_kafka(
    app: FastAPI, owner: Client, database: Database, broker: KafkaBroker, client_of: Callable[..., Client]
) -> None:
    streams = KafkaStreams({"bootstrap.servers": broker.address})
    async with working(Relay(database, streams, BackboneSettings())):
        await arrived(streams, 1, STREAM)
    anybody = client_of()
    await app.state.platform.shared["health"].look()
    health = await anybody.get("/health")
    assert health.status_code == 200, health.text
    (check,) = health.json()["checks"]["kafka:responseTime"]
    assert check["status"] == "pass"
    assert check["output"].startswith("brokers: 1; topics not made yet: ")
    assert STREAM not in check["output"]
    assert (await anybody.get("/readyz")).text == "ok"
    (shown,) = (await owner.get("/api/v1/backbone/streams")).json()["items"]
    assert (shown["transport"], shown["stream"], shown["entries"], shown["state"]) == ("kafka", STREAM, 1, "ok")
    assert shown["last_entry_id"] == await streams.last_id(STREAM)
    await streams.close()


async def test_without_kafka_requests_are_served_and_it_is_said(
    app: FastAPI, owner: Client, broker: KafkaBroker
) -> None:
    monitor = app.state.platform.shared["health"]
    assert (await owner.get("/health")).json()["checks"]["kafka:responseTime"][0]["status"] == "pass"
    await asyncio.to_thread(broker.stop, kill=True)
    for _ in range(3):
        await monitor.look()
    health = await owner.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "warn"), "what is committed waits in the outbox"
    assert health.json()["checks"]["kafka:responseTime"][0]["status"] == "fail"
    assert health.json()["checks"]["postgresql:responseTime"][0]["status"] == "pass"
    ready = await owner.get("/readyz")
    assert ready.status_code == 200
    assert "kafka does not answer" in ready.text
    assert (await owner.get("/api/v1/contacts")).status_code == 200


async def test_the_doctor_tells_what_kafka_is_and_what_to_do(broker: KafkaBroker, tmp_path: Path) -> None:
    using = {"ESE_STREAMS": "kafka", "ESE_KAFKA_BROKERS": broker.address}
    found = await kafka_finding(tmp_path, **using)
    assert (found.verdict, found.found[:21]) == (Verdict.GOOD, "brokers: 1, topics: 0")
    assert STREAM in found.advice
    found = await kafka_finding(tmp_path, ESE_KAFKA_BROKERS=broker.address)
    assert (found.verdict, found.advice) == (Verdict.NOTE, "set ESE_STREAMS=kafka to use it")
    found = await kafka_finding(tmp_path, ESE_STREAMS="kafka")
    assert found.verdict is Verdict.MISSING
    assert "ESE_KAFKA_BROKERS" in found.advice
    await asyncio.to_thread(broker.stop, kill=True)
    found = await kafka_finding(tmp_path, **using)
    assert (found.verdict, found.advice) == (Verdict.MISSING, "start it, or correct ESE_KAFKA_BROKERS")
    assert (await kafka_finding(tmp_path)).verdict is Verdict.GOOD, "nobody asked for Kafka"


async def test_the_doctor_tells_a_refused_password_from_a_silent_cluster(tmp_path: Path) -> None:
    guarded = GuardedBroker()
    try:
        await asyncio.to_thread(guarded.format)
        await asyncio.to_thread(guarded.start)
        found = await kafka_finding(
            tmp_path, ESE_STREAMS="kafka", ESE_KAFKA_BROKERS=guarded.password, ESE_KAFKA_SECURITY="sasl_plaintext",
            ESE_KAFKA_MECHANISM="PLAIN", ESE_KAFKA_USER="ese", ESE_KAFKA_PASSWORD="wrong",
        )  # fmt: skip
    finally:
        await asyncio.to_thread(guarded.close)
    assert found.verdict is Verdict.MISSING
    assert found.found.startswith("noauth: ")
    assert "ESE_KAFKA_MECHANISM" in found.found


def test_the_doctors_table_has_a_line_for_kafka_and_a_bad_status_without_it(tmp_path: Path) -> None:
    environment = {
        "ESE_HOME": str(tmp_path), "ESE_STREAMS": "kafka", "ESE_KAFKA_BROKERS": f"127.0.0.1:{ports.any_free()}",
        "COLUMNS": "200",
    }  # fmt: skip
    shown = CliRunner().invoke(command_line, ["doctor"], env=environment)
    assert shown.exit_code == 1
    assert "correct ESE_KAFKA_BROKERS" in shown.output
