"""Imports: the numbers seen in a file that is being imported, and refused rows by their number.

`import_numbers` has no foreign key: checking it cost a third of an import, and its rows go with the end of a run.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = """
CREATE TABLE import_numbers (
    import_id uuid NOT NULL,
    phone text COLLATE "C" NOT NULL,
    line bigint NOT NULL,
    number bigint NOT NULL,
    CONSTRAINT pk_import_numbers PRIMARY KEY (import_id, phone)
);

ALTER TABLE import_rejects ADD COLUMN number bigint;
UPDATE import_rejects SET number = line;
ALTER TABLE import_rejects ALTER COLUMN number SET NOT NULL;
ALTER TABLE import_rejects DROP CONSTRAINT pk_import_rejects;
ALTER TABLE import_rejects ADD CONSTRAINT pk_import_rejects PRIMARY KEY (import_id, number);
ALTER TABLE imports ADD COLUMN attempts smallint NOT NULL DEFAULT 0;
CREATE INDEX ix_imports_running ON imports (lease_until) WHERE status = 'running';
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
