"""The campaign that an inbound message answers, so that a report counts them without looking through its recipients;
what stays of a campaign whose messages are removed by age; and indexes for the people of a campaign by error and by
reason, and for the overview's contacts by consent.

Filling it takes a lookup for each inbound message of a known contact.
"""

from alembic import op

revision = "0030"
down_revision = "0029"

STATEMENTS = (
    "ALTER TABLE inbound_messages ADD COLUMN campaign_id uuid",
    """
UPDATE inbound_messages i SET campaign_id = (
    SELECT m.campaign_id FROM messages m WHERE m.contact_id = i.contact_id AND m.accepted_at <= i.received_at
    ORDER BY m.accepted_at DESC LIMIT 1
)
WHERE i.contact_id IS NOT NULL
""",
    """
ALTER TABLE inbound_messages ADD CONSTRAINT fk_inbound_messages_campaign_id
    FOREIGN KEY (campaign_id) REFERENCES campaigns ON DELETE SET NULL
""",
    "CREATE INDEX ix_inbound_messages_campaign ON inbound_messages (campaign_id, kind) WHERE campaign_id IS NOT NULL",
    "ALTER TABLE campaign_counts ADD COLUMN retired_at timestamptz, ADD COLUMN seconds_to_deliver jsonb",
    """
CREATE INDEX ix_messages_campaign_error ON messages (campaign_id, error_code, updated_at, id)
    WHERE error_code IS NOT NULL
""",
    """
CREATE INDEX ix_messages_campaign_reason ON messages (campaign_id, reason, updated_at, id) WHERE reason IS NOT NULL
""",
    "CREATE INDEX ix_contacts_consent ON contacts (consent)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
