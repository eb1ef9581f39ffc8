"""What is recorded of an account on `identity.user.v1`."""

from uuid import UUID

from event_stream_engine import clock
from event_stream_engine.events.identity import UserCreated, UserDisabled, UserUpdated
from event_stream_engine.identity.model import Account


def created(account: Account) -> UserCreated:
    return UserCreated(
        user_id=str(account.id),
        email=account.email,
        display_name=account.display_name,
        role=account.role,
        created_at=account.created_at,
        mfa_enabled=account.mfa_enabled,
    )


def updated(account: Account, names: list[str]) -> UserUpdated:
    """The account as it is after the change of the fields `names`."""
    return UserUpdated(
        user_id=str(account.id),
        email=account.email,
        display_name=account.display_name,
        role=account.role,
        status=account.status,
        updated_at=clock.now(),
        changed_fields=names,
        mfa_enabled=account.mfa_enabled,
    )


def disabled(account: Account, by: UUID) -> UserDisabled:
    return UserDisabled(
        user_id=str(account.id),
        email=account.email,
        disabled_at=account.disabled_at or clock.now(),
        disabled_by=str(by),
        mfa_enabled=account.mfa_enabled,
        reason="self_deletion" if by == account.id else "admin_action",
    )
