"""The broadcaster: one door for every monitoring event of a process."""

import asyncio
from collections import Counter as Counts
from collections.abc import Generator, Iterable, Mapping
from typing import Any

import msgspec

from event_stream_engine import clock
from event_stream_engine.backbone.supervising import end
from event_stream_engine.flags.api import Flags, get_flag_manager
from event_stream_engine.live import Hub
from event_stream_engine.live.accounting import Ledger
from event_stream_engine.live.channel import new_epoch
from event_stream_engine.live.websocket import Socket, serve
from event_stream_engine.monitoring.adapters import Adapter, LocalAdapter, RedisAdapter
from event_stream_engine.monitoring.model import Published, UnifiedMonitoringEvent, is_whole_event
from event_stream_engine.monitoring.persisting import Flushed, Persister
from event_stream_engine.monitoring.validation import Validation
from event_stream_engine.resilience import Circuits, State, Transition
from event_stream_engine.telemetry import Bounded

_FOREVER = float("inf")


class Figures(dict[str, Any]):
    """A dictionary that may be awaited as well: programs written against the interface do either."""

    def __await__(self) -> Generator[None, None, "Figures"]:
        yield from ()
        return self


class Broadcaster:
    """Publishing waits for nobody: it validates, gives the event its offset within this process's epoch, hands it to
    the adapters that the flags name, and returns.

    Flags: MONITORING_USE_ADAPTER off sends to this process's own clients only (`direct`); so does an adapter that
    this process does not have. MONITORING_ADAPTER_TYPE and MONITORING_DUAL_MODE name the adapters,
    MONITORING_ENABLE_VALIDATION and MONITORING_VALIDATION_STRICT whether rules are asked and whether they block.
    """

    def __init__(
        self,
        flags: Flags | None = None,
        hub: Hub | None = None,
        *,
        adapters: Iterable[Adapter] = (),
        persister: Persister | None = None,
        source: str = "event-stream-engine",
        circuits: Circuits | None = None,
    ) -> None:
        """Without arguments it asks the process's flags and reaches this process's own clients only."""
        self.hub = hub = Hub(None) if hub is None else hub
        self.validation = Validation()
        self.persister = persister
        self.epoch, self.offset = new_epoch(), 0
        self.ledger = Ledger("publish").export()
        self.by_category: Counts[str] = Counts()
        self.by_type: Counts[str] = Counts()
        self._types = Bounded("event_type")
        self._flags, self._source = get_flag_manager() if flags is None else flags, source
        self._direct = LocalAdapter(hub.channel, "direct")
        self._adapters = {adapter.name: adapter for adapter in adapters}
        self._broadcasts = Counts({"total_broadcasts": 0, "adapter_broadcasts": 0, "direct_broadcasts": 0})
        self._failed = 0
        self._clients: dict[int, asyncio.Task[int]] = {}
        self.circuits = circuits or Circuits()
        """Each change of a breaker of these becomes an event."""
        self.circuits.listeners.append(self._tell_transition)
        if persister is not None:
            persister.collect = self.cumulative
            self.circuits.add(persister.breaker)
        if self.redis_adapter is not None:
            self.circuits.add(self.redis_adapter.breaker)

    def buffer_fill(self) -> float:
        """Of what the persister keeps in memory, 0 to 1; 0 without one."""
        return self.persister.fill if self.persister is not None else 0.0

    @property
    def redis_adapter(self) -> RedisAdapter | None:
        found = self._adapters.get(RedisAdapter.name)
        return found if isinstance(found, RedisAdapter) else None

    @property
    def followed(self) -> str:
        """The channel that clients are to follow: `websocket`, `realtime`, or `direct`."""
        return self._routes()[0].name

    def publish(self, event: UnifiedMonitoringEvent) -> UnifiedMonitoringEvent | None:
        """The event at its place in this process's epoch; None when validation blocks it."""
        self._broadcasts["total_broadcasts"] += 1
        self.ledger.accepted += 1
        if self._is_blocked(event):
            self._failed += 1
            self.ledger.drop("invalid", event.worth)
            return None
        placed = event.at(self.epoch, self.offset + 1)
        try:
            published = Published(placed, _encoded(placed))
        except (TypeError, ValueError, RecursionError):  # only JSON can be sent; validation blocks it in strict mode
            self._failed += 1
            self.ledger.drop("not_json", event.worth)
            return None
        self.offset += 1
        self._count(placed)
        self._hand_over(published)
        self.ledger.delivered += 1
        return placed

    def tell(self, event_type: str, data: Mapping[str, Any], **given: Any) -> UnifiedMonitoringEvent | None:
        """Publish what happened now, here."""
        event = UnifiedMonitoringEvent(
            event_type=event_type, timestamp=clock.now(), source=given.pop("source", self._source), data=data, **given
        )
        return self.publish(event)

    async def broadcast_event(self, event_type: str, data: Mapping[str, Any]) -> UnifiedMonitoringEvent | None:
        """`publish` of contents, or of a whole event as `to_dict` writes it. Raises `TypeError` or `ValueError` for a
        whole event that cannot be one."""
        if is_whole_event(data, event_type):
            return self.publish(UnifiedMonitoringEvent.from_dict(data))
        return self.tell(event_type, data)

    async def broadcast_batch(self, events: Iterable[UnifiedMonitoringEvent]) -> int:
        """How many were not blocked."""
        return sum(self.publish(event) is not None for event in events)

    async def register_client(self, client: Socket) -> None:
        """Send every monitoring event to an accepted WebSocket, until it is unregistered, fails or is too slow."""
        serving = serve(self.hub, client, frozenset({"monitoring"}), None, _FOREVER)
        self._clients[id(client)] = asyncio.create_task(serving)

    async def unregister_client(self, client: Socket) -> None:
        serving = self._clients.pop(id(client), None)
        if serving is not None:
            await end(serving)

    def get_metrics(self) -> Figures:
        """What was published and what became of it; may be awaited."""
        return Figures(
            {
                "broadcaster_metrics": {**self._broadcasts, "failed_broadcasts": self._failed},
                "connected_clients": self.hub.clients,
                "use_adapter": self._flags.boolean("MONITORING_USE_ADAPTER", True),
                "use_dual_mode": self._flags.boolean("MONITORING_DUAL_MODE", False),
                "sequence_counter": self.offset,
                "epoch": self.epoch,
                "classification_metrics": dict(self.by_category),
                "adapter_metrics": {adapter.name: _figures(adapter) for adapter in self._routes()},
                "accounting": {ledger.stage: ledger.as_dict() for ledger in self.ledgers()},
                "persister": None if self.persister is None else self.persister.figures(),
            }
        )

    async def flush_metrics(self) -> dict[str, Any]:
        """Write everything that waits, now. `flushed` is true only after the commit, or where there is nothing to
        write to (`sink` is `none`); else `pending` says how many rows wait."""
        done = Flushed(True, 0, 0) if self.persister is None else await self.persister.flush(deadline=5.0)
        return {
            "flushed": done.is_complete,
            "persisted": done.persisted,
            "pending": done.pending,
            "sink": "none" if self.persister is None else "postgresql",
            "metrics": self.get_metrics(),
            "timestamp": clock.now().isoformat(),
        }

    async def health_check(self) -> bool:
        """Whether what is published gets out: one adapter of those in use is enough."""
        return any(adapter.is_healthy for adapter in self._routes())

    def ledgers(self) -> list[Ledger]:
        """Every stage of this process, each once."""
        found = [self.ledger, self.hub.events, self.hub.updates, self._direct.ledger]
        found += [adapter.ledger for adapter in self._adapters.values()]
        return list({id(ledger): ledger for ledger in found}.values())

    def cumulative(self) -> dict[tuple[str, str], float]:
        """Every figure that is persisted, since the process began, by name and label."""
        figures: dict[tuple[str, str], float] = {}
        for ledger in self.ledgers():
            for outcome in ("accepted", "delivered", "conflated", "dropped_total", "dead_lettered"):
                figures[f"stage_{outcome.removesuffix('_total')}", ledger.stage] = getattr(ledger, outcome)
        figures |= {("events_by_category", name): count for name, count in self.by_category.items()}
        figures |= {("events_by_type", name): count for name, count in self.by_type.items()}
        figures |= {("validation_checked", name): tally.checked for name, tally in self.validation.by_type.items()}
        figures |= {("validation_passed", name): tally.passed for name, tally in self.validation.by_type.items()}
        return figures

    def _is_blocked(self, event: UnifiedMonitoringEvent) -> bool:
        if not self._flags.boolean("MONITORING_ENABLE_VALIDATION", True):
            return False
        self.validation.strict = self._flags.boolean("MONITORING_VALIDATION_STRICT", False)
        return self.validation.validate(event).is_blocked

    def _hand_over(self, published: Published) -> None:
        routes = self._routes()
        for adapter in routes:
            adapter.offer(published)
        self._broadcasts["direct_broadcasts" if routes == [self._direct] else "adapter_broadcasts"] += 1

    def _routes(self) -> list[Adapter]:
        if not self._flags.boolean("MONITORING_USE_ADAPTER", True):
            return [self._direct]
        chosen = self._flags.string("MONITORING_ADAPTER_TYPE", "realtime")
        dual = chosen == "dual" or self._flags.boolean("MONITORING_DUAL_MODE", False)
        wanted = ("websocket", "realtime") if dual else (chosen,)
        return [self._adapters[name] for name in wanted if name in self._adapters] or [self._direct]

    def _count(self, event: UnifiedMonitoringEvent) -> None:
        self.by_category[event.worth.value] += 1
        self.by_type[self._types.value(event.event_type)] += 1

    def _tell_transition(self, transition: Transition) -> None:
        data = {"breaker": transition.breaker, "reason": transition.reason}
        data["process"] = self._source
        states = {"before": transition.before.value, "after": transition.after.value}
        worse = transition.after in (State.OPEN, State.FORCED_OPEN)
        self.tell("circuit_breaker_transition", data | states | {"is_open": worse}, source="resilience")


def _encoded(event: UnifiedMonitoringEvent) -> bytes:
    return msgspec.json.encode({name: value for name, value in event.to_dict().items() if name not in _POSITION})


_POSITION = ("epoch", "offset")


def _figures(adapter: Adapter) -> dict[str, Any]:
    return {"healthy": adapter.is_healthy, **adapter.ledger.as_dict()}
