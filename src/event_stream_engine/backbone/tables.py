"""The backbone's tables."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
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
    PrimaryKeyConstraint("group_name", "event_id"),
    Index("ix_inbox_consumed_at", "consumed_at", postgresql_using="brin"),
)
