"""The account that the sandbox plays: accepts messages, moves them through their statuses, hears replies."""

import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final, TypeAlias

from event_stream_engine.entrypoints.sandbox.activity import Activity
from event_stream_engine.entrypoints.sandbox.callbacks import Callback, Dispatcher
from event_stream_engine.entrypoints.sandbox.config import WHATSAPP_QUEUE_SECONDS, SandboxConfig
from event_stream_engine.entrypoints.sandbox.faults import Fate, Faults
from event_stream_engine.entrypoints.sandbox.journal import Journal
from event_stream_engine.entrypoints.sandbox.ledger import Ledger
from event_stream_engine.entrypoints.sandbox.mailbox import Mailbox
from event_stream_engine.entrypoints.sandbox.message import TERMINAL, Message, callback_form
from event_stream_engine.entrypoints.sandbox.senders import ScaledClock, Senders
from event_stream_engine.entrypoints.sandbox.validation import ApiError, CreateRequest, magic_failure
from event_stream_engine.messaging import sms

SHARED_KEY_ID: Final = "webhooks_sharedkey_sandbox"
STRIKES_MAX: Final = 200_000
COMPACT_FACTOR: Final = 4

# Delay after the step before, status, error code.
Step: TypeAlias = tuple[float, str, int | None]

# These fail before anything is sent; the others come back from the carrier after `sent`.
_UNSENT: Final = frozenset({30001, 30002, 21610})


