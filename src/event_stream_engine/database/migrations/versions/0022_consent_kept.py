"""What Twilio was asked about inbound messages, suppressed numbers as keyed hashes, and erasures of contacts."""

from alembic import op

revision = "0022"
down_revision = "0021"

STATEMENTS = """
CREATE TABLE inbound_listings (
    address text NOT NULL,
    channel text NOT NULL,
    complete_until timestamptz NOT NULL,
    next_page text,
    listing_from timestamptz,
    succeeded_at timestamptz,
    failing_since timestamptz,
    error text,
    CONSTRAINT pk_inbound_listings PRIMARY KEY (address, channel)
);

CREATE TABLE suppression_key (
    id smallint NOT NULL DEFAULT 1 CONSTRAINT pk_suppression_key PRIMARY KEY
        CONSTRAINT ck_suppression_key_one CHECK (id = 1),
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE suppressions (
    hash bytea NOT NULL CONSTRAINT pk_suppressions PRIMARY KEY,
    consent text NOT NULL CONSTRAINT ck_suppressions_consent CHECK (consent IN ('stopped', 'opted_out')),
    source text NOT NULL,
    said_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE erasures (
    id uuid NOT NULL CONSTRAINT pk_erasures PRIMARY KEY,
    contact_id uuid NOT NULL,
    phone text,
    message_ids uuid[] NOT NULL DEFAULT '{}',
    erased jsonb NOT NULL DEFAULT '{}',
    requested_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX ix_erasures_unfinished ON erasures (created_at) WHERE finished_at IS NULL
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
