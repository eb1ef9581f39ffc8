"""What identity's routes take and give."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from event_stream_engine.identity import model as rules
from event_stream_engine.identity.actions.sessions import Tokens
from event_stream_engine.permissions import Permission, Role
from event_stream_engine.web.auth import Principal
from event_stream_engine.web.bodies import Body

_CODE = "A code of the authenticator, or a backup code."


class AccountOut(BaseModel):
    model_config = ConfigDict(title="Account")
    id: UUID
    email: str | None
    display_name: str
    role: Role
    has_password: bool
    mfa_enabled: bool
    created_at: datetime
    status: Literal["active", "disabled"]


class MeOut(AccountOut):
    model_config = ConfigDict(title="Me")
    permissions: list[Permission] = Field(description="Of this request: an API key has a part of its maker's.")
    backup_codes_left: int
    new_email: str | None = Field(description="Asked for, and not yet confirmed by the link that was mailed to it.")
    alarms: int = Field(description="Sessions ended because a copied key was used, which you have not confirmed yet.")


class TokensOut(BaseModel):
    model_config = ConfigDict(title="Tokens")
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # the scheme's name
    expires_in: int = Field(description="Seconds until the access token expires.")
    account: AccountOut


class ChallengeOut(BaseModel):
    """The password is right; the account has two-step sign-in."""

    model_config = ConfigDict(title="Challenge")
    challenge: str = Field(description="To be sent to POST /api/v1/auth/login/code with a code.")
    expires_in: int = Field(description="Seconds until you have to begin again.")
    methods: list[Literal["code", "backup_code"]] = ["code", "backup_code"]


class SessionOut(BaseModel):
    model_config = ConfigDict(title="Session")
    id: UUID
    current: bool = Field(description="The one that asks.")
    method: rules.SignInMethod
    device: str = Field(examples=["Firefox on Linux"])
    address: str = Field(description="Masked.", examples=["203.0.113.x"])
    created_at: datetime
    last_used_at: datetime = Field(description="Exact to a minute.")
    expires_at: datetime
    ended_at: datetime | None
    ended_reason: rules.EndReason | None
    seen: bool = Field(description="False for an end by `token_reused` that you have not confirmed yet.")


class EndedOut(BaseModel):
    model_config = ConfigDict(title="Ended")
    ended: int = Field(description="How many sessions were ended.")


class RegisterIn(Body):
    email: str = Field(examples=["ana@example.com"], max_length=254)
    password: str = Field(min_length=rules.PASSWORD_MIN, max_length=rules.PASSWORD_MAX)
    display_name: str = Field(min_length=1, max_length=100, pattern=r"\S")


class LoginIn(Body):
    email: str = Field(max_length=254)
    password: str = Field(max_length=rules.PASSWORD_MAX)


class CodeIn(Body):
    challenge: str = Field(max_length=200)
    code: str = Field(max_length=40, description=_CODE)


class ProfileIn(Body):
    email: str | None = Field(None, max_length=254)
    display_name: str | None = Field(None, min_length=1, max_length=100, pattern=r"\S")
    password: str | None = Field(None, min_length=rules.PASSWORD_MIN, max_length=rules.PASSWORD_MAX)
    current_password: str | None = Field(
        None, max_length=rules.PASSWORD_MAX, description="To change the address or the password."
    )


class ResetRequestIn(Body):
    email: str = Field(max_length=254)


class ResetIn(Body):
    token: str = Field(max_length=200, description="From the mailed link.")
    password: str = Field(min_length=rules.PASSWORD_MIN, max_length=rules.PASSWORD_MAX)


class ConfirmEmailIn(Body):
    token: str = Field(max_length=200, description="From the mailed link.")


class TwoStepBeginIn(Body):
    password: str = Field(max_length=rules.PASSWORD_MAX)


class TwoStepSetupOut(BaseModel):
    model_config = ConfigDict(title="TwoStepSetup")
    secret: str = Field(description="To type into an authenticator (base32).")
    uri: str = Field(description="`otpauth://…`, what the QR code holds.")
    qr_svg: str = Field(description="The QR code as an SVG document, dark on white.")


class TwoStepConfirmIn(Body):
    code: str = Field(max_length=40, description="A code of the authenticator.")


class TwoStepProofIn(Body):
    password: str = Field(max_length=rules.PASSWORD_MAX)
    code: str = Field(max_length=40, description=_CODE)


class BackupCodesOut(BaseModel):
    model_config = ConfigDict(title="BackupCodes")
    codes: list[str] = Field(description="Each works once. They are stored hashed: nobody can show them again.")


def account_out(account: rules.Account) -> AccountOut:
    return AccountOut.model_validate(_fields(account))


def me_out(account: rules.Account, by: Principal, backup_codes_left: int, alarms: int, new_email: str | None) -> MeOut:
    more = {
        "permissions": sorted(by.permissions),
        "backup_codes_left": backup_codes_left,
        "alarms": alarms,
        "new_email": new_email,
    }
    return MeOut.model_validate({**_fields(account), **more})


def tokens_out(tokens: Tokens) -> TokensOut:
    return TokensOut(
        access_token=tokens.access_token, expires_in=tokens.expires_in, account=account_out(tokens.account)
    )


def session_out(session: rules.Session, current: UUID | None) -> SessionOut:
    seen = session.ended_reason != "token_reused" or session.seen_at is not None
    return SessionOut.model_validate({**vars(session), "current": session.id == current, "seen": seen})


def _fields(account: rules.Account) -> dict[str, object]:
    return {
        "id": account.id,
        "email": account.email,
        "display_name": account.display_name,
        "role": account.role,
        "has_password": account.password_hash is not None,
        "mfa_enabled": account.mfa_enabled,
        "created_at": account.created_at,
        "status": account.status,
    }
