"""One campaign's messages on their way out: claimed, handed over and recorded at the same time.

While requests are under way the next messages are claimed, and what was answered is recorded in batches, so that the
rate does not depend on how long the carrier takes to answer. `Window` says how many requests that needs.
"""

import asyncio
import math
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import Counter as Metric
from redis.asyncio.lock import Lock

from event_stream_engine.backbone.effects import Effects
from event_stream_engine.database import Database
from event_stream_engine.messaging.actions import sending
from event_stream_engine.messaging.actions.sending import Outgoing, SendPlan, Sent
from event_stream_engine.messaging.gateway import Accepted, MessageGateway, NotSent, Rejected, Throttled
from event_stream_engine.messaging.pace import Pace
from event_stream_engine.settings import MessagingSettings
from event_stream_engine.telemetry import timed, worked

OUTCOMES = Metric("ese_send_outcomes_total", "Answers to messages handed to Twilio", ["outcome"])

SLICE_SECONDS = 5.0
"""A sender gives its worker back after this long and queues itself again, so that a worker can stop in between."""

AHEAD_SECONDS: Final = 0.1
"""What is claimed beyond the requests under way: enough for the time that the next claim takes."""

RECORD_SECONDS: Final = 0.04
RECORD_MAX: Final = 1000
"""Answers of so long, and at most so many, are recorded in one transaction."""

_REQUEST_SECONDS: Final = 12  # a little above the gateway's own timeout
_LOOK_SECONDS: Final = 0.5


@dataclass
class Window:
    """How many requests may be under way: the rate times the time of an answer (Little's law), with room to spare.

    The time is the shortest seen lately. The mean would also hold the time that requests wait for this machine, and a
    window that grew with it would grow without end. When the carrier answers "too many at once" (Twilio's error 20429),
    the window shrinks below what was under way, and grows back by `GROWTH` in the time of one answer.
    """

    HEADROOM = 3.0
    LEAST = 32
    FORGET = 1.0002  # a carrier that has become slower is known as such after some thousand answers
    SHRINK = 0.7
    GROWTH = 2.0

    answer_seconds: float | None = None
    limit: float | None = None

    def answered(self, seconds: float) -> None:
        """The carrier took so long to accept or refuse a message."""
        known = self.answer_seconds
        self.answer_seconds = seconds if known is None else min(seconds, known * self.FORGET)
        if self.limit is not None:
            self.limit += self.GROWTH / self.limit

    def throttled(self, under_way: int) -> None:
        """So many requests, this one included, were too many. The others of that moment say the same once more."""
        shrunk = max(1.0, under_way * self.SHRINK)
        self.limit = shrunk if self.limit is None else min(self.limit, shrunk)

    def size(self, rate: float, bound: int) -> int:
        """For so many messages a second; at most `bound`. Before the first answer it is small."""
        needed = math.ceil(rate * (self.answer_seconds or 0) * self.HEADROOM)
        size = min(bound, max(self.LEAST, needed))
        return max(1, size if self.limit is None else min(size, int(self.limit)))


