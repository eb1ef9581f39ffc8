"""A broker with passwords, certificates and access rules, and the users of its tests."""

import shutil
import subprocess
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from event_stream_engine.embedded import ports
from tests.conformance.kafka_broker import KafkaBroker, jars

USER, STRANGER, PASSWORD = "ese", "stranger", "not-a-real-password"

# Inside the cluster and for its administrator: PLAINTEXT, whose nameless user may do everything.
_MORE = """\
listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_PLAINTEXT://127.0.0.1:{password},SASL_SSL://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{{controller}}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_PLAINTEXT://127.0.0.1:{password},SASL_SSL://127.0.0.1:{tls}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location={{folder}}/broker.pem
"""
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


class GuardedBroker(KafkaBroker):
    """`password` and `tls` are the addresses of its other listeners."""

    def __init__(self) -> None:
        password, tls = ports.any_free(), ports.any_free()
        super().__init__(jars(), more=_MORE.format(password=password, tls=tls) + _jaas())
        self.password = f"127.0.0.1:{password}"
        self.tls = f"127.0.0.1:{tls}"
        self.ca_file = self.folder / "ca.pem"

    def format(self) -> None:
        _certify(self.folder, self.ca_file)
        super().format()

    def admit(self) -> None:
        """`USER` may do what docs/guides/kafka.md says, on topics and groups whose names begin with `proof`."""
        admin = AdminClient({"bootstrap.servers": self.address})
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        for answer in admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(USER, scram, PASSWORD.encode())]
        ).values():
            answer.result(10)
        allowed = [(ResourceType.TOPIC, "proof", operation) for operation in (
            AclOperation.CREATE, AclOperation.DELETE, AclOperation.READ, AclOperation.WRITE,
        )]  # fmt: skip
        allowed.append((ResourceType.TRANSACTIONAL_ID, "ese.", AclOperation.WRITE))
        allowed += [(ResourceType.GROUP, name, AclOperation.READ) for name in ("proof", "ese-looking")]
        rules = [
            AclBinding(
                kind, name, ResourcePatternType.PREFIXED, f"User:{USER}", "*", operation, AclPermissionType.ALLOW
            )
            for kind, name, operation in allowed
        ]
        for answer in admin.create_acls(rules).values():
            answer.result(10)


def _jaas() -> str:
    users = " ".join(f'user_{name}="{PASSWORD}"' for name in (USER, STRANGER))
    return "".join(
        f"listener.name.{listener}.plain.sasl.jaas.config={_PLAIN} required {users};\n"
        f"listener.name.{listener}.scram-sha-512.sasl.jaas.config={_SCRAM} required;\n"
        for listener in ("sasl_plaintext", "sasl_ssl")
    )


def _certify(folder: Path, certificate: Path) -> None:
    """A certificate that signs itself, for the loopback address."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate for a broker (apt install openssl)")
    key = folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key),
         "-out", str(certificate), "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    (folder / "broker.pem").write_text(key.read_text() + certificate.read_text())
