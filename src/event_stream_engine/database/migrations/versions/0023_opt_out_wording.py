"""How each reply was read and what a person decided about it, the list of opt-out keywords, and confirmations."""

from alembic import op

revision = "0023"
down_revision = "0022"

STATEMENTS = """
ALTER TABLE inbound_messages
    ADD COLUMN basis text,
    ADD COLUMN score real,
    ADD COLUMN review text CONSTRAINT ck_inbound_messages_review CHECK (review IN ('open', 'opt_out', 'not_opt_out')),
    ADD COLUMN reviewed_by uuid,
    ADD COLUMN reviewed_at timestamptz,
    ADD COLUMN consent_before text;
CREATE INDEX ix_inbound_messages_review ON inbound_messages (received_at DESC, id DESC) WHERE review = 'open';

CREATE TABLE opt_out_keywords (
    normalized text NOT NULL CONSTRAINT pk_opt_out_keywords PRIMARY KEY,
    word text NOT NULL,
    is_opt_out boolean NOT NULL,
    account_id uuid,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE opt_out_confirmations (
    inbound_id uuid NOT NULL CONSTRAINT pk_opt_out_confirmations PRIMARY KEY
        CONSTRAINT fk_opt_out_confirmations_inbound_id REFERENCES inbound_messages (id) ON DELETE CASCADE,
    phone text NOT NULL,
    sender text NOT NULL,
    channel text NOT NULL,
    body text NOT NULL,
    status text NOT NULL DEFAULT 'waiting' CONSTRAINT ck_opt_out_confirmations_status
        CHECK (status IN ('waiting', 'sending', 'sent', 'failed', 'unknown', 'expired')),
    provider_sid text,
    error text,
    claimed_at timestamptz,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ix_opt_out_confirmations_open ON opt_out_confirmations (created_at)
    WHERE status IN ('waiting', 'sending')
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
