"""Alerts: what fired and until when, what nobody is told of, who has looked, and who judges."""

from alembic import op

revision = "0016"
down_revision = "0015"

STATEMENTS = """
CREATE TABLE alerts (
    id uuid CONSTRAINT pk_alerts PRIMARY KEY,
    rule text NOT NULL,
    fingerprint text NOT NULL,
    labels jsonb NOT NULL,
    severity text NOT NULL CONSTRAINT ck_alerts_severity CHECK (severity IN ('page', 'ticket', 'none')),
    summary text NOT NULL,
    value double precision NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    resolved_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by uuid,
    inhibited_by text,
    notified_at timestamptz
);
CREATE UNIQUE INDEX uq_alerts_firing ON alerts (fingerprint) WHERE resolved_at IS NULL;
CREATE INDEX ix_alerts_started_at ON alerts (started_at, id);
CREATE INDEX ix_alerts_resolved_at ON alerts (resolved_at) WHERE resolved_at IS NOT NULL;

CREATE TABLE alert_silences (
    id uuid CONSTRAINT pk_alert_silences PRIMARY KEY,
    fingerprint text NOT NULL,
    reason text NOT NULL,
    created_by uuid,
    created_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
);
CREATE INDEX ix_alert_silences_fingerprint ON alert_silences (fingerprint, ends_at);

CREATE TABLE alert_views (
    account_id uuid CONSTRAINT pk_alert_views PRIMARY KEY
        CONSTRAINT fk_alert_views_account_id REFERENCES accounts ON DELETE CASCADE,
    seen_at timestamptz NOT NULL
);

CREATE TABLE alert_lease (
    name text CONSTRAINT pk_alert_lease PRIMARY KEY,
    holder text NOT NULL,
    expires_at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