@dataclass
class Pipeline:
    """Sends what is due of one campaign. `rate` is what the sender and the campaign allow together, a second."""

    database: Database
    effects: Effects
    gateway: MessageGateway
    plan: SendPlan
    pace: Pace
    rate: float
    lock: "Lock"
    settings: MessagingSettings
    window: Window
    _ends: float = field(default_factory=lambda: time.monotonic() + SLICE_SECONDS)
    _waiting: "deque[tuple[Outgoing, float]]" = field(default_factory=deque)
    _under_way: int = 0
    _requests: set["asyncio.Task[None]"] = field(default_factory=set)
    _answers: list[Sent] = field(default_factory=list)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _answered: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: bool = False
    _failure: BaseException | None = None

    async def run(self) -> bool:
        """True when the slice ended before the work did. Whatever ends it, the requests under way are waited for and
        their answers recorded."""
        recording = asyncio.create_task(self._record())
        try:
            return await self._claim_until_done(recording)
        finally:
            while self._requests:
                await asyncio.wait(self._requests)
            self._closed = True
            self._answered.set()
            await recording
            if self._failure is not None:
                raise self._failure

    async def _claim_until_done(self, recording: "asyncio.Task[None]") -> bool:
        while time.monotonic() < self._ends and self._failure is None and not recording.done():
            missing = self._missing()
            if missing == 0:
                await self._move()
                continue
            wanted = self.gateway.room(missing)
            if wanted == 0 and self._requests:  # one of them may be the probe that closes the circuit
                await self._move()
                continue
            if wanted == 0:  # Twilio is left alone; what waits stays in the queue, and `dispatch` looks every second
                return False
            grant = await self.pace.take(wanted)
            if grant.count == 0:
                await asyncio.sleep(min(grant.wait_seconds, _LOOK_SECONDS))
                continue
            if not await self._claim(grant.count):
                if not self._requests:
                    return False
                await asyncio.wait(self._requests, timeout=_LOOK_SECONDS)
            elif grant.count < wanted:  # the rate is the bound: let tokens gather, a claim of one costs as much
                await asyncio.sleep(AHEAD_SECONDS / 2)
        return True

    def _missing(self) -> int:
        """How many to claim; 0 while the requests under way and those that wait for their turn suffice. A claim costs
        the same for one as for many, so that small gaps wait for each other."""
        target = self._window_size() + min(self.settings.claim_size, math.ceil(self.rate * AHEAD_SECONDS))
        missing = target - self._under_way - len(self._waiting)
        return min(missing, self.settings.claim_size) if missing >= target // 4 or not self._under_way else 0

    def _window_size(self) -> int:
        return self.window.size(self.rate, self.settings.concurrency)

    async def _claim(self, count: int) -> bool:
        """Claim up to so many messages and hand them over; whether any was due."""
        await self.lock.reacquire()  # its time begins anew; raises when another sender has taken over
        started = time.monotonic()
        async with self.effects.claiming() as claiming:
            claim = await sending.claim(claiming.tx, self.plan, count, self.settings)
            if claim.outgoing:
                await claiming.mark()
        await self.pace.give_back(count - len(claim.outgoing))
        self._waiting.extend((item, started) for item in claim.outgoing)
        self._hand_over()
        return bool(claim.outgoing or claim.settled)

    def _hand_over(self) -> None:
        """Begin as many requests as the window has room for; each goes on with what waits then."""
        for _ in range(min(len(self._waiting), self._window_size() - self._under_way)):
            self._under_way += 1
            request = asyncio.create_task(self._send_in_turn())
            self._requests.add(request)
            request.add_done_callback(self._ended)

    def _ended(self, request: "asyncio.Task[None]") -> None:
        self._requests.discard(request)
        self._failure = self._failure or request.exception()

    async def _send_in_turn(self) -> None:
        """One request after the other while messages wait; fewer of these when the window has become smaller."""
        try:
            while self._waiting and self._under_way <= self._window_size():
                item, claimed_at = self._waiting.popleft()
                answer = await self._send(item, claimed_at)
                self._answers.append(answer)  # to the list of now: the recorder has taken that of before
                self._answered.set()
                self._moved.set()
        finally:
            self._under_way -= 1

    async def _send(self, item: Outgoing, claimed_at: float) -> Sent:
        """Never send under a lease that may expire meanwhile: after a long pause somebody else has the message."""
        started = time.monotonic()
        if started - claimed_at > self.settings.lease_seconds - _REQUEST_SECONDS:
            return Sent(item, NotSent("the lease was about to expire"))
        outcome = await self.gateway.send(item.request)
        if isinstance(outcome, Accepted | Rejected):
            self.window.answered(time.monotonic() - started)
        elif isinstance(outcome, Throttled):
            self.window.throttled(self._under_way)
        return Sent(item, outcome)

    async def _move(self) -> None:
        """Until a request has ended, or it is time to look."""
        self._moved.clear()
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._moved.wait()
        except TimeoutError:
            return

    async def _record(self) -> None:
        """Record answers in batches until the pipeline is closed and none is left."""
        while True:
            await self._answered.wait()
            self._answered.clear()
            if not self._closed and len(self._answers) < RECORD_MAX:
                await asyncio.sleep(RECORD_SECONDS)
            while self._answers:
                batch, self._answers = self._answers[:RECORD_MAX], self._answers[RECORD_MAX:]
                with timed("send"):
                    async with self.database.transaction() as tx:
                        await sending.record_outcomes(tx, batch, self.settings)
                for outcome, count in Counter(type(sent.outcome).__name__.lower() for sent in batch).items():
                    OUTCOMES.labels(outcome).inc(count)
                    worked("send", outcome, count)
            if self._closed:
                return
