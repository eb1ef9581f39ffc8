"""The settings of an application under test."""

from pathlib import Path

from event_stream_engine.settings import Settings, load_settings
from tests.sandbox.conftest import ACCOUNT_SID, AUTH_TOKEN
from tests.web.client import ORIGIN

PASSWORD = "correct horse battery"
SECRET_KEY = "k" * 40


def settings_for(database_url: str, redis_url: str, home: Path, **changes: str) -> Settings:
    return load_settings(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "ESE_HOME": str(home),
            "ESE_SECRET_KEY": SECRET_KEY,
            "ESE_PUBLIC_URL": ORIGIN,
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "TWILIO_API_BASE_URL": "http://127.0.0.1:1",
            "ESE_ALERTS": "false",  # a test that writes an alert down must not race with the judge, who ends it
            **changes,
        }
    )
