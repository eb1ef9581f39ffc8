"""The flags' tables. `flag_audit` refuses UPDATE, DELETE and TRUNCATE by trigger."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from event_stream_engine.database import metadata

feature_flags = Table(
    "feature_flags",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("definition", JSONB, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

feature_flag_versions = Table(
    "feature_flag_versions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("definition", JSONB(none_as_null=True)),
    Column("at", DateTime(timezone=True), nullable=False),
)

# `before` and `after` are text, because the hash covers them to the letter.
flag_audit = Table(
    "flag_audit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request_id", Uuid),
    Column("change_set", Uuid, nullable=False),
    Column("flag", Text, nullable=False),
    Column("version_from", BigInteger, nullable=False),
    Column("version_to", BigInteger, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ix_flag_audit_flag", "flag", "id"),
)
