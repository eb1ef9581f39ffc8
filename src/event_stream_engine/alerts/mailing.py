"""What a mail says of an alert. Writing the mails down and sending them is somebody else's."""

from collections.abc import Sequence
from typing import Protocol

from prometheus_client import Counter

from event_stream_engine.alerts.catalogue import BY_NAME
from event_stream_engine.alerts.model import Alert
from event_stream_engine.database import Transaction

MAILED = Counter("ese_alert_mails_total", "Mails about alerts that were written down", ["state"])


class Outgoing(Protocol):
    """Writes one mail down in the transaction; it is sent after the commit."""

    async def __call__(self, tx: Transaction, recipient: str, subject: str, text: str) -> None: ...


class AlertMails:
    """A mail to each recipient when an alert begins and when it is over. A `Mailer`."""

    def __init__(self, outgoing: Outgoing, recipients: Sequence[str], origin: str) -> None:
        self._outgoing, self._recipients, self._origin = outgoing, tuple(recipients), origin

    async def tell(self, tx: Transaction, alert: Alert) -> None:
        subject, text = letter(alert, self._origin)
        for recipient in self._recipients:
            await self._outgoing(tx, recipient, subject, text)
            MAILED.labels(alert.state).inc()


def letter(alert: Alert, origin: str) -> tuple[str, str]:
    """Subject and text; `origin` is the platform's own address, for the links."""
    rule = BY_NAME.get(alert.rule)
    meaning = rule.meaning if rule else ""
    word = "Resolved" if alert.resolved_at else "Urgent" if alert.severity == "page" else "Warning"
    began = f"It began at {alert.started_at:%Y-%m-%d %H:%M:%S} UTC."
    over = f"It was over at {alert.resolved_at:%Y-%m-%d %H:%M:%S} UTC." if alert.resolved_at else ""
    links = f"What to do: {origin}/alerts/runbooks/{alert.rule}\nAll alerts: {origin}/alerts"
    return f"{word}: {alert.summary}", "\n\n".join(
        filter(None, [alert.summary, meaning, f"{began} {over}".strip(), links])
    )
