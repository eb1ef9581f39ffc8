"""A group's owner: one at a time, by a lease that a heartbeat keeps and an epoch fences."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text

from event_stream_engine.backbone.supervising import is_gone
from event_stream_engine.database import Database

Before = Literal["released", "crashed", "taken_over"]


class LeaseLost(Exception):
    """Another consumer owns the group now."""


@dataclass
class GroupLease:
    """`before` says how the last owner ended; the rest is what the last heartbeat read: whether the group is `paused`,
    whether one of its `replays` is unfinished, and whether any event is `parked`, and one of them due."""

    database: Database
    group: str
    holder: str
    seconds: int
    epoch: int = 0
    before: Before = "released"
    paused: bool = False
    replays: bool = True
    parked: bool = True
    is_due: bool = True

    async def take(self) -> bool:
        """Whether it was free, or its holder gone; then it is ours under a new epoch."""
        async with self.database.transaction() as tx:
            await tx.execute(text(_REGISTER), {"group": self.group})
            row = (await tx.execute(text(_LOOK), {"group": self.group})).one()
            abandoned = is_gone(row.holder)
            ours = row.holder == self.holder
            alive = ours and row.epoch == self.epoch
            if not (row.released or row.expired or abandoned or ours):
                return False
            taken = await tx.execute(text(_TAKE), self._values())
            self.epoch = taken.scalar_one()
        self.paused = row.paused
        # What this process itself broke off was rolled back: nobody died of it. Our name under an epoch that we never
        # had is a predecessor's (a container starts again with its host name and process id).
        dead = abandoned or ours
        self.before = "released" if row.released or alive else "crashed" if dead else "taken_over"
        return True

    async def renew(self) -> None:
        """Raises `LeaseLost` when somebody else has it."""
        async with self.database.transaction() as tx:
            row = (await tx.execute(text(_RENEW), {**self._values(), "epoch": self.epoch})).one_or_none()
        if row is None:
            raise LeaseLost(f"another consumer owns {self.group}")
        self.paused, self.replays, self.parked, self.is_due = row

    async def release(self) -> None:
        """Nothing is in hand any more: the next owner starts as if nothing had happened."""
        async with self.database.transaction() as tx:
            await tx.execute(text(_RELEASE), {"group": self.group, "epoch": self.epoch})

    def _values(self) -> dict[str, object]:
        return {"group": self.group, "holder": self.holder, "seconds": self.seconds}


_REGISTER = "INSERT INTO consumer_groups (group_name) VALUES (:group) ON CONFLICT DO NOTHING"

_LOOK = """
SELECT holder, epoch, released, expires_at <= clock_timestamp() AS expired, paused_at IS NOT NULL AS paused
FROM consumer_groups WHERE group_name = :group FOR UPDATE
"""

_TAKE = """
UPDATE consumer_groups
SET holder = :holder, epoch = epoch + 1, released = false,
    expires_at = clock_timestamp() + make_interval(secs => :seconds)
WHERE group_name = :group RETURNING epoch
"""

_RENEW = """
UPDATE consumer_groups SET expires_at = clock_timestamp() + make_interval(secs => :seconds)
WHERE group_name = :group AND epoch = :epoch
RETURNING paused_at IS NOT NULL AS paused,
    EXISTS (SELECT FROM replays WHERE group_name = :group AND status IN ('pending', 'running')) AS replays,
    EXISTS (SELECT FROM parked_events WHERE group_name = :group) AS parked,
    EXISTS (SELECT FROM parked_events WHERE group_name = :group AND next_attempt_at <= now()) AS is_due
"""

_RELEASE = """
UPDATE consumer_groups SET released = true, expires_at = clock_timestamp()
WHERE group_name = :group AND epoch = :epoch
"""
