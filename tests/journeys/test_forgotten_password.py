"""A forgotten password on a whole platform: the request writes the mail down, the worker sends it."""

import asyncio
import re
from email.message import EmailMessage
from typing import cast

import pytest

from tests.identity.mail_server import MailServer, serving
from tests.journeys.running_platform import Api, RunningPlatform

ANA = {"email": "ana@example.com", "password": "correct horse battery", "display_name": "Ana"}
NEW = "a wholly different phrase"


@pytest.mark.slow
async def test_a_forgotten_password_is_reset_by_mail() -> None:
    async with serving() as (server, _):
        await asyncio.to_thread(forget_and_reset, server)


def forget_and_reset(server: MailServer) -> None:
    with RunningPlatform({"ESE_SMTP_URL": f"smtp+plain://127.0.0.1:{server.port}"}) as platform:
        platform.api.post("/api/v1/auth/register", ANA)
        stranger = Api(platform.api.origin, pause=platform.look)
        stranger.post("/api/v1/auth/password-reset", {"email": ANA["email"]})
        platform.wait_until("the mail with the link", lambda: server.mails, 60)
        mail = cast(EmailMessage, server.mails[0])
        link = re.search(r"(http\S+)/reset-password/link\?token=(\S+)", mail.get_content())
        assert link is not None
        assert link.group(1) == platform.api.origin
        stranger.post("/api/v1/auth/password-reset/confirm", {"token": link.group(2), "password": NEW})
        assert stranger.post("/api/v1/auth/login", {"email": ANA["email"], "password": NEW})["access_token"]
        platform.wait_until("the notice of it", lambda: len(server.mails) > 1, 60)
        assert "Your password was changed" in str(server.mails[1]["Subject"])
