"""Monitoring's tables. `monitoring_events` is published for logical replication (Supabase's realtime reads it so)."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from event_stream_engine.database import metadata

# One row: the channel's epoch and its newest offset. Its lock is what makes offsets contiguous in commit order.
monitoring_channel = Table(
    "monitoring_channel",
    metadata,
    Column("one", Boolean, primary_key=True, server_default="true"),
    Column("epoch", Text, nullable=False),
    Column("top", BigInteger, nullable=False),
    CheckConstraint("one", name="one_row"),
)

monitoring_events = Table(
    "monitoring_events",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    Column("data", JSONB, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("origin_epoch", Text),
    Column("origin_offset", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("epoch", "offset", name="uq_monitoring_events_epoch_offset"),
    Index("ix_monitoring_events_created_at", "created_at"),
    Index("ix_monitoring_events_event_type", "event_type", "timestamp"),
    Index("ix_monitoring_events_category", "category", "timestamp"),
)

monitoring_flushes = Table(
    "monitoring_flushes",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("epoch", Text, primary_key=True),
    Column("flush_seq", BigInteger, primary_key=True),
    Column("measured_at", DateTime(timezone=True), nullable=False),
    Column("written_at", DateTime(timezone=True), nullable=False),
    Index("ix_monitoring_flushes_written_at", "written_at"),
)

monitoring_metrics_raw = Table(
    "monitoring_metrics_raw",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("written_at", DateTime(timezone=True), nullable=False),
    Column("name", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("value", Float, nullable=False),
    Index("ix_monitoring_metrics_raw_at", "at"),
    Index("ix_monitoring_metrics_raw_written_at", "written_at"),
)


def _rolled_up(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("bucket", DateTime(timezone=True), primary_key=True),
        Column("name", Text, primary_key=True),
        Column("label", Text, primary_key=True),
        Column("value", Float, nullable=False),
    )


monitoring_metrics_minutes = _rolled_up("monitoring_metrics_minutes")
monitoring_metrics_hours = _rolled_up("monitoring_metrics_hours")

# The payload is bytes: what PostgreSQL refused as JSON (a NUL in a text) must still find a place.
monitoring_dead_letters = Table(
    "monitoring_dead_letters",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("event_type", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("sqlstate", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("ix_monitoring_dead_letters_at", "at"),
)

circuit_orders = Table(
    "circuit_orders",
    metadata,
    Column("breaker", Text, primary_key=True),
    Column("process", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("action", Text, CheckConstraint("action IN ('open', 'disable', 'reset')", name="action"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("ordered_by", Uuid),
    Column("ordered_at", DateTime(timezone=True), nullable=False),
)
