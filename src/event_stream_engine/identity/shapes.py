"""The shapes of an account in the API."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from event_stream_engine.identity.model import Account
from event_stream_engine.permissions import Permission, Role
from event_stream_engine.web.auth import Principal


class AccountOut(BaseModel):
    model_config = ConfigDict(title="Account")
    id: UUID
    email: str | None
    display_name: str
    role: Role
    has_password: bool
    created_at: datetime
    status: Literal["active", "disabled"]


class MeOut(AccountOut):
    model_config = ConfigDict(title="Me")
    permissions: list[Permission] = Field(description="Of this request: an API key has a part of its maker's.")


def account_shape(account: Account) -> AccountOut:
    return AccountOut(
        id=account.id,
        email=account.email,
        display_name=account.display_name,
        role=account.role,
        has_password=account.password_hash is not None,
        created_at=account.created_at,
        status=account.status,
    )


def me_shape(account: Account, by: Principal) -> MeOut:
    return MeOut(**account_shape(account).model_dump(), permissions=sorted(by.permissions))
