"""A Kafka broker for tests: one node (KRaft) from the artifacts of Maven Central, in a temporary folder."""

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from event_stream_engine.embedded import ports

VERSION = "4.1.0"
READY_SECONDS_MAX = 60
_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId><artifactId>kafka-broker</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""
_LOGGING = """\
Configuration:
  Appenders:
    Console:
      name: out
      PatternLayout:
        pattern: "%d %p %m (%c)%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        ref: out
"""


def jars() -> Path:
    """The folder of the broker's jars; Maven fetches them once per user. Skips where Java or Maven is missing."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(
                f"{program} is not installed: no Kafka broker for tests (apt install default-jre-headless maven)"
            )
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "event-stream-engine" / f"kafka-{VERSION}"
    if not (cache / "complete").exists():
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "pom.xml").write_text(_POM)
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"]
        subprocess.run(command, cwd=cache, check=True, timeout=600)
        (cache / "complete").touch()
    return cache / "lib"


@dataclass
class KafkaBroker:
    """`stop` and `start` again keep data and port; `close` removes it."""

    jars: Path
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="ese-kafka-")))
    port: int = field(default_factory=ports.any_free)
    more: str = ""
    """Further lines of server.properties; the last of a name counts. `{folder}`, `{port}` and `{controller}` are
    filled in."""
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def format(self) -> None:
        (self.folder / "log4j2.yaml").write_text(_LOGGING)
        text = (_PROPERTIES + self.more).format(port=self.port, controller=ports.any_free(), folder=self.folder)
        (self.folder / "server.properties").write_text(text)
        cluster = uuid.uuid4().hex[:22]
        with open(self.folder / "log", "ab") as log:
            subprocess.run(
                self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c"),
                stdout=log, stderr=log, check=True, timeout=60,
            )  # fmt: skip

    def start(self) -> None:
        """Answering when it returns."""
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self._java("kafka.Kafka"), stdout=log, stderr=log, start_new_session=True)
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            try:
                if admin.list_topics(timeout=1).brokers:
                    return
            except KafkaException:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"Kafka did not start: {self._last_words()}") from None

    def stop(self, *, kill: bool = False) -> None:
        if self.process is not None:
            if kill:
                self.process.kill()
            else:
                self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def close(self) -> None:
        self.stop(kill=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _java(self, main: str, *arguments: str) -> list[str]:
        return [
            "java", "-Xmx256m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.yaml'}",
            "-cp", f"{self.jars}/*", main, *arguments, str(self.folder / "server.properties"),
        ]  # fmt: skip

    def _last_words(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-1500:]
