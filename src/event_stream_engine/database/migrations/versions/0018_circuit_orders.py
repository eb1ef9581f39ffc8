"""What operators ordered of circuit breakers: one row for each breaker and kind of process, the newest word."""

from alembic import op

revision = "0018"
down_revision = "0017"

STATEMENTS = """
CREATE SEQUENCE circuit_order_numbers;

CREATE TABLE circuit_orders (
    breaker text NOT NULL,
    process text NOT NULL,
    number bigint NOT NULL,
    action text NOT NULL CONSTRAINT ck_circuit_orders_action CHECK (action IN ('open', 'disable', 'reset')),
    reason text NOT NULL,
    ordered_by uuid,
    ordered_at timestamptz NOT NULL,
    CONSTRAINT pk_circuit_orders PRIMARY KEY (breaker, process)
);
"""


def upgrade() -> None:
    for statement in STATEMENTS.strip().split(";\n"):
        op.execute(statement)
