"""The settings: typed sections, and the one place that reads the environment.

Every field names its environment variable as its alias. A running `ese up` leaves what it chose (ports,
generated secrets, the embedded servers' addresses) in `<home>/runtime.json` under `environment`; those values
serve as defaults, so that `ese events tail` in a second terminal finds the platform. The real environment wins.
"""

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from event_stream_engine.errors import FieldError, Invalid
from event_stream_engine.wording import of_pydantic

RUNTIME_FILE = "runtime.json"

# An environment variable set to nothing means: not set.
OptionalText = Annotated[str | None, BeforeValidator(lambda value: value or None)]
OptionalNumber = Annotated[int | None, BeforeValidator(lambda value: value or None)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(lambda value: value or None)]

_WEBHOOK_URL = re.compile(r"https?://(\[[0-9a-fA-F:.]+\]|[^/\s:@?#\[\]]+)(:\d{1,5})?(/[^\s#]*)?")


class Section(BaseModel):
    """A frozen group of settings, filled by environment variable name."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class HttpSettings(Section):
    """Where the API and the UI listen, and how the world reaches them."""

    host: str = Field("127.0.0.1", alias="ESE_HTTP_HOST")
    port: int = Field(8700, alias="ESE_HTTP_PORT", ge=1, le=65535)
    workers: int = Field(1, alias="ESE_HTTP_WORKERS", ge=1, le=32)
    listen_fd: int | None = Field(
        None, alias="ESE_HTTP_FD", ge=3,
        description="The descriptor of a listening socket that `ese serve` inherits, so that connections wait during a "
        "restart: 3 with a systemd socket unit. `ese up` sets it. Empty: it makes its own socket.",
    )  # fmt: skip
    public_url: OptionalText = Field(
        None, alias="ESE_PUBLIC_URL", description="The address that browsers and Twilio use, without a path."
    )
    max_upload_bytes: int = Field(512 * 2**20, alias="ESE_MAX_UPLOAD_BYTES", ge=1)
    max_body_bytes: int = Field(
        2**20, alias="ESE_MAX_BODY_BYTES", ge=1024, le=2**26,
        description="The largest body of a request that is no upload; a larger one is refused before it is read.",
    )  # fmt: skip
    requests_per_address: int = Field(
        30_000, alias="ESE_RATE_PER_ADDRESS", ge=0,
        description="Requests to the API a minute from one network address; 0: no limit.",
    )  # fmt: skip
    requests_per_key: int = Field(
        6_000, alias="ESE_RATE_PER_KEY", ge=0, description="Requests a minute with one API key; 0: no limit."
    )
    live_clients: int = Field(
        1_000, alias="ESE_LIVE_CLIENTS", ge=1, le=20_000,
        description="Browsers that one process keeps up to date at once; further ones are asked to come back.",
    )  # fmt: skip
    trusted_proxies: str = Field(
        "", alias="ESE_TRUSTED_PROXIES",
        description="Networks (10.0.0.0/8, comma-separated) whose X-Forwarded-For is believed.",
    )  # fmt: skip
    cors_origins: str = Field(
        "", alias="ESE_CORS_ORIGINS",
        description="Pages of these origins (https://…, comma-separated) may call the API with a token or an API key; "
        "cookies are never sent.",
    )  # fmt: skip

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, written: str) -> str:
        for part in filter(None, (part.strip() for part in written.split(","))):
            ip_network(part)  # raises ValueError, which names it
        return written

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, written: str) -> str:
        for part in filter(None, (part.strip() for part in written.split(","))):
            if not re.fullmatch(r"https?://[^/*\s]+", part):
                raise ValueError(f"{part} is no origin such as https://app.example.com")
        return written

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.cors_origins.split(",") if part.strip())

    @property
    def origin(self) -> str:
        """Scheme, host and port that links, cookies and webhook signatures are built on."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


class DatabaseSettings(Section):
    url: OptionalSecret = Field(None, alias="DATABASE_URL", description="postgresql://…; empty: embedded.")
    pool_size: int = Field(10, alias="ESE_DATABASE_POOL_SIZE", ge=1, le=200)


class RedisSettings(Section):
    url: OptionalSecret = Field(None, alias="REDIS_URL", description="redis://…; empty: embedded Valkey.")
    cluster: bool = Field(
        False, alias="ESE_REDIS_CLUSTER", description="The streams are in a Redis Cluster; `REDIS_URL` names a node."
    )


