"""Twilio behind two circuit breakers: one for handing messages over, one for asking about them.

They are two because they fail apart: a list of messages that times out must not stop the sending, and answers to
questions must not make a broken send look mended. Nothing is repeated here.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, TypeVar

from event_stream_engine.messaging.gateway import (
    Accepted,
    Channel,
    FoundMessage,
    GatewayUnavailable,
    Held,
    InboundPage,
    MessageGateway,
    NotSent,
    OutgoingMessage,
    Rejected,
    SendOutcome,
    Throttled,
    Unknown,
)
from event_stream_engine.resilience import Breaker, CircuitOpen, Pool, Verdict

SENDING: Final = "twilio"
ASKING: Final = "twilio_lookup"

T = TypeVar("T")

# A refusal concerns the message, and a 429 has a pace of its own (`sending`): both show that Twilio works.
_VERDICTS: Final[dict[type[SendOutcome], Verdict]] = {
    Accepted: Verdict.SUCCESS,
    Rejected: Verdict.REFUSED,
    Throttled: Verdict.REFUSED,
    NotSent: Verdict.FAILURE,
    Unknown: Verdict.FAILURE,
    Held: Verdict.NEUTRAL,
}


class GuardedGateway:
    """A `MessageGateway` that leaves a failing carrier alone.

    What is not handed over because the circuit is open is `Held`; so is a probe that provably did not leave: it was
    sent for the circuit's sake, and is not counted against the message.
    """

    def __init__(
        self, inner: MessageGateway, sending: Breaker, asking: Breaker, connections: int | None = None
    ) -> None:
        """`connections`: how many the inner one has, for the pool's figures."""
        self._inner, self._sending, self._asking = inner, sending, asking
        self._connections, self._under_way = connections, 0

    def pool(self) -> Pool:
        """What is under way beyond the number of connections waits for one."""
        bound = self._under_way if self._connections is None else self._connections
        return Pool(self._connections, min(self._under_way, bound), max(0, self._under_way - bound))

    def room(self, wanted: int) -> int:
        room = self._sending.room
        return wanted if room is None else min(wanted, room)

    async def send(self, message: OutgoingMessage) -> SendOutcome:
        try:
            permit = self._sending.admit()
        except CircuitOpen as error:
            return Held(error.retry_after)
        verdict = Verdict.NEUTRAL
        self._under_way += 1
        try:
            outcome = await self._inner.send(message)
            verdict = _VERDICTS[type(outcome)]
        finally:
            self._under_way -= 1
            self._sending.report(permit, verdict)
        return Held(self._sending.retry_after) if permit.is_probe and isinstance(outcome, NotSent) else outcome

    async def find(self, *, to: str, sender: str, channel: Channel, sent_after: datetime) -> list[FoundMessage]:
        return await self._ask(lambda: self._inner.find(to=to, sender=sender, channel=channel, sent_after=sent_after))

    async def fetch(self, sid: str) -> FoundMessage | None:
        return await self._ask(lambda: self._inner.fetch(sid))

    async def list_inbound(self, *, to: str | None, channel: Channel, since: datetime, page: str | None) -> InboundPage:
        return await self._ask(lambda: self._inner.list_inbound(to=to, channel=channel, since=since, page=page))

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        try:
            with self._asking.passage():
                self._under_way += 1
                try:
                    return await question()
                finally:
                    self._under_way -= 1
        except CircuitOpen as error:
            raise GatewayUnavailable(error.detail) from error
