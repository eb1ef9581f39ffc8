"""Two-step sign-in: time-based codes (RFC 6238: SHA-1, 6 digits, 30 seconds) and one-time backup codes."""

import secrets
from base64 import b32encode
from dataclasses import dataclass, replace
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from event_stream_engine import audit, clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.encryption import Keyring
from event_stream_engine.identity import facts
from event_stream_engine.identity.actions import mails
from event_stream_engine.identity.actions.accounts import current, require_password
from event_stream_engine.identity.actions.sessions import Issuer, Tokens, open_session
from event_stream_engine.identity.model import (
    Account,
    ChallengeEnded,
    SignInMethod,
    TwoStepState,
    WrongCode,
    digest,
)
from event_stream_engine.identity.store import accounts as account_store
from event_stream_engine.identity.store import second_factors as store
from event_stream_engine.web.auth import Principal

ISSUER = "Event Stream Engine"
STEP_SECONDS = 30
STEPS_OFF = 1
"""A phone's clock may be a step ahead or behind."""
BACKUP_CODES = 10
_SECRET_BYTES = 20  # as long as SHA-1's output (RFC 4226, section 4)
_CODE_DIGITS = 6


@dataclass(frozen=True)
class Setup:
    """What an authenticator needs: the secret to type in (base32), or the address that the QR code holds."""

    secret: str
    uri: str


async def begin(tx: Transaction, principal: Principal, password: str | None, keyring: Keyring) -> Setup:
    """A new secret, which does nothing until a code of it confirms it. Raises `WrongPassword` or `TwoStepState`."""
    account = await current(tx, principal.account_id)
    if account.mfa_enabled:
        raise TwoStepState("Two-step sign-in is on already. Turn it off first to use another authenticator.")
    if account.password_hash is None or account.email is None:
        raise TwoStepState("Set an email address and a password first: the code is the second step after them.")
    await require_password(account, password)
    key = secrets.token_bytes(_SECRET_BYTES)
    await store.put(tx, account.id, keyring.encrypt(key, _about(account.id)), clock.now())
    return Setup(b32encode(key).decode(), _totp(key).get_provisioning_uri(account.email, ISSUER))


async def confirm(tx: Transaction, principal: Principal, code: str, keyring: Keyring) -> list[str]:
    """Turn it on; the backup codes, which nobody can read again. Raises `WrongCode` or `TwoStepState`."""
    account = await current(tx, principal.account_id)
    if account.mfa_enabled or await store.secret(tx, account.id) is None:
        raise TwoStepState("There is nothing to confirm: start again.")
    await _use_code(tx, account.id, _plain(code), keyring)
    changed = replace(account, mfa_enabled_at=clock.now())
    codes = await _new_backup_codes(tx, account.id)
    await _changed(tx, changed, by=principal)
    return codes


async def turn_off(tx: Transaction, principal: Principal, password: str, code: str, keyring: Keyring) -> Account:
    """Raises `WrongPassword`, `WrongCode` or `TwoStepState`."""
    account = await _proved(tx, principal, password, code, keyring)
    return await _off(tx, account, by=principal)


async def new_backup_codes(
    tx: Transaction, principal: Principal, password: str, code: str, keyring: Keyring
) -> list[str]:
    """Ten new ones; those there were end. Raises `WrongPassword`, `WrongCode` or `TwoStepState`."""
    account = await _proved(tx, principal, password, code, keyring)
    codes = await _new_backup_codes(tx, account.id)
    await audit.record(tx, principal.account_id, "account.new_backup_codes", account.id)
    return codes


async def reset(tx: Transaction, account: Account, *, by: Principal) -> Account:
    """Turn another's (locked) off, when their authenticator is lost. Raises `TwoStepState`."""
    if not account.mfa_enabled:
        raise TwoStepState("Two-step sign-in is not on for this account.")
    return await _off(tx, account, by=by)


async def waiting(tx: Transaction, challenge: str) -> UUID:
    """The account whose sign-in waits for a code. Raises `ChallengeEnded`."""
    account_id = await store.challenged(tx, digest(challenge), clock.now())
    if account_id is None:
        raise ChallengeEnded("The second step took longer than five minutes, or is done: sign in again.")
    return account_id


