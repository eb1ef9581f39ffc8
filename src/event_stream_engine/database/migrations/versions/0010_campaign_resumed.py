"""Campaigns: when one was resumed last, so that a pause does not count as standing still."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("ALTER TABLE campaigns ADD COLUMN resumed_at timestamptz")
