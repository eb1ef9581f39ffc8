"""Messaging's tables: the columns as queries need them; checks and indexes stand in the migrations."""

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Time,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from event_stream_engine.database import metadata

_UUID7 = text("ese_uuid7()")
_ZERO = text("0")


def _at(name: str, *, required: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=not required)


def _now(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=_ZERO)


def _version() -> Column[int]:
    return Column("version", Integer, nullable=False, server_default=text("1"))


contacts = Table(
    "contacts",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=_UUID7),
    Column("phone", Text, nullable=False, unique=True),
    Column("country", Text),
    Column("attributes", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("consent", Text, nullable=False, server_default=text("'unknown'::text")),
    Column("consent_source", Text),
    _at("consent_changed_at"),
    Column("topics", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("timezone", Text),
    Column("locale", Text),
    Column("blocked_channels", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    _at("last_inbound_at"),
    Column("import_id", Uuid),
    _now("created_at"),
    _now("updated_at"),
    _version(),
)

consent_changes = Table(
    "consent_changes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("contact_id", Uuid, ForeignKey("contacts.id", ondelete="CASCADE"), nullable=False),
    Column("previous", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("detail", Text),
    Column("actor_id", Uuid),
    _now("at"),
)

imports = Table(
    "imports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("format", Text),
    Column("encoding", Text),
    Column("delimiter", Text),
    Column("status", Text, nullable=False),
    Column("options", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("dry_run", Boolean, nullable=False, server_default=text("false")),
    _count("rows_read"),
    _count("bytes_read"),
    _count("created"),
    _count("updated"),
    _count("unchanged"),
    _count("merged"),
    _count("rejected"),
    _count("consent_kept"),
    Column("warnings", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("error", Text),
    Column("actor_id", Uuid),
    Column("attempts", SmallInteger, nullable=False, server_default=_ZERO),
    _at("lease_until"),
    _now("created_at"),
    _at("started_at"),
    _at("finished_at"),
    _version(),
)

import_rejects = Table(
    "import_rejects",
    metadata,
    Column("import_id", Uuid, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("line", BigInteger, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("row", Text, nullable=False),
    Column("cells", ARRAY(Text)),
)

import_changes = Table(
    "import_changes",
    metadata,
    Column("import_id", Uuid, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    Column("field", Text, primary_key=True),
    Column("changed", BigInteger, nullable=False),
)

import_change_examples = Table(
    "import_change_examples",
    metadata,
    Column("import_id", Uuid, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    Column("field", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("contact_id", Uuid, ForeignKey("contacts.id", ondelete="CASCADE"), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
)

import_merges = Table(
    "import_merges",
    metadata,
    Column("import_id", Uuid, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("line", BigInteger, nullable=False),
    Column("first_line", BigInteger, nullable=False),
    Column("phone", Text, nullable=False),
    Column("stated", JSONB, nullable=False),
)

import_numbers = Table(
    "import_numbers",
    metadata,
    Column("import_id", Uuid, primary_key=True),
    Column("phone", Text, primary_key=True),
    Column("line", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
)

templates = Table(
    "templates",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("content_sid", Text),
    _now("created_at"),
    _now("updated_at"),
    _version(),
)

segments = Table(
    "segments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text, nullable=False, server_default=text("''::text")),
    Column("definition", JSONB, nullable=False),
    Column("size", BigInteger),
    _at("size_at"),
    _now("created_at"),
    _now("updated_at"),
    _version(),
)

senders = Table(
    "senders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("messages_per_second", Integer, nullable=False),
    _now("created_at"),
    _version(),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("topic", Text),
    Column("template_id", Uuid, ForeignKey("templates.id"), nullable=False),
    Column("segment_id", Uuid, ForeignKey("segments.id")),
    Column("sender_id", Uuid, ForeignKey("senders.id")),
    Column("messages_per_second", Integer),
    Column("quiet_start", Time),
    Column("quiet_end", Time),
    Column("timezone", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("pause_reason", Text),
    Column("frozen", JSONB(none_as_null=True)),
    _at("scheduled_at"),
    _at("launched_at"),
    _at("resumed_at"),
    _at("completed_at"),
    _now("created_at"),
    _version(),
    _at("ask_since"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=_UUID7),
    Column("campaign_id", Uuid, ForeignKey("campaigns.id")),
    Column("contact_id", Uuid, ForeignKey("contacts.id", ondelete="SET NULL")),
    Column("phone", Text, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'queued'::text")),
    Column("reason", Text),
    Column("error_code", Integer),
    Column("provider_sid", Text, unique=True),
    Column("body", Text),
    Column("test_sender", Text),
    Column("attempt", SmallInteger, nullable=False, server_default=_ZERO),
    Column("polls", SmallInteger, nullable=False, server_default=_ZERO),
    _at("due_at"),
    _at("lease_until"),
    _at("claimed_at"),
    _at("accepted_at"),
    _at("sent_at"),
    _at("delivered_at"),
    _at("read_at"),
    _now("created_at"),
    _now("updated_at"),
)

delivery_receipts = Table(
    "delivery_receipts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("sid", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("message_id", Uuid),
    Column("error_code", Integer),
    Column("form", JSONB, nullable=False),
    _at("received_at", required=True),
)

inbound_messages = Table(
    "inbound_messages",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("sid", Text, nullable=False, unique=True),
    Column("phone", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("form", JSONB, nullable=False),
    Column("contact_id", Uuid, ForeignKey("contacts.id", ondelete="SET NULL")),
    Column("campaign_id", Uuid, ForeignKey("campaigns.id", ondelete="SET NULL")),
    Column("effect", Text),
    Column("basis", Text),
    Column("score", REAL),
    Column("review", Text),
    Column("reviewed_by", Uuid),
    _at("reviewed_at"),
    Column("consent_before", Text),
    _at("applied_at"),
    _at("received_at", required=True),
)

opt_out_keywords = Table(
    "opt_out_keywords",
    metadata,
    Column("normalized", Text, primary_key=True),
    Column("word", Text, nullable=False),
    Column("is_opt_out", Boolean, nullable=False),
    Column("account_id", Uuid),
    _now("created_at"),
)

opt_out_confirmations = Table(
    "opt_out_confirmations",
    metadata,
    Column("inbound_id", Uuid, ForeignKey("inbound_messages.id", ondelete="CASCADE"), primary_key=True),
    Column("phone", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'waiting'::text")),
    Column("provider_sid", Text),
    Column("error", Text),
    _at("claimed_at"),
    _at("expires_at", required=True),
    _now("created_at"),
)

inbound_listings = Table(
    "inbound_listings",
    metadata,
    Column("address", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    _at("complete_until", required=True),
    Column("next_page", Text),
    _at("listing_from"),
    _at("succeeded_at"),
    _at("failing_since"),
    Column("error", Text),
)

suppression_key = Table(
    "suppression_key",
    metadata,
    Column("id", SmallInteger, primary_key=True, server_default=text("1")),
    Column("sealed", Text, nullable=False),
    _now("created_at"),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("consent", Text, nullable=False),
    Column("source", Text, nullable=False),
    _at("said_at", required=True),
    _now("created_at"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("contact_id", Uuid, nullable=False),
    Column("phone", Text),
    Column("message_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'::uuid[]")),
    Column("erased", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("requested_by", Uuid),
    _now("created_at"),
    _at("finished_at"),
)

campaign_counts = Table(
    "campaign_counts",
    metadata,
    Column("campaign_id", Uuid, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    _count("audience"),
    Column("is_frozen", Boolean, nullable=False, server_default=text("false")),
    *[
        _count(status)
        for status in (
            "queued", "deferred", "sending", "unknown", "accepted", "sent", "delivered", "read",
            "undelivered", "failed", "refused", "canceled",
            "reached_accepted", "reached_sent", "reached_delivered", "reached_read", "version",
        )
    ],
    _now("updated_at"),
    _at("retired_at"),
    Column("seconds_to_deliver", JSONB(none_as_null=True)),
)  # fmt: skip

campaign_minutes = Table(
    "campaign_minutes",
    metadata,
    Column("campaign_id", Uuid, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("minute", DateTime(timezone=True), primary_key=True),
    *[_count(status) for status in ("accepted", "sent", "delivered", "read", "undelivered", "failed", "refused")],
)

campaign_causes = Table(
    "campaign_causes",
    metadata,
    Column("campaign_id", Uuid, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    _at("last_at", required=True),
)

campaign_endings = Table(
    "campaign_endings",
    metadata,
    Column("campaign_id", Uuid, ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("codes", ARRAY(Integer), nullable=False),
    _now("updated_at"),
)
