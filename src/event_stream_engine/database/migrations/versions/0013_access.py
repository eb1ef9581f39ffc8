"""Three roles instead of two, API keys, and the audit trail searched by who and when."""

from alembic import op

revision = "0013"
down_revision = "0012"

STATEMENTS = """
ALTER TABLE accounts DROP CONSTRAINT ck_accounts_role;
UPDATE accounts SET role = CASE role WHEN 'owner' THEN 'admin' WHEN 'member' THEN 'operator' ELSE role END;
ALTER TABLE accounts ADD CONSTRAINT ck_accounts_role CHECK (role IN ('viewer', 'operator', 'admin'));

CREATE TABLE api_keys (
    id uuid CONSTRAINT pk_api_keys PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT fk_api_keys_account_id REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL,
    prefix text NOT NULL,
    secret_hash text NOT NULL CONSTRAINT uq_api_keys_secret_hash UNIQUE,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    revoked_by uuid
);
CREATE INDEX ix_api_keys_account_id ON api_keys (account_id);

CREATE INDEX ix_audit_entries_actor_id ON audit_entries (actor_id, id);
CREATE INDEX ix_audit_entries_action ON audit_entries (action, id);
CREATE INDEX ix_audit_entries_at ON audit_entries (at);
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
