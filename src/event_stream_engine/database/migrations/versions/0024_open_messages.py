"""Which people have a message under way, from which sender a test message left, and how the last messages of a campaign
ended."""

from alembic import op

revision = "0024"
down_revision = "0023"

STATEMENTS = """
ALTER TABLE messages ADD COLUMN test_sender text;

CREATE TABLE campaign_endings (
    campaign_id uuid NOT NULL,
    kind text NOT NULL,
    codes integer[] NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_campaign_endings PRIMARY KEY (campaign_id, kind),
    CONSTRAINT fk_campaign_endings_campaign_id_campaigns
        FOREIGN KEY (campaign_id) REFERENCES campaigns ON DELETE CASCADE
);

CREATE INDEX ix_messages_open_phone ON messages (phone) WHERE status IN ('sending', 'unknown')
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
