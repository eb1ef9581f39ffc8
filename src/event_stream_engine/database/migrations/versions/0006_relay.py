"""What the relay remembers: generations of the log, its own positions and state, rows it could not publish."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = """
ALTER TABLE outbox ADD COLUMN generation smallint NOT NULL DEFAULT 1;
ALTER TABLE outbox ADD COLUMN schema_version smallint NOT NULL DEFAULT 1;
ALTER TABLE outbox_ticks ADD COLUMN generation smallint NOT NULL DEFAULT 1;

CREATE TABLE outbox_generations (
    generation smallint CONSTRAINT pk_outbox_generations PRIMARY KEY,
    system_identifier text NOT NULL,
    timeline integer NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    accepted_by text NOT NULL,
    reason text NOT NULL
);

CREATE TABLE outbox_parked (
    stream text NOT NULL,
    entry_id text NOT NULL,
    event_id uuid NOT NULL,
    code text NOT NULL,
    detail text NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_outbox_parked PRIMARY KEY (stream, entry_id)
);

ALTER TABLE relay_positions ADD COLUMN tick bigint NOT NULL DEFAULT 0;
ALTER TABLE relay_positions ADD COLUMN state text NOT NULL DEFAULT 'ok';
ALTER TABLE relay_positions ADD COLUMN code text;
ALTER TABLE relay_positions ADD COLUMN rebuild boolean NOT NULL DEFAULT false;

CREATE TABLE relay_status (
    name text CONSTRAINT pk_relay_status PRIMARY KEY,
    handed bigint NOT NULL DEFAULT 0,
    ticks_per_minute integer NOT NULL DEFAULT 0,
    events_per_minute integer NOT NULL DEFAULT 0,
    memory_used bigint,
    memory_max bigint,
    refused text,
    held_by text,
    updated_at timestamptz NOT NULL DEFAULT now()
)
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