class KafkaSettings(Section):
    """Kafka as the transport of events. Redis is still needed: for tasks, limits and live updates."""

    streams: Literal["redis", "kafka"] = Field(
        "redis", alias="ESE_STREAMS", description="Where committed events are published."
    )
    brokers: OptionalText = Field(None, alias="ESE_KAFKA_BROKERS", description="host:port, comma-separated.")
    partitions: int = Field(
        1, alias="ESE_KAFKA_PARTITIONS", ge=1, le=1000,
        description="Of topics that are created; those that exist keep theirs.",
    )  # fmt: skip
    replicas: int = Field(
        -1, alias="ESE_KAFKA_REPLICAS", ge=-1, le=100, description="Of topics that are created; -1: as the broker does."
    )
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field("plaintext", alias="ESE_KAFKA_SECURITY")
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field("SCRAM-SHA-512", alias="ESE_KAFKA_MECHANISM")
    user: OptionalText = Field(None, alias="ESE_KAFKA_USER")
    password: OptionalSecret = Field(None, alias="ESE_KAFKA_PASSWORD")
    ca_file: OptionalText = Field(None, alias="ESE_KAFKA_CA_FILE", description="PEM; empty: the system's certificates.")

    def configuration(self) -> dict[str, Any]:
        """As librdkafka takes it. Raises `Invalid` where something is missing."""
        if self.brokers is None:
            raise Invalid("ESE_STREAMS is kafka and ESE_KAFKA_BROKERS is not set: name the brokers (host:port,…).")
        found: dict[str, Any] = {"bootstrap.servers": self.brokers, "security.protocol": self.security}
        if self.security.startswith("sasl"):
            if self.user is None or self.password is None:
                raise Invalid(f"ESE_KAFKA_SECURITY is {self.security}: set ESE_KAFKA_USER and ESE_KAFKA_PASSWORD.")
            found["sasl.mechanism"] = self.mechanism
            found["sasl.username"] = self.user
            found["sasl.password"] = self.password.get_secret_value()
        if self.ca_file:
            found["ssl.ca.location"] = self.ca_file
        return found


class TwilioSettings(Section):
    account_sid: OptionalText = Field(None, alias="TWILIO_ACCOUNT_SID")
    auth_token: OptionalSecret = Field(None, alias="TWILIO_AUTH_TOKEN")
    auth_token_secondary: OptionalSecret = Field(
        None, alias="TWILIO_AUTH_TOKEN_SECONDARY", description="Also accepted on webhooks during a rotation."
    )
    api_key_sid: OptionalText = Field(
        None, alias="TWILIO_API_KEY_SID", pattern="^SK[0-9a-fA-F]{32}$",
        description="With TWILIO_API_KEY_SECRET: calls to Twilio use this key (SK…) instead of the auth token.",
    )  # fmt: skip
    api_key_secret: OptionalSecret = Field(None, alias="TWILIO_API_KEY_SECRET")
    webhook_secret: OptionalSecret = Field(
        None, alias="TWILIO_WEBHOOK_SECRET",
        description="The secret of the SharedKey that signs webhooks, where a Webhooks Rule names one; two, "
        "comma-separated, during a rotation.",
    )  # fmt: skip
    base_url: str = Field("https://api.twilio.com", alias="TWILIO_API_BASE_URL")

    @property
    def is_configured(self) -> bool:
        return bool(self.account_sid and self.credentials)

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password of calls to Twilio: the API key if there is one, else the account."""
        if self.api_key_sid and self.api_key_secret:
            return self.api_key_sid, self.api_key_secret.get_secret_value()
        if self.account_sid and self.auth_token:
            return self.account_sid, self.auth_token.get_secret_value()
        return None

    def signing_secrets(self, *, is_shared_key: bool) -> tuple[str, ...]:
        """The secrets that may have signed a webhook; an API key's never does."""
        both = (self.auth_token, self.auth_token_secondary)
        tokens = tuple(token.get_secret_value() for token in both if token is not None)
        if not is_shared_key or self.webhook_secret is None:
            return tokens
        shared = self.webhook_secret.get_secret_value().split(",")
        return (*(secret.strip() for secret in shared if secret.strip()), *tokens)


class IdentitySettings(Section):
    secret_key: OptionalSecret = Field(
        None, alias="ESE_SECRET_KEY", description="Signs access tokens and encrypts stored secrets."
    )
    secret_key_previous: OptionalSecret = Field(
        None, alias="ESE_SECRET_KEY_PREVIOUS",
        description="Former secret keys, comma-separated, until `ese secrets rotate` has run.",
    )  # fmt: skip
    access_minutes: int = Field(15, alias="ESE_ACCESS_MINUTES", ge=1, le=1440)
    refresh_days: int = Field(30, alias="ESE_REFRESH_DAYS", ge=1, le=365)


