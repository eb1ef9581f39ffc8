"""Accounts, sessions, the audit trail, idempotency keys."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = """
CREATE TABLE accounts (
    id uuid CONSTRAINT pk_accounts PRIMARY KEY,
    email text CONSTRAINT uq_accounts_email UNIQUE,
    display_name text NOT NULL,
    role text NOT NULL CONSTRAINT ck_accounts_role CHECK (role IN ('owner', 'member')),
    password_hash text,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE refresh_tokens (
    token_hash text CONSTRAINT pk_refresh_tokens PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT fk_refresh_tokens_account_id REFERENCES accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    replaced_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ix_refresh_tokens_account_id ON refresh_tokens (account_id);

CREATE TABLE sign_in_links (
    token_hash text CONSTRAINT pk_sign_in_links PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT fk_sign_in_links_account_id REFERENCES accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX ix_sign_in_links_account_id ON sign_in_links (account_id);

CREATE TABLE audit_entries (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_audit_entries PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_id uuid,
    action text NOT NULL,
    entity text NOT NULL,
    entity_id text NOT NULL,
    detail jsonb NOT NULL,
    request_id uuid,
    hash text NOT NULL
);
CREATE INDEX ix_audit_entries_entity ON audit_entries (entity, entity_id);

CREATE TABLE idempotency_keys (
    holder text NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    status integer,
    headers text,
    body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (holder, key)
);
CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at);
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
