"""Sessions, second factors, sign-in challenges, password resets, mail."""

from alembic import op

revision = "0014"
down_revision = "0013"

STATEMENTS = """
ALTER TABLE accounts ADD COLUMN mfa_enabled_at timestamptz;

CREATE TABLE sessions (
    id uuid CONSTRAINT pk_sessions PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT fk_sessions_account_id REFERENCES accounts ON DELETE CASCADE,
    method text NOT NULL,
    device text NOT NULL,
    address text NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_reason text,
    seen_at timestamptz
);
CREATE INDEX ix_sessions_account_id ON sessions (account_id);

ALTER TABLE refresh_tokens ADD COLUMN session_id uuid;
DELETE FROM refresh_tokens WHERE replaced_at IS NOT NULL OR expires_at <= now();
UPDATE refresh_tokens SET session_id = gen_random_uuid();
INSERT INTO sessions (id, account_id, method, device, address, created_at, last_used_at, expires_at)
    SELECT session_id, account_id, 'password', 'Unknown device', 'unknown', created_at, created_at, expires_at
    FROM refresh_tokens;
ALTER TABLE refresh_tokens ALTER COLUMN session_id SET NOT NULL,
    ADD CONSTRAINT fk_refresh_tokens_session_id FOREIGN KEY (session_id) REFERENCES sessions ON DELETE CASCADE;
CREATE INDEX ix_refresh_tokens_session_id ON refresh_tokens (session_id);

CREATE TABLE second_factors (
    account_id uuid CONSTRAINT pk_second_factors PRIMARY KEY
        CONSTRAINT fk_second_factors_account_id REFERENCES accounts ON DELETE CASCADE,
    secret text NOT NULL,
    last_step bigint,
    created_at timestamptz NOT NULL
);

CREATE TABLE backup_codes (
    account_id uuid NOT NULL CONSTRAINT fk_backup_codes_account_id REFERENCES accounts ON DELETE CASCADE,
    code_hash text NOT NULL,
    used_at timestamptz,
    CONSTRAINT pk_backup_codes PRIMARY KEY (account_id, code_hash)
);

CREATE TABLE sign_in_challenges (
    token_hash text CONSTRAINT pk_sign_in_challenges PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT fk_sign_in_challenges_account_id REFERENCES accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX ix_sign_in_challenges_account_id ON sign_in_challenges (account_id);

CREATE TABLE password_resets (
    token_hash text CONSTRAINT pk_password_resets PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT fk_password_resets_account_id REFERENCES accounts ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX ix_password_resets_account_id ON password_resets (account_id);

CREATE TABLE mails (
    id uuid CONSTRAINT pk_mails PRIMARY KEY,
    recipient text NOT NULL,
    kind text NOT NULL,
    detail jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    settled_at timestamptz,
    outcome text
);
CREATE INDEX ix_mails_due_at ON mails (due_at) WHERE settled_at IS NULL;
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
