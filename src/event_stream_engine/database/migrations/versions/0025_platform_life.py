"""The hold on effects outside the platform, and the mark by which a restored database is recognized."""

from alembic import op

revision = "0025"
down_revision = "0024"

STATEMENTS = """
CREATE TABLE platform_life (
    id smallint NOT NULL DEFAULT 1 CONSTRAINT pk_platform_life PRIMARY KEY
        CONSTRAINT ck_platform_life_one CHECK (id = 1),
    lineage uuid,
    life integer NOT NULL,
    system_identifier text NOT NULL,
    is_new boolean NOT NULL,
    witnessed boolean NOT NULL DEFAULT false,
    mark bigint NOT NULL DEFAULT 0,
    marked_at timestamptz,
    state text NOT NULL DEFAULT 'normal' CONSTRAINT ck_platform_life_state CHECK (state IN ('normal', 'held')),
    reason text,
    since timestamptz,
    held_life integer,
    known_until timestamptz,
    witness jsonb,
    released_at timestamptz
) WITH (fillfactor = 20);

INSERT INTO platform_life (life, system_identifier, is_new)
SELECT coalesce((SELECT max(generation) FROM outbox_generations), 1),
       (SELECT system_identifier::text FROM pg_control_system()),
       NOT EXISTS (SELECT FROM outbox_ticks);

ALTER TABLE campaigns ADD COLUMN ask_since timestamptz
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
