"""API keys: their rules and errors."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from event_stream_engine import clock
from event_stream_engine.errors import Conflict, Invalid, NotFound
from event_stream_engine.permissions import KEY_PREFIX, NOT_FOR_KEYS, ROLES, Permission, Role

KEYS_MAX = 50
"""Of one account, those that can still be used."""
DAYS_MAX = 365
USE_NOTED_EVERY = timedelta(minutes=5)
"""`last_used_at` is this coarse, so that a busy key does not write with each request."""


@dataclass(frozen=True)
class ApiKey:
    """A program's way in, in the name of the account that made it. Of the secret only its hash is kept."""

    id: UUID
    account_id: UUID
    name: str
    prefix: str
    secret_hash: str
    scopes: frozenset[Permission]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: UUID | None = None

    @property
    def status(self) -> Literal["active", "expired", "revoked"]:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= clock.now() else "active"


class KeyNotFound(NotFound):
    code = "api_key_not_found"


class TooManyKeys(Conflict):
    code = "too_many_api_keys"


def new_secret() -> tuple[str, str]:
    """A secret of 256 random bits and its visible beginning."""
    prefix = f"{KEY_PREFIX}{secrets.token_hex(4)}"
    return f"{prefix}_{secrets.token_urlsafe(32)}", prefix


def checked_scopes(scopes: Collection[Permission], maker: Role) -> frozenset[Permission]:
    """Raises `Invalid` for none, for more than the maker has, and for what no key may hold."""
    wanted = frozenset(scopes)
    if not wanted:
        raise Invalid.field("scopes", "Choose at least one permission.")
    never = sorted(wanted & NOT_FOR_KEYS)
    if never:
        raise Invalid.field("scopes", f"No API key may hold {', '.join(never)}: that is for people.")
    beyond = sorted(wanted - ROLES[maker])
    if beyond:
        raise Invalid.field("scopes", f"Your own role ({maker}) does not have {', '.join(beyond)}.")
    return wanted
