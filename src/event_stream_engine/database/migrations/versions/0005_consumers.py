"""Groups in PostgreSQL's charge: their owners and positions, what waits to be tried again, what was given up."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = """
CREATE TABLE consumer_groups (
    group_name text CONSTRAINT pk_consumer_groups PRIMARY KEY,
    holder text,
    epoch bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT now(),
    released boolean NOT NULL DEFAULT true,
    paused_at timestamptz,
    paused_by text,
    pause_reason text,
    consumed_total bigint NOT NULL DEFAULT 0,
    last_consumed_at timestamptz
);

CREATE TABLE group_positions (
    group_name text NOT NULL,
    stream text NOT NULL,
    partition integer NOT NULL DEFAULT 0,
    entry_id text NOT NULL DEFAULT '0-0',
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_group_positions PRIMARY KEY (group_name, stream, partition)
);

CREATE TABLE delivery_attempts (
    group_name text NOT NULL,
    event_id uuid NOT NULL,
    crashed integer NOT NULL DEFAULT 0,
    taken_over integer NOT NULL DEFAULT 0,
    last_started_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_delivery_attempts PRIMARY KEY (group_name, event_id)
);

CREATE TABLE parked_events (
    group_name text NOT NULL,
    event_id uuid NOT NULL,
    replay_id uuid,
    stream text NOT NULL,
    entry_id text NOT NULL,
    tick bigint NOT NULL,
    seq bigint NOT NULL,
    type text NOT NULL,
    key text NOT NULL,
    envelope jsonb NOT NULL,
    failed integer NOT NULL DEFAULT 0,
    crashed integer NOT NULL DEFAULT 0,
    taken_over integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    first_failed_at timestamptz,
    parked_at timestamptz NOT NULL DEFAULT now(),
    error text,
    history jsonb NOT NULL DEFAULT '[]',
    CONSTRAINT pk_parked_events PRIMARY KEY (group_name, event_id)
);
CREATE INDEX ix_parked_events_replay_id ON parked_events (replay_id) WHERE replay_id IS NOT NULL;
CREATE INDEX ix_parked_events_group_name_next_attempt_at ON parked_events (group_name, next_attempt_at);
CREATE INDEX ix_parked_events_key ON parked_events (group_name, stream, key, tick, seq);

CREATE TABLE dead_letters (
    id uuid CONSTRAINT pk_dead_letters PRIMARY KEY,
    group_name text NOT NULL,
    event_id uuid NOT NULL,
    replay_id uuid,
    stream text NOT NULL,
    entry_id text NOT NULL,
    tick bigint NOT NULL,
    seq bigint NOT NULL,
    type text NOT NULL,
    key text NOT NULL,
    envelope jsonb NOT NULL,
    failed integer NOT NULL,
    crashed integer NOT NULL,
    taken_over integer NOT NULL,
    error_class text NOT NULL,
    error text NOT NULL,
    stack text NOT NULL,
    history jsonb NOT NULL,
    release text NOT NULL,
    first_failed_at timestamptz NOT NULL,
    died_at timestamptz NOT NULL DEFAULT now(),
    status text NOT NULL DEFAULT 'open' CONSTRAINT ck_dead_letters_status
        CHECK (status IN ('open', 'redriven', 'discarded')),
    resolved_at timestamptz,
    resolved_by text,
    reason text
);
CREATE INDEX ix_dead_letters_status_id ON dead_letters (status, id);
CREATE INDEX ix_dead_letters_group_name_event_id ON dead_letters (group_name, event_id);

CREATE TABLE group_lag (
    group_name text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    events bigint NOT NULL,
    seconds double precision NOT NULL,
    CONSTRAINT pk_group_lag PRIMARY KEY (group_name, at)
);

CREATE TABLE replays (
    id uuid CONSTRAINT pk_replays PRIMARY KEY,
    group_name text NOT NULL,
    stream text,
    types text[],
    key text,
    after_tick bigint NOT NULL,
    upto_tick bigint NOT NULL,
    after_seq bigint NOT NULL DEFAULT 0,
    upto_seq bigint NOT NULL DEFAULT 9223372036854775807,
    per_second integer,
    status text NOT NULL DEFAULT 'pending' CONSTRAINT ck_replays_status
        CHECK (status IN ('pending', 'running', 'completed', 'canceled', 'failed')),
    matched bigint NOT NULL,
    done bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    at_tick bigint NOT NULL DEFAULT 0,
    at_seq bigint NOT NULL DEFAULT 0,
    error text,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX ix_replays_group_name_status ON replays (group_name, status);

ALTER TABLE inbox RENAME TO inbox_before;
ALTER TABLE inbox_before RENAME CONSTRAINT pk_inbox TO pk_inbox_before;
CREATE TABLE inbox (
    group_name text NOT NULL,
    event_id uuid NOT NULL,
    consumed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_inbox PRIMARY KEY (group_name, event_id)
) PARTITION BY RANGE (event_id);
CREATE TABLE inbox_other PARTITION OF inbox DEFAULT;
INSERT INTO inbox SELECT * FROM inbox_before;
DROP TABLE inbox_before
"""

# A UUIDv7 begins with its time in milliseconds, so a range of ids is a range of time (RFC 9562, 5.7).
DAY = """
CREATE FUNCTION ese_uuid_of(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $f$
    SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$f$
"""

# Rows that the default partition took meanwhile move into the new partition.
PARTITIONS = """
CREATE FUNCTION ese_inbox_partitions(first date, last date) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    day date := first;
    name text;
    low uuid;
    high uuid;
BEGIN
    WHILE day <= last LOOP
        name := 'inbox_' || to_char(day, 'YYYYMMDD');
        IF to_regclass(name) IS NULL THEN
            low := ese_uuid_of((day || ' 00:00+00')::timestamptz);
            high := ese_uuid_of(((day + 1) || ' 00:00+00')::timestamptz);
            EXECUTE format('CREATE TABLE %I (LIKE inbox INCLUDING DEFAULTS)', name);
            EXECUTE format(
                'WITH moved AS (DELETE FROM inbox_other WHERE event_id >= %L AND event_id < %L RETURNING *) '
                'INSERT INTO %I SELECT * FROM moved', low, high, name);
            EXECUTE format('ALTER TABLE inbox ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, low, high);
        END IF;
        day := day + 1;
    END LOOP;
END $f$
"""

FIRST_PARTITIONS = """
SELECT ese_inbox_partitions(((now() AT TIME ZONE 'UTC')::date - 1), ((now() AT TIME ZONE 'UTC')::date + 14))
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
    op.execute(DAY)
    op.execute(PARTITIONS)
    op.execute(FIRST_PARTITIONS)
