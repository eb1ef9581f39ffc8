"""Feature flags, their versions, and their audit, which takes no UPDATE, DELETE or TRUNCATE."""

from alembic import op

revision = "0011"
down_revision = "0010"

STATEMENTS = """
CREATE TABLE feature_flags (
    name text CONSTRAINT pk_feature_flags PRIMARY KEY,
    version bigint NOT NULL CONSTRAINT ck_feature_flags_version CHECK (version > 0),
    definition jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    reason text NOT NULL
);
CREATE TABLE feature_flag_versions (
    name text NOT NULL,
    version bigint NOT NULL,
    definition jsonb,
    at timestamptz NOT NULL,
    CONSTRAINT pk_feature_flag_versions PRIMARY KEY (name, version)
);
CREATE TABLE flag_audit (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_flag_audit PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    reason text NOT NULL,
    request_id uuid,
    change_set uuid NOT NULL,
    flag text NOT NULL,
    version_from bigint NOT NULL,
    version_to bigint NOT NULL,
    before text,
    after text,
    previous_hash text NOT NULL,
    hash text NOT NULL
);
CREATE INDEX ix_flag_audit_flag ON flag_audit (flag, id);
"""

REFUSE = """
CREATE FUNCTION ese_flag_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
    RAISE EXCEPTION 'flag_audit is append-only' USING ERRCODE = 'insufficient_privilege';
END $f$
"""
TRIGGER = """
CREATE TRIGGER flag_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON flag_audit
FOR EACH STATEMENT EXECUTE FUNCTION ese_flag_audit_is_append_only()
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
    op.execute(REFUSE)
    op.execute(TRIGGER)
