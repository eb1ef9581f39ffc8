"""Webhooks about alerts that wait to be delivered, and silences of a rule that need not fire yet."""

from alembic import op

revision = "0028"
down_revision = "0026"

STATEMENTS = """
CREATE TABLE alert_webhooks (
    id uuid CONSTRAINT pk_alert_webhooks PRIMARY KEY,
    alert_id uuid NOT NULL,
    type text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    error text,
    settled_at timestamptz,
    outcome text
);
CREATE INDEX ix_alert_webhooks_due_at ON alert_webhooks (due_at) WHERE settled_at IS NULL;
CREATE INDEX ix_alert_webhooks_settled_at ON alert_webhooks (settled_at) WHERE settled_at IS NOT NULL;

ALTER TABLE alert_silences ADD COLUMN rule text;
ALTER TABLE alert_silences ALTER COLUMN fingerprint DROP NOT NULL;
ALTER TABLE alert_silences ADD CONSTRAINT ck_alert_silences_of CHECK (num_nonnulls(fingerprint, rule) = 1);
CREATE INDEX ix_alert_silences_rule ON alert_silences (rule, ends_at)
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