class MailSettings(Section):
    """The server that sends email: password resets and security notices."""

    url: OptionalSecret = Field(
        None, alias="ESE_SMTP_URL",
        description="smtp://user:password@host:587 (STARTTLS is demanded) or smtps://…:465; smtp+plain://… without "
        "TLS, for a relay on this machine. Empty: no email is sent.",
    )  # fmt: skip
    sender: OptionalText = Field(
        None, alias="ESE_MAIL_FROM", description="The From address; empty: ese@ and the host of ESE_PUBLIC_URL."
    )
    ca_file: OptionalText = Field(None, alias="ESE_SMTP_CA_FILE", description="PEM; empty: the system's certificates.")
    timeout_seconds: float = Field(20, alias="ESE_SMTP_TIMEOUT_SECONDS", gt=0, le=120)

    @property
    def is_configured(self) -> bool:
        return self.url is not None


class BackboneSettings(Section):
    batch_size: int = Field(500, alias="ESE_RELAY_BATCH_SIZE", ge=1, le=10_000)
    busy_poll_ms: int = Field(
        5, alias="ESE_RELAY_BUSY_POLL_MS", ge=1, le=1000,
        description="While events come. On few cores less is no faster: a tick takes processor time from what follows.",
    )  # fmt: skip
    idle_poll_ms: int = Field(
        1000, alias="ESE_RELAY_IDLE_POLL_MS", ge=1, le=5000,
        description="At rest. A commit of the platform itself wakes the relay at once; other writers wait this long.",
    )  # fmt: skip
    lease_seconds: int = Field(5, alias="ESE_RELAY_LEASE_SECONDS", ge=1, le=300)
    consume_batch: int = Field(
        1000, alias="ESE_CONSUME_BATCH", ge=1, le=5000,
        description="At most so many events in one transaction of a group; slow or large ones make it fewer.",
    )  # fmt: skip
    consume_linger_ms: int = Field(
        1, alias="ESE_CONSUME_LINGER_MS", ge=0, le=1000,
        description="The pause after a batch that was not full: fewer, larger transactions.",
    )  # fmt: skip
    consume_lease_seconds: int = Field(
        10, alias="ESE_CONSUME_LEASE_SECONDS", ge=1, le=300,
        description="So long after its owner's last sign of life another consumer takes a group over.",
    )  # fmt: skip
    handler_seconds: float = Field(
        60, alias="ESE_CONSUME_HANDLER_SECONDS", gt=0, le=3600,
        description="A reaction that takes longer is cut off and counts as failed.",
    )  # fmt: skip
    attempts_max: int = Field(
        12, alias="ESE_CONSUME_ATTEMPTS_MAX", ge=1, le=1000,
        description="Failed attempts (pauses grow from 1 s to 5 min) before an event becomes a dead letter.",
    )  # fmt: skip
    crashes_max: int = Field(
        3, alias="ESE_CONSUME_CRASHES_MAX", ge=1, le=100,
        description="Attempts that never ended (the process died) before an event becomes a dead letter.",
    )  # fmt: skip
    retry_hours_max: float = Field(24, alias="ESE_CONSUME_RETRY_HOURS_MAX", gt=0, le=8760)
    entry_bytes_max: int = Field(
        2_097_152, alias="ESE_RELAY_ENTRY_BYTES_MAX", ge=1024, le=536_870_912,
        description="A larger event is parked, and a tombstone stands in its place in the stream.",
    )  # fmt: skip
    memory_share: float = Field(
        0.9, alias="ESE_RELAY_MEMORY_SHARE", gt=0, le=1,
        description="Of the transport's memory limit; above it nothing is appended and the outbox keeps it.",
    )  # fmt: skip
    stream_retention_hours: int = Field(
        72, alias="ESE_STREAM_RETENTION_HOURS", ge=1, le=87_600,
        description="Older entries leave the streams, unless a consumer group has not read them.",
    )  # fmt: skip
    retention_days: int = Field(
        14, alias="ESE_RETENTION_DAYS", ge=1, le=3650,
        description="How long the outbox and the inbox are kept: as far back as replay reaches.",
    )  # fmt: skip


