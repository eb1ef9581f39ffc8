"""Accounts, their rules and their errors."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from event_stream_engine.errors import Conflict, Forbidden, Invalid, NotFound, TooManyRequests, Unauthorized

Role = Literal["owner", "member"]

PASSWORD_MIN = 10
PASSWORD_MAX = 200
# A browser that opens two tabs refreshes twice with the same token; within this window both get an answer.
REFRESH_GRACE_SECONDS = 20


@dataclass(frozen=True)
class Account:
    """A person who may sign in. The first owner has neither e-mail address nor password until they set them."""

    id: UUID
    email: str | None
    display_name: str
    role: Role
    password_hash: str | None
    created_at: datetime
    disabled_at: datetime | None = None

    @property
    def status(self) -> Literal["active", "disabled"]:
        return "active" if self.disabled_at is None else "disabled"


class WrongCredentials(Unauthorized):
    code = "wrong_credentials"
    title = "The e-mail address or the password is wrong"


class WrongPassword(WrongCredentials):
    """The account is known; the password given beside the change is not its own."""

    title = "The current password is wrong"


class AccountDisabled(WrongCredentials):
    """The password is right; the account may not sign in."""

    title = "This account is disabled"


class TooManySignIns(TooManyRequests):
    """Failed sign-ins came too fast."""

    code = "too_many_sign_ins"
    title = "Too many sign-ins failed"


class SessionEnded(Unauthorized):
    code = "session_ended"


class EmailTaken(Conflict):
    code = "email_taken"


class AccountNotFound(NotFound):
    code = "account_not_found"


class LastOwner(Conflict):
    code = "last_owner"


class OwnersOnly(Forbidden):
    code = "owners_only"


class RegistrationClosed(Forbidden):
    code = "registration_closed"


def checked_email(email: str) -> str:
    """The address in lower case. Raises `Invalid` for what cannot be one; only a mail proves that it is."""
    address = email.strip().lower()
    if len(address) > 254 or not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", address):
        raise Invalid.field("email", "Write an e-mail address such as ana@example.com.")
    return address


def checked_password(password: str) -> str:
    """Length is the rule that helps (NIST SP 800-63B, 5.1.1.2). Raises `Invalid`."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise Invalid.field("password", f"Use {PASSWORD_MIN} to {PASSWORD_MAX} characters.")
    return password
