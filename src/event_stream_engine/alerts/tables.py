"""The tables of alerts."""

from sqlalchemy import Column, DateTime, Float, ForeignKey, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from event_stream_engine.database import metadata


def _at(name: str, *, required: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=not required)


alerts = Table(
    "alerts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("severity", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("value", Float, nullable=False),
    _at("started_at", required=True),
    _at("seen_at", required=True),
    _at("resolved_at"),
    _at("acknowledged_at"),
    Column("acknowledged_by", Uuid),
    Column("inhibited_by", Text),
    _at("notified_at"),
)

alert_silences = Table(
    "alert_silences",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("fingerprint", Text),
    Column("reason", Text, nullable=False),
    Column("created_by", Uuid),
    _at("created_at", required=True),
    _at("ends_at", required=True),
    Column("rule", Text),
)

alert_webhooks = Table(
    "alert_webhooks",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("alert_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False),
    _at("created_at", required=True),
    _at("due_at", required=True),
    _at("expires_at", required=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    _at("settled_at"),
    Column("outcome", Text),
)

alert_views = Table(
    "alert_views",
    metadata,
    Column("account_id", Uuid, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    _at("seen_at", required=True),
)

alert_lease = Table(
    "alert_lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    _at("expires_at", required=True),
)
