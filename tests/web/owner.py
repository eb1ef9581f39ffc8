"""The first account of a platform, made once in a run: hashing its password takes longer than most tests."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.entrypoints.api import create_app
from tests.web.client import Client
from tests.web.settings import PASSWORD, settings_for

OWNER = {"email": "ana@example.com", "password": PASSWORD, "display_name": "Ana"}


@dataclass(frozen=True)
class OwnedTemplate:
    """A database with an owner who is signed in, to make others from; the access token lives for a day."""

    name: str
    access_token: str


async def add_owner(database_url: str, redis_url: str, home: Path) -> str:
    """Register the owner and sign in, through the API; the access token."""
    app = create_app(settings_for(database_url, redis_url, home, ESE_ACCESS_MINUTES="1440"))
    async with app.router.lifespan_context(app):
        client = Client(app)
        assert (await client.post("/api/v1/auth/register", json=OWNER)).status_code == 201
        session = await client.post("/api/v1/auth/login", json={k: OWNER[k] for k in ("email", "password")})
        assert session.status_code == 200, session.text
    database = Database(database_url, pool_size=1, application="test")
    async with database.transaction() as tx:  # what the application said of itself when it ended
        await tx.execute(text("TRUNCATE monitoring_events"))
    await database.close()
    return str(session.json()["access_token"])
