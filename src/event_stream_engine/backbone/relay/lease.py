"""The relay's lease: one works, others wait; an epoch fences off one that was paused past its lease."""

from dataclasses import dataclass

from sqlalchemy import text

from event_stream_engine.backbone.supervising import is_gone
from event_stream_engine.database import Database


class LeaseLost(Exception):
    """Another relay took over; this one starts anew and waits."""


@dataclass
class Lease:
    """`epoch` is 0 until the lease was taken; it grows with every holder."""

    database: Database
    holder: str
    seconds: int
    epoch: int = 0

    async def take(self) -> bool:
        """Whether it was free, expired or our own of before an interruption; then it is held under a new epoch."""
        async with self.database.transaction() as tx:
            last = await tx.execute(text("SELECT holder FROM relay_lease WHERE name = 'relay'"))
            abandoned = is_gone(last.scalar_one_or_none())
            values = {"holder": self.holder, "seconds": self.seconds, "abandoned": abandoned}
            epoch = (await tx.execute(text(_TAKE), values)).scalar_one_or_none()
        self.epoch = epoch or 0
        return epoch is not None

    async def renew(self) -> None:
        """Raises `LeaseLost` when somebody else has it."""
        values = {"holder": self.holder, "seconds": self.seconds, "epoch": self.epoch}
        async with self.database.transaction() as tx:
            renewed = await tx.execute(text(_RENEW), values)
        if renewed.rowcount != 1:
            raise LeaseLost("another relay took the lease")

    async def release(self) -> None:
        """Free at once for whoever waits."""
        async with self.database.transaction() as tx:
            await tx.execute(
                text("UPDATE relay_lease SET expires_at = clock_timestamp() WHERE epoch = :epoch"),
                {"epoch": self.epoch},
            )


_TAKE = """
INSERT INTO relay_lease (name, holder, epoch, expires_at)
VALUES ('relay', :holder, 1, clock_timestamp() + make_interval(secs => :seconds))
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, epoch = relay_lease.epoch + 1, expires_at = excluded.expires_at
WHERE relay_lease.expires_at <= clock_timestamp() OR relay_lease.holder = excluded.holder OR :abandoned
RETURNING epoch
"""

_RENEW = """
UPDATE relay_lease SET expires_at = clock_timestamp() + make_interval(secs => :seconds)
WHERE name = 'relay' AND epoch = :epoch AND holder = :holder
"""
