"""Handing a mail to an SMTP server (RFC 5321), over TLS with its certificate verified.

Python's own `smtplib` in a thread: mail is rare, and a task has the time. `smtp://` demands STARTTLS (RFC 3207),
`smtps://` begins with TLS (RFC 8314); only `smtp+plain://` does without.
"""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from event_stream_engine.errors import Invalid, Unavailable
from event_stream_engine.identity.letters import Letter
from event_stream_engine.resilience import Verdict
from event_stream_engine.settings import Settings

_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


BREAKER: Final = "smtp"


class MailRefused(Unavailable):
    """The server did not take it. `final`: it will not take it later either (a 5xx answer to the recipient). `verdict`:
    what that says of the server; an answer that is about this mail shows that the server works."""

    code = "mail_refused"

    def __init__(self, detail: str, *, final: bool = False, verdict: Verdict = Verdict.FAILURE) -> None:
        super().__init__(detail)
        self.final = final
        self.verdict = verdict


@dataclass(frozen=True)
class Server:
    """An SMTP server and the address that mail comes from."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    sender: str
    ca_file: str | None
    timeout_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Raises `Invalid` for an ESE_SMTP_URL that cannot be one."""
        mail = settings.mail
        parts = urlsplit(mail.url.get_secret_value() if mail.url else "")
        if parts.scheme not in _PORTS or not parts.hostname:
            raise Invalid("ESE_SMTP_URL must look like smtp://user:password@host:587, smtps://… or smtp+plain://….")
        return cls(
            parts.scheme,
            parts.hostname,
            _port(parts.port, parts.scheme),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            mail.sender or f"ese@{urlsplit(settings.http.origin).hostname}",
            mail.ca_file,
            mail.timeout_seconds,
        )

    async def send(self, recipient: str, letter: Letter, message_id: str) -> None:
        """Raises `MailRefused`."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self.sender, recipient, letter.subject
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = make_msgid(message_id, self.sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notes, please
        message.set_content(letter.text)
        await asyncio.to_thread(self._talk, message)

    async def reach(self) -> None:
        """Connect, agree on TLS, sign in, leave. Raises `MailRefused`."""
        await asyncio.to_thread(self._talk, None)

    def _talk(self, message: EmailMessage | None) -> None:
        try:
            with self._connected() as server:
                if self.user is not None:
                    server.login(self.user, self.password or "")
                if message is not None:
                    server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            final = all(c >= 500 for c in codes)
            verdict = Verdict.FAILURE if 421 in codes else Verdict.REFUSED  # 421: the server is closing down
            raise MailRefused(f"the recipient was refused ({codes})", final=final, verdict=verdict) from error
        except smtplib.SMTPDataError as error:  # it heard the mail to the end; from 500 on it is about what is in it
            verdict = Verdict.REFUSED if error.smtp_code >= 500 else Verdict.FAILURE
            raise MailRefused(f"{type(error).__name__}: {str(error)[:200]}", verdict=verdict) from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailRefused(f"{type(error).__name__}: {str(error)[:200]}") from error

    def _connected(self) -> smtplib.SMTP:
        if self.scheme == "smtps":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_seconds, context=self._tls())
        server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_seconds)
        if self.scheme == "smtp":
            server.starttls(context=self._tls())
        return server

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


def _port(given: int | None, scheme: str) -> int:
    return given or _PORTS[scheme]
