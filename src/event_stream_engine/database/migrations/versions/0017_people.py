"""The API key behind an audit entry; new e-mail addresses that wait to be confirmed."""

from alembic import op

revision = "0017"
down_revision = "0016"

STATEMENTS = """
ALTER TABLE audit_entries ADD COLUMN key_id uuid;
CREATE INDEX ix_audit_entries_key_id ON audit_entries (key_id, id) WHERE key_id IS NOT NULL;

CREATE TABLE email_changes (
    account_id uuid CONSTRAINT pk_email_changes PRIMARY KEY
        CONSTRAINT fk_email_changes_account_id REFERENCES accounts ON DELETE CASCADE,
    email text NOT NULL,
    asked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    token_hash text CONSTRAINT uq_email_changes_token_hash UNIQUE
)
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