class MessagingSettings(Section):
    lease_seconds: int = Field(
        30, alias="ESE_SEND_LEASE_SECONDS", ge=15, le=600, description="After it a claim counts as crashed."
    )
    unknown_grace_seconds: int = Field(
        15, alias="ESE_SEND_UNKNOWN_GRACE_SECONDS", ge=1, le=3600,
        description="How long an unanswered request may still arrive at Twilio; only then do we ask.",
    )  # fmt: skip
    concurrency: int = Field(
        1000, alias="ESE_SEND_CONCURRENCY", ge=1, le=5000,
        description="At most so many requests of one process are under way; fewer where the rate needs fewer.",
    )  # fmt: skip
    claim_size: int = Field(
        600, alias="ESE_SEND_CLAIM_SIZE", ge=1, le=5000, description="At most so many in one claim."
    )
    worker_processes: int = Field(3, alias="ESE_WORKER_PROCESSES", ge=1, le=64)
    stale_minutes: int = Field(
        10, alias="ESE_STALE_MINUTES", ge=1, le=1440, description="Ask Twilio about a message that fell silent."
    )
    retention_days: OptionalNumber = Field(
        None, alias="ESE_MESSAGE_RETENTION_DAYS", ge=30, le=3650,
        description="Remove the messages of campaigns that ended longer ago; their totals stay. Empty: keep all.",
    )  # fmt: skip
    opt_out_confirmation: bool = Field(
        True,
        alias="ESE_OPT_OUT_CONFIRMATION",
        description="Confirm an opt-out with one message within five minutes, unless Twilio answers it itself.",
    )


class MonitoringSettings(Section):
    retention_days: int = Field(
        30, alias="ESE_MONITORING_RETENTION_DAYS", ge=1, le=3650, description="How long monitoring events are kept."
    )


class SupervisionSettings(Section):
    """How `ese up` tells that a process hangs."""

    hung_seconds: float = Field(
        30, alias="ESE_HUNG_SECONDS", ge=5, le=3600,
        description="`ese up` kills and restarts a process that has not responded for this long. Only time in which "
        "`ese up` itself ran counts.",
    )  # fmt: skip
    pulse: OptionalSecret = Field(
        None, alias="ESE_PULSE", description="Where a process reports that it is alive. `ese up` sets it."
    )

    @property
    def address(self) -> str | None:
        return None if self.pulse is None else self.pulse.get_secret_value()


class SandboxSettings(Section):
    """The stand-in for Twilio. Credentials left out are those of `TwilioSettings`."""

    host: str = Field("127.0.0.1", alias="ESE_SANDBOX_HOST")
    port: int = Field(8701, alias="ESE_SANDBOX_PORT", ge=1, le=65535)
    listen_fd: int | None = Field(None, alias="ESE_SANDBOX_FD", ge=3, description="As `ESE_HTTP_FD`.")
    account_sid: OptionalText = Field(None, alias="ESE_SANDBOX_ACCOUNT_SID", pattern="^AC[0-9a-f]{32}$")
    auth_token: OptionalSecret = Field(None, alias="ESE_SANDBOX_AUTH_TOKEN")
    webhook_inbound_url: OptionalText = Field(
        None, alias="ESE_SANDBOX_WEBHOOK_INBOUND_URL", description="Empty: this platform's own webhook."
    )
    seed: int = Field(1, alias="ESE_SANDBOX_SEED", description="Decides every message's fate.")
    clock_scale: float = Field(
        1.0, alias="ESE_SANDBOX_CLOCK_SCALE", gt=0, le=100_000, description="60: an hour passes in a minute."
    )
    faults: str = Field(
        "{}", alias="ESE_SANDBOX_FAULTS", description="A JSON object; docs/guides/sandbox.md names the fields."
    )
    senders: str = Field(
        "", alias="ESE_SANDBOX_SENDERS", description="Comma-separated; empty: every well-formed sender exists."
    )
    services: str = Field("{}", alias="ESE_SANDBOX_SERVICES", description='Messaging Services: {"MG…": ["+1415…"]}.')
    messages_max: int = Field(300_000, alias="ESE_SANDBOX_MESSAGES_MAX", ge=1, le=5_000_000)