class Account:
    """All state of one sandbox. Confined to one event loop."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.faults: Faults = config.faults
        self.templates: dict[str, str] = dict(config.templates)
        self.clock = ScaledClock(config.clock_scale)
        self.journal = Journal(config.journal)
        self.ledger = Ledger(self.journal, messages_max=config.messages_max, pairs_max=config.pairs_max)
        self.mailbox = Mailbox(self.journal, messages_max=config.messages_max)
        self.senders = Senders(config, self.clock, self.journal)
        self.dispatcher = Dispatcher(
            config.auth_token,
            workers=config.callback_workers,
            waiting_max=config.callbacks_waiting_max,
            shared_key=(SHARED_KEY_ID, config.webhook_secret) if config.webhook_secret else None,
        )
        self.activity = Activity()
        self.refusals: Counter[str] = Counter()
        self._strikes: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def open(self) -> None:
        """Read the journal, take up the messages that were under way, and start sending callbacks."""
        lines = list(self.journal.read())
        foreign = self.mailbox.restore(self.ledger.restore(lines))
        self.templates.update({sid: body for kind, sid, body, *_ in foreign if kind == "t"})
        self.senders.restore([line for line in foreign if line[0] != "t"])
        self.journal.open()
        shortest = [*self._template_lines(), *self.ledger.lines(), *self.mailbox.lines(), *self.senders.lines()]
        if len(lines) > COMPACT_FACTOR * len(shortest) or self.ledger.forgotten:
            self.journal.replace(shortest)
        self.dispatcher.start()
        for message in self.ledger.unfinished(TERMINAL):
            self._schedule(message, self.fate(message.to, message.body, message.attempt))

    async def close(self) -> None:
        self.activity.abandon()
        await self.dispatcher.close()
        self.journal.close()

    def register_templates(self, texts: dict[str, str]) -> None:
        """Give templates their texts; what was accepted before keeps its own."""
        self.templates.update(texts)
        for sid, body in texts.items():
            self.journal.append("t", sid, body)

    def _template_lines(self) -> list[tuple[object, ...]]:
        return [("t", sid, body) for sid, body in self.templates.items()]

    def reset(self) -> None:
        """Forget every message, opt-out, conversation and registered template; the faults stay."""
        self.templates = dict(self.config.templates)
        self.dispatcher.forget_waiting()
        self.activity.abandon()
        self.activity = Activity()
        self.dispatcher.counts.clear()
        self.refusals.clear()
        self._strikes.clear()
        self.senders.reset()
        self.mailbox.reset()
        self.ledger.reset()

    # ---- accepting

    def attempt(self, to: str, body: str) -> int:
        return self._strikes.get((to, body), 0)

    def strike(self, to: str, body: str) -> None:
        """An injected fault hit this text for this recipient; the next try draws anew."""
        key = (to, body)
        self._strikes[key] = self._strikes.get(key, 0) + 1
        self._strikes.move_to_end(key)
        if len(self._strikes) > STRIKES_MAX:
            self._strikes.popitem(last=False)

    def fate(self, to: str, body: str, attempt: int) -> Fate:
        return Fate(self.faults, self.config.seed, to, body, attempt)

    def accept(self, request: CreateRequest, attempt: int) -> Message:
        """Record the message. Raises `ApiError` where the sender's or recipient's state forbids it."""
        rate = self.faults.messages_per_second
        if request.service is None:
            self._refuse_at_once(request, rate)
        if self.ledger.is_full:
            raise ApiError(20503, "The sandbox's ledger is full: POST /sandbox/reset empties it.", 503)
        message = self._message(request, attempt)
        self.ledger.add(message)
        return message

    def _refuse_at_once(self, request: CreateRequest, rate: float) -> None:
        """With a plain sender these are answers; with a Messaging Service the message fails later instead."""
        if self.senders.is_blocked(request.sender, request.to):
            raise ApiError(21610, "Attempt to send to unsubscribed recipient")
        if not request.is_whatsapp and self.senders.is_full(request.sender, rate, whatsapp=False):
            raise ApiError(21611, "This 'From' number has exceeded the maximum number of queued messages")

    def _message(self, request: CreateRequest, attempt: int) -> Message:
        status = "queued"
        from_ = request.from_
        if request.service is not None:
            status = "scheduled" if request.send_at is not None else "accepted"
            from_ = from_ or self.senders.number_of(request.service, request.to)
        return Message(
            sid=("MM" if request.media else "SM") + secrets.token_hex(16),
            to=request.to,
            from_=from_,
            service=request.service,
            body=request.body,
            media=request.media,
            segments=1 if request.is_whatsapp or request.media else sms.measure(request.body).segments,
            status=status,
            callback=request.callback,
            attempt=attempt,
            created=time.time(),
            send_at=request.send_at,
        )

    # ---- statuses

    async def begin(self, message: Message, fate: Fate, *, is_template: bool) -> None:
        """Start a message on its way. An `early` one's first callback is answered before this returns."""
        failure = self._failure(message, fate, is_template=is_template)
        if message.status == "scheduled" and message.send_at is not None:
            steps = self._steps(message, fate, failure)
            self._later(self._until(message.send_at), self._run, message, fate, steps, 0)
            return
        steps = self._steps(message, fate, failure)
        if fate.is_early and steps:
            _, status, error_code = steps[0]
            self.ledger.move(message, status, error_code, time.time())
            callback = self._callback(message, status, error_code)
            if callback is not None and not fate.is_lost(0):
                await self.dispatcher.deliver(callback)
            self._next(message, fate, steps, 1)
        else:
            self._next(message, fate, steps, 0)

    def cancel(self, message: Message) -> None:
        """Cancel a scheduled message; its timer finds it canceled and does nothing."""
        self.ledger.move(message, "canceled", None, time.time())
        callback = self._callback(message, "canceled", None)
        if callback is not None:
            self._submit(callback, 0.0)

    def _failure(self, message: Message, fate: Fate, *, is_template: bool) -> int | None:
        """The code this delivery will end with, if it fails."""
        whatsapp = message.channel == "whatsapp"
        if message.service is not None and self.senders.is_blocked(message.service, message.to):
            return 21610
        if self.senders.is_full(message.sender, self.faults.messages_per_second, whatsapp=whatsapp):
            return 63018 if whatsapp else 30001
        if whatsapp and self.faults.whatsapp_join_required and not self._has_joined(message):
            return 63015
        if whatsapp and self.faults.whatsapp_window and not is_template and not self._is_window_open(message):
            return 63016
        return magic_failure(message.to) or fate.failure(message.channel)

    def _has_joined(self, message: Message) -> bool:
        return self.senders.has_joined(message.from_ or "", message.to)

    def _is_window_open(self, message: Message) -> bool:
        return self.senders.is_window_open(message.from_ or "", message.to)

    def _steps(self, message: Message, fate: Fate, failure: int | None) -> list[Step]:
        """The message's future, the queue of its sender included."""
        steps: list[Step] = []
        if message.service is not None:
            steps.append((fate.step_delay(0) / 4, "queued", None))
        if failure is not None and (failure in _UNSENT or failure >= 60_000):
            waited = WHATSAPP_QUEUE_SECONDS if failure == 63018 and magic_failure(message.to) is None else 0
            return [*steps, (waited + fate.step_delay(0), "failed", failure)]
        units = message.segments if message.channel == "sms" else 1
        wait = self.senders.enqueue(message.sender, self.faults.messages_per_second, units)
        steps.append((wait + fate.step_delay(0), "sent", None))
        if failure is not None:
            return [*steps, (fate.step_delay(1), "undelivered", failure)]
        steps.append((fate.step_delay(1), "delivered", None))
        if message.channel == "whatsapp" and fate.is_read:
            steps.append((fate.step_delay(2), "read", None))
        return steps

    def _schedule(self, message: Message, fate: Fate) -> None:
        """Take up a message after a restart, behind the status it had reached."""
        steps = self._steps(message, fate, magic_failure(message.to) or fate.failure(message.channel))
        if message.status == "scheduled" and message.send_at is not None:
            self._later(self._until(message.send_at), self._run, message, fate, steps, 0)
            return
        names = [status for _, status, _ in steps]
        passed = names.index(message.status) + 1 if message.status in names else 0
        self._next(message, fate, steps, passed)

    def _next(self, message: Message, fate: Fate, steps: list[Step], index: int) -> None:
        if index < len(steps):
            self._later(steps[index][0], self._run, message, fate, steps, index)

    def _run(self, message: Message, fate: Fate, steps: list[Step], index: int) -> None:
        if message.status == "canceled":
            return
        _, status, error_code = steps[index]
        self.ledger.move(message, status, error_code, time.time())
        self._report(message, fate, steps, index)
        self._next(message, fate, steps, index + 1)

    def _report(self, message: Message, fate: Fate, steps: list[Step], index: int) -> None:
        """Send the status callback of a step, or not, or late, or twice, as the fate has it."""
        _, status, error_code = steps[index]
        callback = self._callback(message, status, error_code)
        if callback is None:
            return
        if fate.is_lost(index):
            self.dispatcher.counts["lost"] += 1
            return
        delay = self.faults.slow_seconds if fate.is_slow else 0.0
        if fate.is_reordered and status == "sent" and index + 1 < len(steps):
            delay += steps[index + 1][0] + 0.2
            self.dispatcher.counts["reordered"] += 1
        self._submit(callback, delay)
        if fate.is_duplicated:
            self.dispatcher.counts["duplicated"] += 1
            self._submit(callback, delay)

    def _submit(self, callback: Callback, delay: float) -> None:
        if delay:
            self._later(delay, self.dispatcher.submit, callback, self.activity)
        else:
            self.dispatcher.submit(callback, self.activity)

    def _callback(self, message: Message, status: str, error_code: int | None) -> Callback | None:
        if message.callback is None:
            return None
        return Callback(message.callback, callback_form(message, self.config.account_sid, status, error_code))

    def _until(self, epoch: float) -> float:
        """Sandbox seconds until a moment of real time."""
        return (epoch - time.time()) * self.config.clock_scale

    def _later(self, delay: float, act: Callable[..., None], *args: object) -> None:
        """Call `act` after `delay` seconds of sandbox time, unless a reset comes first."""
        self.activity.later(self.clock.real(delay), act, *args)
