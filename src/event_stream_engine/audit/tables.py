"""The audit trail's table."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from event_stream_engine.database import metadata

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor_id", Uuid),
    Column("action", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Column("request_id", Uuid),
    Column("hash", Text, nullable=False),
    Column("key_id", Uuid),
    Index("ix_audit_entries_entity", "entity", "entity_id"),
)
