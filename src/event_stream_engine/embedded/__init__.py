"""PostgreSQL and Valkey, started from wheels: nothing to install, the same servers as in production.

Guarantees: data lives under one home (`ESE_HOME`, default `.ese/`) and survives a crash of anything; servers
listen on loopback only and ask for a password (`secrets.json`, 0600); one owner at a time holds the home
(`Home.hold`); what a killed owner left running is stopped before the next start; a server dies with its owner
(on Linux even when the owner is killed). Does not: replicate, back up, or tune itself for a dedicated
machine. For that set DATABASE_URL and REDIS_URL.

Lifecycle: `Home` → `choose_place` (which account, which folder; PostgreSQL refuses root) → `Postgres` /
`Valkey` `.start()` → `.url` → `.stop()`. Tests and benchmarks use `throwaway_servers()`."""

from event_stream_engine.embedded.home import Home, HomeInUse
from event_stream_engine.embedded.places import Place, choose_place
from event_stream_engine.embedded.postgres import Postgres
from event_stream_engine.embedded.throwaway import Servers, throwaway_servers
from event_stream_engine.embedded.valkey import Valkey

__all__ = ["Home", "HomeInUse", "Place", "Postgres", "Servers", "Valkey", "choose_place", "throwaway_servers"]
