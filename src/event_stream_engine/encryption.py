"""Secrets that must be read again, encrypted where they are stored.

AES-256-GCM (NIST SP 800-38D) with a key derived from the installation's secret key (HKDF-SHA256, RFC 5869). What a
secret belongs to is authenticated with it: moved to another row, it cannot be read. A stored secret names the key
that it was encrypted with, so that a wrong key is told from a damaged secret, and so that keys can be changed.
"""

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from event_stream_engine.errors import EseError

_VERSION = "v1"
_NONCE_BYTES = 12


class SecretUnreadable(EseError):
    """A stored secret was encrypted with a key that is not set, or was changed."""

    status = 503
    code = "secret_unreadable"
    title = "A stored secret cannot be read"


@dataclass(frozen=True)
class _Key:
    id: str
    cipher: AESGCM = field(repr=False)

    @classmethod
    def derived(cls, secret: str) -> Self:
        material = HKDF(SHA256(), 32, salt=None, info=b"ese stored secrets v1").derive(secret.encode())
        return cls(hashlib.sha256(b"id" + material).hexdigest()[:8], AESGCM(material))


@dataclass(frozen=True)
class Keyring:
    """The key that encrypts, and former ones that may still be needed to read."""

    keys: tuple[_Key, ...]

    @classmethod
    def of(cls, secret: str, *former: str) -> Self:
        """From the installation's secret key and, during a rotation, those it had before."""
        return cls(tuple(_Key.derived(one) for one in (secret, *former)))

    def encrypt(self, plain: bytes, about: str) -> str:
        """`about` names what it belongs to, such as `totp:<account id>`; `decrypt` must be given the same."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self.keys[0].cipher.encrypt(nonce, plain, about.encode())
        return f"{_VERSION}.{self.keys[0].id}.{base64.urlsafe_b64encode(sealed).decode()}"

    def decrypt(self, stored: str, about: str) -> bytes:
        """Raises `SecretUnreadable`, saying whether the key is missing or the secret was changed."""
        version, _, rest = stored.partition(".")
        key_id, _, encoded = rest.partition(".")
        key = next((one for one in self.keys if one.id == key_id), None)
        if key is None or version != _VERSION:
            raise SecretUnreadable(
                f"A stored secret was encrypted with another secret key (its id is {key_id}; those set have "
                f"{', '.join(one.id for one in self.keys)}). Set ESE_SECRET_KEY to the former value, or name it in "
                "ESE_SECRET_KEY_PREVIOUS and run `ese secrets rotate`."
            )
        try:
            sealed = base64.urlsafe_b64decode(encoded)
            return key.cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode())
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise SecretUnreadable("A stored secret was damaged or moved to another row: make it anew.") from error

    def is_current(self, stored: str) -> bool:
        """Whether it was encrypted with the newest key."""
        return stored.startswith(f"{_VERSION}.{self.keys[0].id}.")


_process: list[Keyring] = []


def configure(secret: str, *former: str) -> None:
    """Set this process's keyring; each process does so when it starts."""
    _process[:] = [Keyring.of(secret, *former)]


def process_keyring() -> Keyring:
    """The keyring of this process. Raises `SecretUnreadable` when no secret key is set."""
    if not _process:
        raise SecretUnreadable("ESE_SECRET_KEY is not set, so what is stored under it cannot be read: set it.")
    return _process[0]
