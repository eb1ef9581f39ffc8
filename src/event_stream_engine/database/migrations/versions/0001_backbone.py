"""The outbox, its ticks, the relay's lease and positions, the inbox."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = """
CREATE SEQUENCE outbox_seq AS bigint CACHE 1;

CREATE TABLE outbox (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    seq bigint NOT NULL DEFAULT nextval('outbox_seq'),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    stream text NOT NULL CONSTRAINT ck_outbox_stream CHECK (stream ~ '^[a-z_]+\\.[a-z_]+\\.v[0-9]+$'),
    key text NOT NULL CONSTRAINT ck_outbox_key CHECK (octet_length(key) BETWEEN 1 AND 512),
    key_version bigint,
    event_id uuid NOT NULL,
    type text NOT NULL,
    time timestamptz NOT NULL,
    correlation_id uuid,
    causation_id uuid,
    traceparent text,
    data jsonb NOT NULL CONSTRAINT ck_outbox_data CHECK (pg_column_size(data) <= 1048576)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ix_outbox_xid ON outbox (xid);
CREATE INDEX ix_outbox_event_id ON outbox (event_id);
CREATE INDEX ix_outbox_correlation_id ON outbox (correlation_id);

CREATE TABLE outbox_ticks (
    id bigint CONSTRAINT pk_outbox_ticks PRIMARY KEY,
    snapshot pg_snapshot NOT NULL
);

CREATE TABLE relay_lease (
    name text CONSTRAINT pk_relay_lease PRIMARY KEY,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE relay_positions (
    stream text CONSTRAINT pk_relay_positions PRIMARY KEY,
    entry_id text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE inbox (
    group_name text NOT NULL,
    event_id uuid NOT NULL,
    consumed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_inbox PRIMARY KEY (group_name, event_id)
);
CREATE INDEX ix_inbox_consumed_at ON inbox USING brin (consumed_at);
"""


# One partition a day. The relay calls it every hour; at the start there must be some to write into.
PARTITIONS = """
CREATE FUNCTION ese_outbox_partitions(first date, last date) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE day date := first;
BEGIN
    WHILE day <= last LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF outbox FOR VALUES FROM (%L) TO (%L)',
            'outbox_' || to_char(day, 'YYYYMMDD'), day || ' 00:00+00', (day + 1) || ' 00:00+00');
        day := day + 1;
    END LOOP;
END $f$
"""
FIRST_PARTITIONS = """
SELECT ese_outbox_partitions(((now() AT TIME ZONE 'UTC')::date - 1), ((now() AT TIME ZONE 'UTC')::date + 14))
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
    op.execute(PARTITIONS)
    op.execute(FIRST_PARTITIONS)
