"""Monitoring events (published), metric flushes with their roll-ups, and what the database refused."""

from alembic import op

revision = "0015"
down_revision = "0014"

STATEMENTS = """
CREATE TABLE monitoring_channel (
    one boolean DEFAULT true NOT NULL CONSTRAINT pk_monitoring_channel PRIMARY KEY,
    epoch text NOT NULL,
    top bigint NOT NULL,
    CONSTRAINT ck_monitoring_channel_one_row CHECK (one)
);
INSERT INTO monitoring_channel (epoch, top) VALUES (left(md5(gen_random_uuid()::text), 8), 0);
CREATE TABLE monitoring_events (
    event_id uuid NOT NULL CONSTRAINT pk_monitoring_events PRIMARY KEY,
    epoch text NOT NULL,
    "offset" bigint NOT NULL,
    event_type text NOT NULL,
    category text NOT NULL,
    source text NOT NULL,
    "timestamp" timestamptz NOT NULL,
    data jsonb NOT NULL,
    metadata jsonb NOT NULL,
    origin_epoch text,
    origin_offset bigint,
    created_at timestamptz NOT NULL,
    CONSTRAINT uq_monitoring_events_epoch_offset UNIQUE (epoch, "offset")
);
CREATE INDEX ix_monitoring_events_created_at ON monitoring_events (created_at);
CREATE INDEX ix_monitoring_events_event_type ON monitoring_events (event_type, "timestamp");
CREATE INDEX ix_monitoring_events_category ON monitoring_events (category, "timestamp");
CREATE TABLE monitoring_flushes (
    instance text NOT NULL,
    epoch text NOT NULL,
    flush_seq bigint NOT NULL,
    measured_at timestamptz NOT NULL,
    written_at timestamptz NOT NULL,
    CONSTRAINT pk_monitoring_flushes PRIMARY KEY (instance, epoch, flush_seq)
);
CREATE INDEX ix_monitoring_flushes_written_at ON monitoring_flushes (written_at);
CREATE TABLE monitoring_metrics_raw (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_monitoring_metrics_raw PRIMARY KEY,
    at timestamptz NOT NULL,
    written_at timestamptz NOT NULL,
    name text NOT NULL,
    label text NOT NULL,
    value double precision NOT NULL
);
CREATE INDEX ix_monitoring_metrics_raw_at ON monitoring_metrics_raw (at);
CREATE INDEX ix_monitoring_metrics_raw_written_at ON monitoring_metrics_raw (written_at);
CREATE TABLE monitoring_metrics_minutes (
    bucket timestamptz NOT NULL,
    name text NOT NULL,
    label text NOT NULL,
    value double precision NOT NULL,
    CONSTRAINT pk_monitoring_metrics_minutes PRIMARY KEY (bucket, name, label)
);
CREATE TABLE monitoring_metrics_hours (
    bucket timestamptz NOT NULL,
    name text NOT NULL,
    label text NOT NULL,
    value double precision NOT NULL,
    CONSTRAINT pk_monitoring_metrics_hours PRIMARY KEY (bucket, name, label)
);
CREATE TABLE monitoring_dead_letters (
    event_id uuid NOT NULL CONSTRAINT pk_monitoring_dead_letters PRIMARY KEY,
    at timestamptz NOT NULL,
    event_type text NOT NULL,
    category text NOT NULL,
    sqlstate text NOT NULL,
    reason text NOT NULL,
    payload bytea NOT NULL
);
CREATE INDEX ix_monitoring_dead_letters_at ON monitoring_dead_letters (at);
"""

# Supabase's realtime reads the publication `supabase_realtime`. Elsewhere one of our own, for whoever replicates; a
# role that may not make one does without, and nothing of ours needs it.
PUBLISH = """
DO $f$
BEGIN
    IF EXISTS (SELECT FROM pg_publication WHERE pubname = 'supabase_realtime') THEN
        ALTER PUBLICATION supabase_realtime ADD TABLE monitoring_events;
    ELSIF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'ese_realtime') THEN
        CREATE PUBLICATION ese_realtime FOR TABLE monitoring_events WITH (publish = 'insert');
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'monitoring_events is not published: this role may not create a publication';
END $f$
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
    op.execute(PUBLISH)
