"""Webhook signatures: HMAC-SHA1 over the URL and the sorted form parameters.

Rule: https://www.twilio.com/docs/usage/security#validating-requests. The URL is the one Twilio called, query
included and fragment excluded; behind a proxy it must be rebuilt from the configured public address. Twilio
signs with or without the default port, so both count. The primary Auth Token signs, never an API key's
secret.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

SIGNATURE_HEADER = "X-Twilio-Signature"
BODY_HASH_PARAMETER = "bodySHA256"

_DEFAULT_PORTS = {"http": 80, "https": 443}

Params = Sequence[tuple[str, str]]


def sign(auth_token: str, url: str, params: Params) -> str:
    """The signature of a form post to `url` (base64). Equal pairs count once; blank values count."""
    text = url.partition("#")[0] + "".join([name + value for name, value in sorted(set(params))])
    return _mac(auth_token, text)


def sign_body(auth_token: str, url: str, body: bytes) -> tuple[str, str]:
    """For a body that is not a form: the URL extended by the body's hash, and the signature of that URL."""
    plain = url.partition("#")[0]
    joint = "&" if "?" in plain else "?"
    extended = f"{plain}{joint}{BODY_HASH_PARAMETER}={hashlib.sha256(body).hexdigest()}"
    return extended, _mac(auth_token, extended)


def verify(tokens: Sequence[str], url: str, params: Params, signature: str, body: bytes | None = None) -> bool:
    """Whether one of `tokens` (two during a rotation) signed this request.

    Give `body` for requests that are not forms: then the hash named in the query must match it and `params`
    are not part of the signature. Every comparison takes constant time.
    """
    if body is not None:
        named = parse_qs(urlsplit(url).query).get(BODY_HASH_PARAMETER)
        if named is None or not _same(hashlib.sha256(body).hexdigest(), named[0]):
            return False
        params = ()
    spellings = _port_spellings(url)
    matches = [_same(sign(token, spelling, params), signature) for token in tokens for spelling in spellings]
    return any(matches)


def _mac(auth_token: str, text: str) -> str:
    digest = hmac.digest(auth_token.encode(), text.encode("utf-8", "surrogatepass"), "sha1")
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
