"""Identity's tasks."""

from datetime import timedelta

import structlog
from prometheus_client import Counter

from event_stream_engine import clock
from event_stream_engine.backbone.effects import Effects, effects_of
from event_stream_engine.backbone.life import EffectsHeld
from event_stream_engine.database import Transaction
from event_stream_engine.identity.actions import mails
from event_stream_engine.identity.smtp import BREAKER, MailRefused, Server
from event_stream_engine.identity.store import accounts as account_store
from event_stream_engine.identity.store import email_changes as change_store
from event_stream_engine.identity.store import mails as mail_store
from event_stream_engine.identity.store import sessions as session_store
from event_stream_engine.jobs import Runtime, every, task
from event_stream_engine.resilience import Breaker, CircuitOpen, Verdict, circuits_of
from event_stream_engine.settings import Settings
from event_stream_engine.web import store as web_store

log = structlog.get_logger()

MAILS = Counter("ese_mails_total", "Attempts to send a mail", ["outcome"])

KEYS_KEPT = timedelta(hours=24)
ENDED_SESSIONS_KEPT = timedelta(days=90)
MAILS_KEPT = timedelta(days=7)


@every(600)
@task("identity.forget_expired")
async def forget_expired(runtime: Runtime) -> None:
    """Remove expired links and refresh tokens; sessions after 90 days, mail after 7, idempotency keys after 1."""
    now = clock.now()
    async with runtime.database.transaction() as tx:
        await account_store.forget_expired(tx, now)
        await change_store.forget_expired(tx, now)
        await session_store.forget(tx, now, now - ENDED_SESSIONS_KEPT)
        await mail_store.forget(tx, now - MAILS_KEPT)
        await web_store.forget(tx, now - KEYS_KEPT)


_SENDS_MAIL = "EXISTS (SELECT FROM mails WHERE settled_at IS NULL AND (due_at <= now() OR expires_at <= now()))"


@every(5, when=_SENDS_MAIL)
@task("identity.send_mail")
async def send_mail(runtime: Runtime) -> None:
    """Send what was written down by committed changes.

    At least once: a worker that dies between the server's answer and its own note sends again. What fails is tried
    eight times with pauses of 10 s, 20 s … and at most until it is of no use any more; then it is given up. While the
    circuit to the server is open nothing is tried, and that counts as no attempt.
    """
    breaker = circuits_of(runtime.shared).breaker(BREAKER)
    effects = effects_of(runtime.settings, runtime.database, runtime.redis, runtime.shared)
    try:
        await send_due(effects, runtime.settings, breaker)
    except EffectsHeld as error:
        log.warning("mails are held", reason=error.detail)


async def send_due(effects: Effects, settings: Settings, breaker: Breaker) -> None:
    """One round; a mail that was not sent does not keep the others back. Raises `EffectsHeld`."""
    database = effects.database
    room = mails.BATCH if breaker.room is None else breaker.room
    async with effects.claiming() as claiming:
        due = await mails.take_due(claiming.tx, settings.http.origin, room)
        if due:
            await claiming.mark()
    for mail in due:
        outcome = await _send(mail, Server.of(settings), breaker) if settings.mail.is_configured else "not_configured"
        MAILS.labels(outcome).inc()
        async with database.transaction() as tx:
            await _note(tx, mail, outcome)


async def _note(tx: Transaction, mail: mails.Mail, outcome: str) -> None:
    if outcome == "held":
        await mails.put_back(tx, mail.id)
    elif outcome != "failed":
        await mails.settle(tx, mail.id, outcome)


async def _send(mail: mails.Mail, server: Server, breaker: Breaker) -> str:
    if mail.letter is None:
        return "no_account"
    was_probe = breaker.room == 1
    try:
        with breaker.passage():
            await server.send(mail.recipient, mail.letter, str(mail.id))
    except CircuitOpen:
        return "held"
    except MailRefused as error:
        log.warning("mail not sent", mail_id=str(mail.id), error=error.detail, final=error.final)
        if error.final:
            return "refused"
        return "held" if was_probe and error.verdict is Verdict.FAILURE else "failed"
    return "sent"
