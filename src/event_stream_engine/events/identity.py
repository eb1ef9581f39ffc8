"""Facts about accounts. (The full `identity.user.v1` family arrives with roles and profiles.)"""

from typing import ClassVar

from event_stream_engine.events.base import Event


class AccountRegistered(Event, frozen=True, kw_only=True):
    """An account exists."""

    stream: ClassVar[str] = "identity.account.v1"
    for_the_record: ClassVar[bool] = True

    account_id: str
    role: str

    @property
    def key(self) -> str:
        return self.account_id