async def complete(tx: Transaction, challenge: str, code: str, issuer: Issuer, keyring: Keyring) -> Tokens:
    """The second step of a sign-in. Raises `ChallengeEnded` or `WrongCode`."""
    account_id = await waiting(tx, challenge)
    account = await account_store.account(tx, account_id)
    if account is None or account.disabled_at is not None or not account.mfa_enabled:
        raise ChallengeEnded("Sign in again.")
    method = await _use(tx, account.id, code, keyring)
    await store.end_challenges(tx, account.id)
    return await open_session(tx, account, method, issuer)


async def rotate(tx: Transaction, keyring: Keyring, who: str) -> tuple[int, int]:
    """Encrypt every stored secret with the newest key: how many were, of how many. Raises `SecretUnreadable`."""
    stored = await store.stored_secrets(tx)
    old = [(account_id, secret) for account_id, secret in stored if not keyring.is_current(secret)]
    for account_id, secret in old:
        plain = keyring.decrypt(secret, _about(account_id))
        await store.replace_secret(tx, account_id, keyring.encrypt(plain, _about(account_id)))
    if old:
        await audit.record(tx, None, "secrets.rotate", "second_factors", {"count": len(old), "by": who})
    return len(old), len(stored)


async def readable(tx: Transaction, keyring: Keyring) -> int:
    """How many secrets are stored, each decrypted to see. Raises `SecretUnreadable`."""
    stored = await store.stored_secrets(tx)
    for account_id, secret in stored:
        keyring.decrypt(secret, _about(account_id))
    return len(stored)


async def _proved(tx: Transaction, principal: Principal, password: str, code: str, keyring: Keyring) -> Account:
    account = await current(tx, principal.account_id)
    if not account.mfa_enabled:
        raise TwoStepState("Two-step sign-in is not on.")
    await require_password(account, password)
    await _use(tx, account.id, code, keyring)
    return account


async def _off(tx: Transaction, account: Account, *, by: Principal) -> Account:
    await store.remove(tx, account.id)
    changed = replace(account, mfa_enabled_at=None)
    await _changed(tx, changed, by=by)
    return changed


async def _changed(tx: Transaction, account: Account, *, by: Principal) -> None:
    await account_store.save_account(tx, account)
    await outbox.record(tx, facts.updated(account, ["mfa_enabled"]))
    await mails.notify(tx, account.email, "two_step_on" if account.mfa_enabled else "two_step_off")
    action = "account.two_step_on" if account.mfa_enabled else "account.two_step_off"
    await audit.record(tx, by.account_id, action, account.id)


async def _use(tx: Transaction, account_id: UUID, code: str, keyring: Keyring) -> SignInMethod:
    plain = _plain(code)
    if len(plain) == _CODE_DIGITS:
        await _use_code(tx, account_id, plain, keyring)
        return "password_and_code"
    if not await store.use_backup_code(tx, account_id, digest(plain), clock.now()):
        raise WrongCode("This is neither the current code nor an unused backup code.")
    return "password_and_backup_code"


async def _use_code(tx: Transaction, account_id: UUID, code: str, keyring: Keyring) -> None:
    """A code opens once: its time step, and every earlier one, is then used up (RFC 6238, section 5.2)."""
    secret = await store.secret(tx, account_id)
    if secret is None:
        raise TwoStepState("There is nothing to confirm: start again.")
    step = _matching_step(keyring.decrypt(secret, _about(account_id)), code)
    if step is None:
        raise WrongCode("The code is wrong, or over. Check that the phone's clock is right, and use the next code.")
    if not await store.use_step(tx, account_id, step):
        raise WrongCode("This code was used already: wait for the next one.")


def _matching_step(key: bytes, code: str) -> int | None:
    now = int(clock.now().timestamp()) // STEP_SECONDS
    return next((now + off for off in range(-STEPS_OFF, STEPS_OFF + 1) if _is_code(key, code, now + off)), None)


def _is_code(key: bytes, code: str, step: int) -> bool:
    try:
        _totp(key).verify(code.encode(), step * STEP_SECONDS)
    except InvalidToken:
        return False
    return True


async def _new_backup_codes(tx: Transaction, account_id: UUID) -> list[str]:
    codes = [b32encode(secrets.token_bytes(10)).decode() for _ in range(BACKUP_CODES)]  # 80 bits
    await store.put_backup_codes(tx, account_id, [digest(code) for code in codes])
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def _plain(code: str) -> str:
    return "".join(character for character in code if character.isalnum()).upper()


def _totp(key: bytes) -> TOTP:
    return TOTP(key, _CODE_DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303  # what authenticators implement


def _about(account_id: UUID) -> str:
    return f"totp:{account_id}"
