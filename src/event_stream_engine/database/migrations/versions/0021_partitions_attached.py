"""Partitions of the outbox are attached: one that is created in its place keeps every writer out as long as anybody has
the outbox in use, and so do those who wait behind it."""

from alembic import op

revision = "0021"
down_revision = "0020"

PARTITIONS = """
CREATE OR REPLACE FUNCTION ese_outbox_partitions(first date, last date) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
    day date := first;
    name text;
BEGIN
    WHILE day <= last LOOP
        name := 'outbox_' || to_char(day, 'YYYYMMDD');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE outbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
            EXECUTE format('ALTER TABLE outbox ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           name, day || ' 00:00+00', (day + 1) || ' 00:00+00');
        END IF;
        day := day + 1;
    END LOOP;
END $f$
"""


def upgrade() -> None:
    op.execute(PARTITIONS)
