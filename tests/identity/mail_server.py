"""A real SMTP server on loopback that keeps what it is given: plain, with STARTTLS, or with TLS from the start."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = "ese", "p@ss word"


@dataclass
class MailServer:
    """`mails` in the order of arrival; `answer` other than 250 refuses a recipient."""

    mails: list[Message] = field(default_factory=list)
    answer: str = "250 OK"
    port: int = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"


@asynccontextmanager
async def serving(*, starttls: bool = False, tls: bool = False, name: str = "localhost") -> AsyncIterator[Any]:
    """(the server, the PEM of the authority that its certificate is from); `name` is the certificate's."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    server = MailServer()
    options: dict[str, Any] = {"authenticator": _only_ours, "auth_required": starttls or tls}
    if starttls:
        options |= {"tls_context": context, "require_starttls": True}
    options["auth_require_tls"] = starttls  # with TLS from the start aiosmtpd does not see it, and warns
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: SMTP(server, loop=loop, **options), "127.0.0.1", 0, ssl=context if tls else None
    )
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server, authority.cert_pem.bytes()
    finally:
        listening.close()


def _only_ours(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right)
