"""`ese serve`: the API, the webhooks, the live stream and the built UI, in one ASGI application."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from event_stream_engine import __version__, jobs
from event_stream_engine.alerts import routes as alerts
from event_stream_engine.backbone.group_commit import GroupCommit
from event_stream_engine.backbone.streams.opening import Transport, open_transport
from event_stream_engine.backbone.streams.redis_watched import watched
from event_stream_engine.backbone.supervising import end
from event_stream_engine.database import Database
from event_stream_engine.embedded.processes import die_with_parent
from event_stream_engine.entrypoints import alerting, live, pulse, running, sandbox_panel, ui
from event_stream_engine.entrypoints.audit import routes as audit
from event_stream_engine.entrypoints.backbone import dead_letters, events, groups, replays, streams
from event_stream_engine.entrypoints.bootstrap import begin, collect_less_often, import_reactions, use_secret_key
from event_stream_engine.entrypoints.flags import routes as flags
from event_stream_engine.entrypoints.flags.keeping import kept as kept_flags
from event_stream_engine.entrypoints.health import routes as health
from event_stream_engine.entrypoints.health.monitor import HealthMonitor
from event_stream_engine.entrypoints.leaving import before_leaving
from event_stream_engine.entrypoints.metrics.requests import RequestMetrics
from event_stream_engine.entrypoints.monitoring import breakers, holds, stored
from event_stream_engine.entrypoints.monitoring import routes as monitoring_routes
from event_stream_engine.entrypoints.monitoring.keeping import kept as kept_broadcaster
from event_stream_engine.entrypoints.monitoring.routes import BROADCASTER
from event_stream_engine.entrypoints.restore import routes as restore
from event_stream_engine.identity.access import routes as access
from event_stream_engine.identity.access.directory import Directory
from event_stream_engine.identity.api import write_mail
from event_stream_engine.identity.routes import accounts, pages, security, sign_in
from event_stream_engine.live import Hub
from event_stream_engine.messaging.inbound_tasks import catch_up_inbound
from event_stream_engine.messaging.refused_callbacks import REFUSALS, RefusedCallbacks
from event_stream_engine.messaging.routes import (
    campaigns,
    contacts,
    content,
    imports,
    inbound,
    replies,
    reporting,
    webhooks,
)
from event_stream_engine.resilience import CIRCUITS, Circuits, circuits_of
from event_stream_engine.settings import Settings, load_settings
from event_stream_engine.web import problems
from event_stream_engine.web.addresses import networks
from event_stream_engine.web.body_limits import BodyLimits
from event_stream_engine.web.guards import declared
from event_stream_engine.web.limits import RateLimits
from event_stream_engine.web.methods import refuse_other_methods
from event_stream_engine.web.openapi import serve, with_problems
from event_stream_engine.web.platform import Platform

OWN_BODY_LIMITS = ("/api/v1/imports", "/webhooks/")

DESCRIPTION = """
Campaigns over WhatsApp and SMS on one transactional event log.

