"""Webhook signatures: an HMAC over the URL and the sorted form parameters.

Rule: https://www.twilio.com/docs/usage/security#validating-requests. The URL is the one Twilio called, query
included and fragment excluded; behind a proxy it must be rebuilt from the configured public address. Twilio
signs with or without the default port, so both count. The primary Auth Token signs with SHA-1, never an API key's
secret; where a Webhooks Rule names a SharedKey, its secret signs, and `SETTINGS_HEADER` names the algorithm
(`get_signature_algorithm` in twilio-python 9.13, request_validator.py).
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

SIGNATURE_HEADER = "X-Twilio-Signature"
SETTINGS_HEADER = "X-Twilio-Webhooks-Signature-Settings"
BODY_HASH_PARAMETER = "bodySHA256"
SHA1, SHA256 = "HMAC_SHA1", "HMAC_SHA256"

_HASHES = {SHA1: "sha1", SHA256: "sha256"}

_DEFAULT_PORTS = {"http": 80, "https": 443}

Params = Sequence[tuple[str, str]]


def algorithm_of(settings_header: str) -> str:
    """What the header names, such as `key=webhooks_sharedkey_…,algorithm=HMAC_SHA256`; without it SHA-1."""
    for part in settings_header.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            return value.strip().upper()
    return SHA1


def sign(secret: str, url: str, params: Params, algorithm: str = SHA1) -> str:
    """The signature of a form post to `url` (base64). Equal pairs count once; blank values count."""
    text = url.partition("#")[0] + "".join([name + value for name, value in sorted(set(params))])
    return _mac(secret, text, algorithm)


def sign_body(auth_token: str, url: str, body: bytes) -> tuple[str, str]:
    """For a body that is not a form: the URL extended by the body's hash, and the signature of that URL."""
    plain = url.partition("#")[0]
    joint = "&" if "?" in plain else "?"
    extended = f"{plain}{joint}{BODY_HASH_PARAMETER}={hashlib.sha256(body).hexdigest()}"
    return extended, _mac(auth_token, extended, SHA1)


def verify(
    secrets: Sequence[str],
    url: str,
    params: Params,
    signature: str,
    body: bytes | None = None,
    algorithm: str = SHA1,
) -> bool:
    """Whether one of `secrets` (two during a rotation) signed this request; an unknown algorithm is none of ours.

    Give `body` for requests that are not forms: then the hash named in the query must match it and `params`
    are not part of the signature. Every comparison takes constant time.
    """
    if body is not None:
        named = parse_qs(urlsplit(url).query).get(BODY_HASH_PARAMETER)
        if named is None or not _same(hashlib.sha256(body).hexdigest(), named[0]):
            return False
        params = ()
    if algorithm not in _HASHES:
        return False
    spellings = _port_spellings(url)
    matches = [_same(sign(one, spelling, params, algorithm), signature) for one in secrets for spelling in spellings]
    return any(matches)


def _mac(secret: str, text: str, algorithm: str) -> str:
    digest = hmac.digest(secret.encode(), text.encode("utf-8", "surrogatepass"), _HASHES[algorithm])
    return b64encode(digest).decode("ascii")


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


def _port_spellings(url: str) -> tuple[str, ...]:
    """The URL as given, and with its port dropped or the scheme's default port written out."""
    parts = urlsplit(url.partition("#")[0])
    try:
        port = parts.port
    except ValueError:
        return (url,)
    userinfo, at, host = parts.netloc.rpartition("@")
    host = f"{host.rstrip(':')}:{_DEFAULT_PORTS.get(parts.scheme, 80)}" if port is None else host.rsplit(":", 1)[0]
    return url, parts._replace(netloc=userinfo + at + host).geturl()
