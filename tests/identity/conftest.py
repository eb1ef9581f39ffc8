"""The same application and clients as the tests of the web toolkit, and a mail server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from event_stream_engine.backbone.effects import FOLDER, Effects
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.database import Database
from event_stream_engine.identity.tasks import send_due
from event_stream_engine.resilience import Breaker
from event_stream_engine.settings import Settings
from tests.identity.mail_server import MailServer, serving
from tests.web.conftest import anonymous, app, browser, client_of, link_token, owner, settings
from tests.web.settings import settings_for

__all__ = ["anonymous", "app", "browser", "client_of", "link_token", "owner", "settings"]


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    async with serving() as (server, _):
        yield server


@pytest.fixture
def with_mail(database_url: str, redis_url: str, tmp_path: Path, mail_server: MailServer) -> Settings:
    """Settings whose mail goes to that server."""
    where = f"smtp+plain://localhost:{mail_server.port}"
    return settings_for(database_url, redis_url, tmp_path, ESE_SMTP_URL=where, ESE_MAIL_FROM="ese@example.org")


async def send_mails(database: Database, settings: Settings, breaker: Breaker) -> None:
    """One round of the worker's task."""
    redis = connect(settings.redis_url)
    try:
        await send_due(Effects(database, redis, settings.home / FOLDER), settings, breaker)
    finally:
        await redis.aclose()