Sign in with `POST /api/v1/auth/login` and send `Authorization: Bearer <access_token>`. Lists are paged by
`cursor`; errors are problem documents (RFC 9457) with a stable `code`; POST takes `Idempotency-Key`; what two
people may edit has an `ETag` and takes `If-Match`.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; without `settings` those of the environment."""
    chosen = settings or begin_worker()
    use_secret_key(chosen)
    import_reactions()  # the groups there are

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened = AsyncExitStack()
        platform = connect_platform(chosen, await opened.enter_async_context(open_transport(chosen)))
        hub = Hub(platform.redis, platform.transport, clients_max=chosen.http.live_clients)
        platform.shared["hub"] = hub
        platform.shared["group_commit"] = GroupCommit(platform.database)
        refused = platform.shared[REFUSALS] = RefusedCallbacks(platform.database)
        opened.push_async_callback(refused.close)
        keeping = kept_flags(chosen, platform.database, platform.redis)
        platform.shared[flags.FLAGS], platform.shared[flags.FOLLOWER] = await opened.enter_async_context(keeping)
        circuits = circuits_of(platform.shared)
        monitoring = kept_broadcaster(
            chosen, platform.database, platform.shared[flags.FLAGS], "serve", hub, circuits=circuits
        )
        broadcaster = platform.shared[BROADCASTER] = await opened.enter_async_context(monitoring)
        app.state.platform = platform
        platform.shared[health.MONITOR] = monitor = HealthMonitor(platform, broadcaster.buffer_fill)
        outgoing = write_mail if chosen.mail.url else None
        await opened.enter_async_context(alerting.watching(platform, monitor, outgoing))
        following = asyncio.create_task(hub.run())
        if settings is None:  # a process of its own: a full collection holds a thousand browsers up for 0.15 s
            collect_less_often()
            await opened.enter_async_context(asking_for_inbound())
            await opened.enter_async_context(pulse.from_loop())
        before_leaving(hub.leave)
        try:
            yield
        finally:
            hub.stop()
            await end(following)
            await opened.aclose()
            await platform.redis.aclose()
            await platform.database.close()

    app = FastAPI(
        title="Event Stream Engine",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    add_routes(app)
    declared(app)  # raises where a route does not say who may call it
    refuse_other_methods(app)
    problems.install(app)
    plain = app.openapi
    app.openapi = lambda: with_problems(plain())  # type: ignore[method-assign]
    add_middleware(app, chosen)
    return app


@asynccontextmanager
async def asking_for_inbound() -> AsyncIterator[None]:
    """What people wrote while no API took it in is asked for at once; without Redis, when the schedule says so."""
    asking = asyncio.create_task(jobs.start(catch_up_inbound, expires=30))
    asking.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        yield
    finally:
        await end(asking)


def add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the first that a request meets."""
    http = settings.http
    app.add_middleware(BodyLimits, max_bytes=http.max_body_bytes, exempt=OWN_BODY_LIMITS)
    app.add_middleware(
        RateLimits,
        per_address=http.requests_per_address,
        per_key=http.requests_per_key,
        trusted=networks(http.trusted_proxies),
    )
    if http.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=http.allowed_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["authorization", "content-type", "idempotency-key", "if-match", "x-request-id"],
            expose_headers=["etag", "ratelimit", "ratelimit-policy", "retry-after", problems.REQUEST_ID_HEADER],
            max_age=600,
        )
    app.add_middleware(RequestMetrics)
    app.add_middleware(problems.RequestContext, over_https=http.origin.startswith("https://"))


def begin_worker() -> Settings:
    """Granian's workers are processes of their own: each reads the settings and sets up its logs."""
    die_with_parent(signal.SIGKILL)  # a killed `ese serve` leaves none behind that goes on answering
    settings = begin("serve")
    jobs.configure(settings)
    return settings


def connect_platform(settings: Settings, transport: Transport) -> Platform:
    circuits = Circuits()
    size = settings.database.pool_size
    database = Database.watched(circuits, settings.database_url, pool_size=size, application="ese-serve")
    shared = {CIRCUITS: circuits}
    redis = watched(circuits, settings.redis_url, fail_fast=True)
    return Platform(settings, database, redis, transport, Directory(database), shared)


def add_routes(app: FastAPI) -> None:
    """In this order they are tried, and callbacks come by the thousand."""
    for router in (
        webhooks.router,
        health.router,
        *(flags.router, flags.status),
        *(monitoring_routes.figures, stored.router, breakers.router, holds.router, running.router),
        *(sign_in.router, accounts.router, security.router, access.accounts, access.keys, pages.router),
        *(alerts.router, audit.router),
        *(contacts.router, imports.router, content.router, campaigns.router, reporting.router, replies.router),
        inbound.router,
        live.router,
        *(streams.router, events.router, groups.router, dead_letters.router, replays.router),
        restore.router,
        sandbox_panel.router,
    ):
        serve(app, router)
    ui.mount(app, ui.DIST)


def openapi() -> dict[str, object]:
    """The API's description, for the generated client and the documents; needs no running server."""
    return create_app(load_settings({"ESE_HOME": str(Path("/nonexistent"))})).openapi()
