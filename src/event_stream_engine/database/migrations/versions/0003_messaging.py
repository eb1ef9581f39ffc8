"""Contacts, imports, templates, segments, senders, campaigns, the message ledger and its reports."""

from alembic import op

revision = "0003"
down_revision = "0002"

# PostgreSQL 18 makes UUIDv7 itself; older ones get the layout of RFC 9562 §5.7 from a random UUID and the time.
UUID7 = """
DO $do$ BEGIN
    IF current_setting('server_version_num')::int >= 180000 THEN
        CREATE FUNCTION ese_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS 'SELECT uuidv7()';
    ELSE
        CREATE FUNCTION ese_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $f$
            SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
                substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
        $f$;
    END IF;
END $do$
"""

STATEMENTS = """
CREATE TABLE contacts (
    id uuid CONSTRAINT pk_contacts PRIMARY KEY DEFAULT ese_uuid7(),
    phone text NOT NULL CONSTRAINT uq_contacts_phone UNIQUE
        CONSTRAINT ck_contacts_phone CHECK (phone ~ '^\\+[1-9][0-9]{6,14}$'),
    country text,
    attributes jsonb NOT NULL DEFAULT '{}',
    consent text NOT NULL DEFAULT 'unknown'
        CONSTRAINT ck_contacts_consent CHECK (consent IN ('opted_in', 'opted_out', 'stopped', 'unknown')),
    consent_source text,
    consent_changed_at timestamptz,
    topics text[] NOT NULL DEFAULT '{}',
    timezone text,
    locale text,
    blocked_channels text[] NOT NULL DEFAULT '{}',
    last_inbound_at timestamptz,
    import_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1
);
CREATE INDEX ix_contacts_created_at_id ON contacts (created_at, id);

CREATE TABLE consent_changes (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_consent_changes PRIMARY KEY,
    contact_id uuid NOT NULL CONSTRAINT fk_consent_changes_contact_id REFERENCES contacts ON DELETE CASCADE,
    previous text NOT NULL,
    consent text NOT NULL,
    source text NOT NULL,
    detail text,
    actor_id uuid,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ix_consent_changes_contact_id ON consent_changes (contact_id);

CREATE TABLE imports (
    id uuid CONSTRAINT pk_imports PRIMARY KEY,
    name text NOT NULL,
    size_bytes bigint NOT NULL,
    format text,
    encoding text,
    delimiter text,
    status text NOT NULL CONSTRAINT ck_imports_status
        CHECK (status IN ('uploaded', 'running', 'completed', 'failed', 'canceled')),
    options jsonb NOT NULL DEFAULT '{}',
    dry_run boolean NOT NULL DEFAULT false,
    rows_read bigint NOT NULL DEFAULT 0,
    bytes_read bigint NOT NULL DEFAULT 0,
    created bigint NOT NULL DEFAULT 0,
    updated bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    merged bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    consent_kept bigint NOT NULL DEFAULT 0,
    warnings jsonb NOT NULL DEFAULT '[]',
    error text,
    actor_id uuid,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    version integer NOT NULL DEFAULT 1
);
CREATE INDEX ix_imports_created_at_id ON imports (created_at, id);

CREATE TABLE import_rejects (
    import_id uuid NOT NULL CONSTRAINT fk_import_rejects_import_id REFERENCES imports ON DELETE CASCADE,
    line bigint NOT NULL,
    reason_code text NOT NULL,
    reason text NOT NULL,
    row text NOT NULL,
    CONSTRAINT pk_import_rejects PRIMARY KEY (import_id, line)
);

CREATE TABLE templates (
    id uuid CONSTRAINT pk_templates PRIMARY KEY,
    name text NOT NULL CONSTRAINT uq_templates_name UNIQUE,
    channel text NOT NULL CONSTRAINT ck_templates_channel CHECK (channel IN ('sms', 'whatsapp')),
    locale text NOT NULL,
    body text NOT NULL,
    content_sid text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1
);

CREATE TABLE segments (
    id uuid CONSTRAINT pk_segments PRIMARY KEY,
    name text NOT NULL CONSTRAINT uq_segments_name UNIQUE,
    description text NOT NULL DEFAULT '',
    definition jsonb NOT NULL,
    size bigint,
    size_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1
);

CREATE TABLE senders (
    id uuid CONSTRAINT pk_senders PRIMARY KEY,
    name text NOT NULL CONSTRAINT uq_senders_name UNIQUE,
    channel text NOT NULL CONSTRAINT ck_senders_channel CHECK (channel IN ('sms', 'whatsapp')),
    address text NOT NULL,
    messages_per_second integer NOT NULL
        CONSTRAINT ck_senders_messages_per_second CHECK (messages_per_second BETWEEN 1 AND 10000),
    created_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT uq_senders_channel UNIQUE (channel, address)
);

CREATE TABLE campaigns (
    id uuid CONSTRAINT pk_campaigns PRIMARY KEY,
    name text NOT NULL,
    topic text,
    template_id uuid NOT NULL CONSTRAINT fk_campaigns_template_id REFERENCES templates,
    segment_id uuid CONSTRAINT fk_campaigns_segment_id REFERENCES segments,
    sender_id uuid CONSTRAINT fk_campaigns_sender_id REFERENCES senders,
    messages_per_second integer
        CONSTRAINT ck_campaigns_messages_per_second CHECK (messages_per_second BETWEEN 1 AND 10000),
    quiet_start time,
    quiet_end time,
    timezone text NOT NULL,
    status text NOT NULL CONSTRAINT ck_campaigns_status
        CHECK (status IN ('draft', 'scheduled', 'running', 'paused', 'completed', 'canceled')),
    pause_reason text,
    frozen jsonb,
    scheduled_at timestamptz,
    launched_at timestamptz,
    completed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT ck_campaigns_quiet CHECK ((quiet_start IS NULL) = (quiet_end IS NULL))
);
CREATE INDEX ix_campaigns_created_at_id ON campaigns (created_at, id);

CREATE TABLE messages (
    id uuid CONSTRAINT pk_messages PRIMARY KEY DEFAULT ese_uuid7(),
    campaign_id uuid CONSTRAINT fk_messages_campaign_id REFERENCES campaigns,
    contact_id uuid CONSTRAINT fk_messages_contact_id REFERENCES contacts ON DELETE SET NULL,
    phone text NOT NULL,
    status text NOT NULL DEFAULT 'queued' CONSTRAINT ck_messages_status CHECK (status IN (
        'queued', 'deferred', 'sending', 'unknown', 'accepted', 'sent', 'delivered', 'read',
        'undelivered', 'failed', 'refused', 'canceled')),
    reason text,
    error_code integer,
    provider_sid text CONSTRAINT uq_messages_provider_sid UNIQUE,
    body text,
    attempt smallint NOT NULL DEFAULT 0,
    polls smallint NOT NULL DEFAULT 0,
    due_at timestamptz,
    lease_until timestamptz,
    claimed_at timestamptz,
    accepted_at timestamptz,
    sent_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uq_messages_campaign_id UNIQUE (campaign_id, contact_id)
) WITH (fillfactor = 80);
CREATE INDEX ix_messages_waiting ON messages (campaign_id, due_at NULLS FIRST, id)
    WHERE status IN ('queued', 'deferred');
CREATE INDEX ix_messages_open ON messages (status, due_at) WHERE status IN ('sending', 'unknown');
CREATE INDEX ix_messages_silent ON messages (updated_at) WHERE status IN ('accepted', 'sent');
CREATE INDEX ix_messages_contact_id ON messages (contact_id);

CREATE TABLE delivery_receipts (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_delivery_receipts PRIMARY KEY,
    sid text NOT NULL,
    status text NOT NULL,
    message_id uuid,
    error_code integer,
    form jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    CONSTRAINT uq_delivery_receipts_sid UNIQUE (sid, status)
);
CREATE INDEX ix_delivery_receipts_message_id ON delivery_receipts (message_id);

CREATE TABLE inbound_messages (
    id uuid CONSTRAINT pk_inbound_messages PRIMARY KEY,
    sid text NOT NULL CONSTRAINT uq_inbound_messages_sid UNIQUE,
    phone text NOT NULL,
    sender text NOT NULL,
    channel text NOT NULL,
    kind text NOT NULL,
    body text NOT NULL,
    form jsonb NOT NULL,
    contact_id uuid CONSTRAINT fk_inbound_messages_contact_id REFERENCES contacts ON DELETE SET NULL,
    effect text,
    applied_at timestamptz,
    received_at timestamptz NOT NULL
);
CREATE INDEX ix_inbound_messages_received_at_id ON inbound_messages (received_at, id);
CREATE INDEX ix_inbound_messages_contact_id ON inbound_messages (contact_id);

CREATE TABLE campaign_counts (
    campaign_id uuid CONSTRAINT pk_campaign_counts PRIMARY KEY
        CONSTRAINT fk_campaign_counts_campaign_id REFERENCES campaigns ON DELETE CASCADE,
    audience bigint NOT NULL DEFAULT 0,
    is_frozen boolean NOT NULL DEFAULT false,
    queued bigint NOT NULL DEFAULT 0,
    deferred bigint NOT NULL DEFAULT 0,
    sending bigint NOT NULL DEFAULT 0,
    unknown bigint NOT NULL DEFAULT 0,
    accepted bigint NOT NULL DEFAULT 0,
    sent bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    read bigint NOT NULL DEFAULT 0,
    undelivered bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    canceled bigint NOT NULL DEFAULT 0,
    reached_accepted bigint NOT NULL DEFAULT 0,
    reached_sent bigint NOT NULL DEFAULT 0,
    reached_delivered bigint NOT NULL DEFAULT 0,
    reached_read bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE campaign_minutes (
    campaign_id uuid NOT NULL CONSTRAINT fk_campaign_minutes_campaign_id REFERENCES campaigns ON DELETE CASCADE,
    minute timestamptz NOT NULL,
    accepted bigint NOT NULL DEFAULT 0,
    sent bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    read bigint NOT NULL DEFAULT 0,
    undelivered bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    CONSTRAINT pk_campaign_minutes PRIMARY KEY (campaign_id, minute)
) WITH (fillfactor = 50);
CREATE INDEX ix_campaign_minutes_minute ON campaign_minutes (minute);

CREATE TABLE campaign_causes (
    campaign_id uuid NOT NULL CONSTRAINT fk_campaign_causes_campaign_id REFERENCES campaigns ON DELETE CASCADE,
    kind text NOT NULL CONSTRAINT ck_campaign_causes_kind CHECK (kind IN ('error', 'refusal')),
    code text NOT NULL,
    count bigint NOT NULL,
    last_at timestamptz NOT NULL,
    CONSTRAINT pk_campaign_causes PRIMARY KEY (campaign_id, kind, code)
) WITH (fillfactor = 50);
CREATE INDEX ix_campaign_causes_last_at ON campaign_causes (last_at);
"""


def upgrade() -> None:
    op.execute(UUID7)
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
