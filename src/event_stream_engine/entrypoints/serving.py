"""`ese serve`: the process that starts the API's processes, and starts them again when they end.

It loads none of the application, because it would keep that in memory as long as it runs."""

from granian.constants import Interfaces
from granian.log import LogLevels

from event_stream_engine.database import refuse_older_schema
from event_stream_engine.entrypoints import leaving, pulse
from event_stream_engine.entrypoints.listening import server_of
from event_stream_engine.settings import load_settings
from event_stream_engine.telemetry import configure_logging


def main() -> None:
    settings = load_settings()
    pulse.start(settings.supervision.address)
    configure_logging("serve", level=settings.log.level, as_json=settings.log.format == "json")
    refuse_older_schema(settings.database_url)
    server_of(
        settings.http.listen_fd,
        "event_stream_engine.entrypoints.api:create_app",
        factory=True,
        address=settings.http.host,
        port=settings.http.port,
        setting="ESE_HTTP_PORT",
        interface=Interfaces.ASGI,
        workers=settings.http.workers,
        loop=leaving.LOOP,
        log_level=LogLevels.error,  # it warns of live connections at each stop; browsers reconnect by themselves
        respawn_failed_workers=True,
        workers_kill_timeout=8,
        websockets=True,
    ).serve()
