"""Imports: the cells of refused rows, so that they can be corrected and uploaded again, and the rows that were merged.

Rows refused before have no cells: they are exported as they stood in the file.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = """
ALTER TABLE import_rejects ADD COLUMN cells text[];
CREATE TABLE import_merges (
    import_id uuid NOT NULL,
    number bigint NOT NULL,
    line bigint NOT NULL,
    first_line bigint NOT NULL,
    phone text NOT NULL,
    stated jsonb NOT NULL,
    CONSTRAINT pk_import_merges PRIMARY KEY (import_id, number),
    CONSTRAINT fk_import_merges_import_id_imports FOREIGN KEY (import_id) REFERENCES imports (id) ON DELETE CASCADE
);
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
