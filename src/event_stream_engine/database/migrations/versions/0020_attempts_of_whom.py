"""Which consumer began an attempt: one that begins it again did not die of it."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("ALTER TABLE delivery_attempts ADD COLUMN started_by uuid")
