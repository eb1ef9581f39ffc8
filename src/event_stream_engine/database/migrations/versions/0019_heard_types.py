"""From where on a group hears a type of event: what came before its reaction did is not owed to it."""

from alembic import op

revision = "0019"
down_revision = "0018"

STATEMENT = """
CREATE TABLE heard_types (
    group_name text NOT NULL,
    stream text NOT NULL,
    type text NOT NULL,
    after_tick bigint NOT NULL,
    after_seq bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_heard_types PRIMARY KEY (group_name, stream, type)
)
"""


def upgrade() -> None:
    op.execute(STATEMENT)
