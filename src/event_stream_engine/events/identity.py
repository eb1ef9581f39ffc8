"""Facts about the accounts of people who work with the platform."""

from datetime import datetime
from typing import ClassVar, Literal

from event_stream_engine.events.base import Event


class UserCreated(Event, frozen=True, kw_only=True):
    """An account exists. The first admin has no e-mail address until they set one."""

    stream: ClassVar[str] = "identity.user.v1"
    for_the_record: ClassVar[bool] = True

    user_id: str
    email: str | None
    display_name: str
    role: str
    status: Literal["active", "disabled"] = "active"
    created_at: datetime
    mfa_enabled: bool = False

    @property
    def key(self) -> str:
        return self.user_id


class UserUpdated(Event, frozen=True, kw_only=True):
    """An account as it is after a change; `changed_fields` names what changed (`password` without its value)."""

    stream: ClassVar[str] = "identity.user.v1"
    for_the_record: ClassVar[bool] = True

    user_id: str
    email: str | None
    display_name: str
    role: str
    status: Literal["active", "disabled"]
    updated_at: datetime
    changed_fields: list[str]
    mfa_enabled: bool = False

    @property
    def key(self) -> str:
        return self.user_id


class UserDisabled(Event, frozen=True, kw_only=True):
    """An account may no longer sign in."""

    stream: ClassVar[str] = "identity.user.v1"
    for_the_record: ClassVar[bool] = True

    user_id: str
    email: str | None
    disabled_at: datetime
    disabled_by: str
    reason: Literal["admin_action", "self_deletion", "security_violation", "policy_violation"]
    mfa_enabled: bool = False

    @property
    def key(self) -> str:
        return self.user_id
