"""Accounts can be disabled."""

from alembic import op

revision = "0008"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE accounts ADD COLUMN disabled_at timestamptz")
