"""Who said no stays known after the contact is erased: keyed hashes of every spelling of the number.

The key is random and stored encrypted with the installation's secret key, so that a copy of the database does not give
the numbers away (there are few enough to try them all), and so that the secret key can be changed.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from functools import lru_cache

from event_stream_engine import audit
from event_stream_engine.database import Transaction
from event_stream_engine.encryption import Keyring, process_keyring
from event_stream_engine.messaging.model.spellings import spellings
from event_stream_engine.messaging.store import suppressions as store
from event_stream_engine.messaging.store.suppressions import Suppression

_ABOUT = "suppressions"
_KEY_BYTES = 32


async def suppress(tx: Transaction, phone: str, said: Suppression) -> None:
    """Never write to this line, until the person writes START. `phone` may be no valid number."""
    key = await _key(tx)
    if key is None:
        await store.add_key(tx, process_keyring().encrypt(secrets.token_bytes(_KEY_BYTES), _ABOUT))
        key = await _key(tx)
        assert key is not None, "it was stored just now"
    await store.add(tx, [_hash(key, spelling) for spelling in spellings(phone)], said)


async def lift(tx: Transaction, phone: str, *, by_the_person: bool) -> bool:
    """Take it back: an opt-out, and a STOP only when the person writes START. False when nothing was suppressed."""
    if await store.is_empty(tx):
        return False
    key = await _key(tx)
    if key is None:
        return False
    consents = ("opted_out", "stopped") if by_the_person else ("opted_out",)
    return await store.remove(tx, [_hash(key, spelling) for spelling in spellings(phone)], consents)


async def suppressed(tx: Transaction, phones: Iterable[str]) -> dict[str, Suppression]:
    """Those of the numbers that must not be written to. Costs one look-up while nothing is suppressed."""
    if await store.is_empty(tx):
        return {}
    key = await _key(tx)
    if key is None:
        return {}
    # Every spelling is stored, so that one look-up for each number is enough.
    hashes = {_hash(key, phone): phone for phone in phones}
    return {hashes[one]: said for one, said in (await store.found(tx, list(hashes))).items()}


async def rotate(tx: Transaction, keyring: Keyring, who: str) -> bool:
    """Encrypt the key with the newest secret key; whether that was needed. Raises `SecretUnreadable`."""
    sealed = await store.sealed_key(tx)
    if sealed is None or keyring.is_current(sealed):
        return False
    await store.replace_key(tx, keyring.encrypt(keyring.decrypt(sealed, _ABOUT), _ABOUT))
    await audit.record(tx, None, "secrets.rotate", "suppressions", {"count": 1, "by": who})
    return True


async def readable(tx: Transaction, keyring: Keyring) -> bool:
    """Whether there is a key; it is decrypted to see. Raises `SecretUnreadable`."""
    sealed = await store.sealed_key(tx)
    if sealed is not None:
        keyring.decrypt(sealed, _ABOUT)
    return sealed is not None


async def _key(tx: Transaction) -> bytes | None:
    sealed = await store.sealed_key(tx)
    return _opened(process_keyring(), sealed) if sealed is not None else None


@lru_cache(maxsize=8)
def _opened(keyring: Keyring, sealed: str) -> bytes:
    return keyring.decrypt(sealed, _ABOUT)


def _hash(key: bytes, phone: str) -> bytes:
    return hmac.digest(key, phone.encode(), hashlib.sha256)
