"""Which people have a message under way, and from which sender a test message left."""

from alembic import op

revision = "0022"
down_revision = "0021"

STATEMENTS = """
ALTER TABLE messages ADD COLUMN test_sender text;

CREATE INDEX ix_messages_open_phone ON messages (phone) WHERE status IN ('sending', 'unknown')
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
