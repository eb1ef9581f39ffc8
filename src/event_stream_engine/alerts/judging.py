"""The judge: one process at a time reads the figures, lets the rules judge, and keeps what changed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog
from prometheus_client import Counter, Gauge

from event_stream_engine import clock
from event_stream_engine.alerts import actions, store
from event_stream_engine.alerts.actions import Mailer
from event_stream_engine.alerts.catalogue import RULES
from event_stream_engine.alerts.evaluating import Evaluator
from event_stream_engine.alerts.model import Judged, Rule, Sample
from event_stream_engine.backbone.supervising import is_gone
from event_stream_engine.database import DATABASE_ERRORS, Database, Transaction
from event_stream_engine.telemetry import Repeated

log = structlog.get_logger()

JUDGED = Gauge("ese_alerts_judged_timestamp_seconds", "When the rules were judged last by this process")
FIRING = Gauge("ese_alerts_firing", "Alerts that fire, as this process judged last", ["severity"])
UNKEPT = Counter("ese_alerts_unkept_total", "Judgements that the database did not take; the next one holds them too")

FORGET_SECONDS = 3600.0
ANSWER_SECONDS = 10.0
_SEVERITIES = ("page", "ticket")

Figures = Callable[[], Awaitable[Sequence[Sample]]]


class Judge:
    """`step` judges once, `run` goes on until canceled.

    The lease lasts four intervals and is renewed in the transaction that keeps a judgement, so two processes never
    keep one for the same moment. While the database is away the holder goes on judging, and keeps it afterwards.
    """

    def __init__(
        self,
        database: Database,
        figures: Figures,
        holder: str,
        *,
        every_seconds: float,
        mailer: Mailer | None = None,
        rules: Sequence[Rule] = RULES,
    ) -> None:
        self._database, self._figures, self._holder = database, figures, holder
        self._every, self._mailer, self._rules = every_seconds, mailer, rules
        self._evaluator: Evaluator | None = None
        self._forgot_at = 0.0
        self._waiting = Repeated("alert states not saved", "alert states saved again")

    @property
    def holds(self) -> bool:
        """Whether this process judges, as far as it knows."""
        return self._evaluator is not None

    async def run(self) -> None:
        """One step each interval. What the next step may mend is logged."""
        while True:
            started = time.monotonic()
            await self.step(started)
            await asyncio.sleep(max(0.1, self._every - (time.monotonic() - started)))

    async def step(self, at: float) -> list[Judged]:
        """Judge at `at` (seconds of a clock that only goes forward), if it is this process's turn."""
        if not await self._take_turn():
            self._evaluator = None
            return []
        evaluator = self._evaluator
        if evaluator is None:
            return []
        judged = evaluator.observe(at, await self._figures())
        await self._keep(judged, at)
        JUDGED.set(clock.now().timestamp())
        for severity in _SEVERITIES:
            FIRING.labels(severity).set(sum(one.rule.severity == severity for one in judged))
        return judged

    async def _take_turn(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._database.transaction() as tx:
                if not await self._lease(tx):
                    return False
                if self._evaluator is None:
                    firing = {alert.fingerprint for alert in await store.open_alerts(tx)}
                    self._evaluator = Evaluator(self._rules, firing)
        except (*DATABASE_ERRORS, TimeoutError):
            return self._evaluator is not None
        return True

    async def _lease(self, tx: Transaction) -> bool:
        abandoned = is_gone(await store.lease_holder(tx))
        return await store.take_lease(tx, self._holder, 4 * self._every, abandoned=abandoned)

    async def _keep(self, judged: Sequence[Judged], at: float) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._database.transaction() as tx:
                if not await self._lease(tx):
                    self._evaluator = None
                    return
                changed = await actions.settle(tx, judged, self._mailer)
                if at - self._forgot_at > FORGET_SECONDS:
                    await actions.forget(tx)
                    self._forgot_at = at
        except (*DATABASE_ERRORS, TimeoutError) as error:
            UNKEPT.inc()
            self._waiting.failed(type(error).__name__, firing=len(judged))
            return
        self._waiting.worked()
        for alert in changed:
            log.warning("alert", rule=alert.rule, state=alert.state, summary=alert.summary, alert_id=str(alert.id))

    async def release(self) -> None:
        """Let another process take its turn at once."""
        if self._evaluator is None:
            return
        self._evaluator = None
        try:
            async with self._database.transaction() as tx:
                await store.release_lease(tx, self._holder)
        except (*DATABASE_ERRORS, TimeoutError):
            log.info("alert lease not released")