class AlertSettings(Section):
    """The platform judges its own alerts; Prometheus may do so as well (deploy/prometheus)."""

    judge: bool = Field(True, alias="ESE_ALERTS", description="Whether `ese serve` takes its turn to judge.")
    every_seconds: float = Field(15, alias="ESE_ALERTS_EVERY_SECONDS", ge=1, le=300)
    emails: str = Field(
        "",
        alias="ESE_ALERT_EMAILS",
        description="Addresses (comma-separated) that are told when an alert begins and ends.",
    )
    webhook_url: OptionalSecret = Field(
        None, alias="ESE_ALERT_WEBHOOK_URL",
        description="https://… (or http://…) that gets a POST when an alert begins and ends, in the shape of Standard "
        "Webhooks. It is treated as a secret. Needs ESE_ALERT_WEBHOOK_SECRET.",
    )  # fmt: skip
    webhook_secret: OptionalSecret = Field(
        None, alias="ESE_ALERT_WEBHOOK_SECRET", validate_default=True,
        description="whsec_ and 24 to 64 bytes in base64, which sign the webhook; two, comma-separated, during a "
        "rotation.",
    )  # fmt: skip

    @field_validator("webhook_url")
    @classmethod
    def _is_address(cls, written: SecretStr | None) -> SecretStr | None:
        if written is not None and not _WEBHOOK_URL.fullmatch(written.get_secret_value()):
            raise ValueError("must be an address such as https://hooks.example.com/alerts")
        return written

    @field_validator("webhook_secret")
    @classmethod
    def _signs(cls, written: SecretStr | None, given: ValidationInfo) -> SecretStr | None:
        if written is None:
            if given.data.get("webhook_url") is not None:
                raise ValueError(
                    "is required with ESE_ALERT_WEBHOOK_URL: whsec_ and the output of `openssl rand -base64 32`"
                )
            return None
        if not all(_is_webhook_secret(one.strip()) for one in written.get_secret_value().split(",")):
            raise ValueError("must be whsec_ and 24 to 64 bytes in base64, such as of `openssl rand -base64 32`")
        return written

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.emails.split(",") if part.strip())


def _is_webhook_secret(written: str) -> bool:
    try:
        key = base64.b64decode(written.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    return written.startswith("whsec_") and 24 <= len(key) <= 64


class LogSettings(Section):
    level: str = Field("INFO", alias="ESE_LOG_LEVEL", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    format: str = Field("text", alias="ESE_LOG_FORMAT", pattern="^(text|json)$")


class Settings(Section):
    """Everything; built once in an entry point and passed in."""

    home: Path = Field(Path(".ese"), alias="ESE_HOME")
    http: HttpSettings
    database: DatabaseSettings
    redis: RedisSettings
    kafka: KafkaSettings
    twilio: TwilioSettings
    identity: IdentitySettings
    mail: MailSettings
    backbone: BackboneSettings
    messaging: MessagingSettings
    monitoring: MonitoringSettings
    supervision: SupervisionSettings
    sandbox: SandboxSettings
    alerts: AlertSettings
    log: LogSettings

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        sections: dict[str, Any] = {"ESE_HOME": environ.get("ESE_HOME", ".ese")}
        problems: list[FieldError] = []
        for name, field in cls.model_fields.items():
            section = field.annotation
            if isinstance(section, type) and issubclass(section, Section):
                try:
                    sections[name] = section.model_validate(dict(environ))
                except ValidationError as error:
                    problems += [FieldError(str(e["loc"][0]), of_pydantic(e)) for e in error.errors()]
        if problems:
            listed = " ".join(f"{p.field}: {p.message}" for p in problems)
            raise Invalid(f"These settings cannot be used: {listed}", errors=tuple(problems))
        return cls.model_validate(sections)

    @property
    def database_url(self) -> str:
        """The PostgreSQL address. Raises `Invalid` where neither a server is configured nor `ese up` runs."""
        return _required(self.database.url, "DATABASE_URL")

    @property
    def redis_url(self) -> str:
        return _required(self.redis.url, "REDIS_URL")

    @property
    def secret_key(self) -> str:
        return _required(self.identity.secret_key, "ESE_SECRET_KEY")

    @property
    def former_secret_keys(self) -> tuple[str, ...]:
        """Those that stored secrets may still be encrypted with."""
        former = self.identity.secret_key_previous
        return tuple(key.strip() for key in former.get_secret_value().split(",") if key.strip()) if former else ()


def _required(value: SecretStr | None, name: str) -> str:
    if value is None:
        raise Invalid(f"{name} is not set and no running platform was found: start `ese up`, or set {name}.")
    return value.get_secret_value()


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment (and what a running `ese up` left). Raises `Invalid` naming each wrong variable."""
    given = dict(os.environ if environ is None else environ)
    home = Path(given.get("ESE_HOME") or ".ese")
    return Settings.from_environment({**_left_by_supervisor(home), **given})


def _left_by_supervisor(home: Path) -> dict[str, str]:
    try:
        left = json.loads((home / RUNTIME_FILE).read_text())
    except (OSError, ValueError):
        return {}
    environment = left.get("environment", {}) if isinstance(left, dict) else {}
    return {str(name): str(value) for name, value in environment.items()}
