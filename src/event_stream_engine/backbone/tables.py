"""The backbone's tables."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

from event_stream_engine.database import metadata


class PgType(UserDefinedType[str]):
    """A PostgreSQL type that SQLAlchemy does not name; values travel as text."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: object) -> str:
        return self.name


outbox = Table(
    "outbox",
    metadata,
    Column("xid", PgType("xid8"), nullable=False, server_default=text("pg_current_xact_id()"), index=True),
    Column("seq", BigInteger, nullable=False, server_default=text("nextval('outbox_seq'::regclass)")),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("stream", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("key_version", BigInteger),
    Column("event_id", Uuid, nullable=False, index=True),
    Column("type", Text, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("correlation_id", Uuid, index=True),
    Column("causation_id", Uuid),
    Column("traceparent", Text),
    Column("data", JSONB, nullable=False),
    Column("generation", SmallInteger, nullable=False, server_default=text("1")),
    Column("schema_version", SmallInteger, nullable=False, server_default=text("1")),
    postgresql_partition_by="RANGE (recorded_at)",
)

outbox_ticks = Table(
    "outbox_ticks",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("snapshot", PgType("pg_snapshot"), nullable=False),
    Column("generation", SmallInteger, nullable=False, server_default=text("1")),
)

outbox_generations = Table(
    "outbox_generations",
    metadata,
    Column("generation", SmallInteger, primary_key=True, autoincrement=False),
    Column("system_identifier", Text, nullable=False),
    Column("timeline", Integer, nullable=False),
    Column("accepted_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("accepted_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

outbox_parked = Table(
    "outbox_parked",
    metadata,
    Column("stream", Text, nullable=False),
    Column("entry_id", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("parked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("stream", "entry_id"),
)

relay_lease = Table(
    "relay_lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

relay_positions = Table(
    "relay_positions",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("entry_id", Text, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("tick", BigInteger, nullable=False, server_default=text("0")),
    Column("state", Text, nullable=False, server_default=text("'ok'")),
    Column("code", Text),
    Column("rebuild", Boolean, nullable=False, server_default=text("false")),
)

relay_status = Table(
    "relay_status",
    metadata,
    Column("name", Text, primary_key=True),
    Column("handed", BigInteger, nullable=False, server_default=text("0")),
    Column("ticks_per_minute", Integer, nullable=False, server_default=text("0")),
    Column("events_per_minute", Integer, nullable=False, server_default=text("0")),
    Column("memory_used", BigInteger),
    Column("memory_max", BigInteger),
    Column("refused", Text),
    Column("held_by", Text),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

inbox = Table(
    "inbox",
    metadata,
    Column("group_name", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("consumed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("event_id", "group_name"),
    postgresql_partition_by="RANGE (event_id)",
)

consumer_groups = Table(
    "consumer_groups",
    metadata,
    Column("group_name", Text, primary_key=True),
    Column("holder", Text),
    Column("epoch", BigInteger, nullable=False, server_default=text("0")),
    Column("expires_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("released", Boolean, nullable=False, server_default=text("true")),
    Column("paused_at", DateTime(timezone=True)),
    Column("paused_by", Text),
    Column("pause_reason", Text),
    Column("consumed_total", BigInteger, nullable=False, server_default=text("0")),
    Column("last_consumed_at", DateTime(timezone=True)),
)

group_positions = Table(
    "group_positions",
    metadata,
    Column("group_name", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("partition", Integer, nullable=False, server_default=text("0")),
    Column("entry_id", Text, nullable=False, server_default=text("'0-0'")),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("group_name", "stream", "partition"),
)

heard_types = Table(
    "heard_types",
    metadata,
    Column("group_name", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("after_tick", BigInteger, nullable=False),
    Column("after_seq", BigInteger, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("group_name", "stream", "type"),
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("group_name", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("crashed", Integer, nullable=False, server_default=text("0")),
    Column("taken_over", Integer, nullable=False, server_default=text("0")),
    Column("last_started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("started_by", Uuid),
    PrimaryKeyConstraint("group_name", "event_id"),
)


def _kept_event() -> list[Column[Any]]:
    """An event that a group holds outside its stream."""
    return [
        Column("group_name", Text, nullable=False),
        Column("event_id", Uuid, nullable=False),
        Column("replay_id", Uuid),
        Column("stream", Text, nullable=False),
        Column("entry_id", Text, nullable=False),
        Column("tick", BigInteger, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("type", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("envelope", JSONB, nullable=False),
    ]


parked_events = Table(
    "parked_events",
    metadata,
    *_kept_event(),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    Column("crashed", Integer, nullable=False, server_default=text("0")),
    Column("taken_over", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("first_failed_at", DateTime(timezone=True)),
    Column("parked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("error", Text),
    Column("history", JSONB, nullable=False, server_default=text("'[]'")),
    PrimaryKeyConstraint("group_name", "event_id"),
    Index("ix_parked_events_replay_id", "replay_id", postgresql_where=text("replay_id IS NOT NULL")),
    Index(None, "group_name", "next_attempt_at"),
    Index("ix_parked_events_key", "group_name", "stream", "key", "tick", "seq"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Uuid, primary_key=True),
    *_kept_event(),
    Column("failed", Integer, nullable=False),
    Column("crashed", Integer, nullable=False),
    Column("taken_over", Integer, nullable=False),
    Column("error_class", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("stack", Text, nullable=False),
    Column("history", JSONB, nullable=False),
    Column("release", Text, nullable=False),
    Column("first_failed_at", DateTime(timezone=True), nullable=False),
    Column("died_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("status", Text, nullable=False, server_default=text("'open'")),
    Column("resolved_at", DateTime(timezone=True)),
    Column("resolved_by", Text),
    Column("reason", Text),
    Index(None, "status", "id"),
    Index(None, "group_name", "event_id"),
)

platform_life = Table(
    "platform_life",
    metadata,
    Column("id", SmallInteger, primary_key=True, server_default=text("1")),
    Column("lineage", Uuid),
    Column("life", Integer, nullable=False),
    Column("system_identifier", Text, nullable=False),
    Column("is_new", Boolean, nullable=False),
    Column("witnessed", Boolean, nullable=False, server_default=text("false")),
    Column("mark", BigInteger, nullable=False, server_default=text("0")),
    Column("marked_at", DateTime(timezone=True)),
    Column("state", Text, nullable=False, server_default=text("'normal'::text")),
    Column("reason", Text),
    Column("since", DateTime(timezone=True)),
    Column("held_life", Integer),
    Column("known_until", DateTime(timezone=True)),
    Column("witness", JSONB),
    Column("released_at", DateTime(timezone=True)),
)

group_lag = Table(
    "group_lag",
    metadata,
    Column("group_name", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("events", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    PrimaryKeyConstraint("group_name", "at"),
)

replays = Table(
    "replays",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("group_name", Text, nullable=False),
    Column("stream", Text),
    Column("types", ARRAY(Text)),
    Column("key", Text),
    Column("after_tick", BigInteger, nullable=False),
    Column("upto_tick", BigInteger, nullable=False),
    Column("after_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("upto_seq", BigInteger, nullable=False, server_default=text("9223372036854775807")),
    Column("per_second", Integer),
    Column("status", Text, nullable=False, server_default=text("'pending'")),
    Column("matched", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False, server_default=text("0")),
    Column("failed", BigInteger, nullable=False, server_default=text("0")),
    Column("at_tick", BigInteger, nullable=False, server_default=text("0")),
    Column("at_seq", BigInteger, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("finished_at", DateTime(timezone=True)),
    Index(None, "group_name", "status"),
)
