"""What the business does, in a few numbers, for Prometheus and the alerts."""

from dataclasses import dataclass

from sqlalchemy import text

from event_stream_engine.database import Transaction

CAMPAIGNS_SHOWN = 20


@dataclass(frozen=True)
class Figures:
    """`campaigns`: id and the share of the audience whose fate is settled, of those that run. `failing`: id and the
    share of failed ones among the messages with an outcome, of those under way or over since a few hours, from 20
    outcomes on. `paused`: ids of campaigns that the platform paused."""

    messages: dict[str, int]
    campaigns: list[tuple[str, float]]
    failing: list[tuple[str, float]]
    paused: list[str]
    inbound: dict[str, int]
    imports: dict[str, int]
    import_rows: dict[str, int]
    inbound_list_age: float
    """Seconds since Twilio last listed all inbound messages; 0 while there is no sender."""


async def figures(tx: Transaction) -> Figures:
    """Counted by the database's own counters, not by looking at each message."""
    messages = dict((await tx.execute(text(_MESSAGES))).one()._mapping)
    campaigns = [(row[0], float(row[1])) for row in await tx.execute(text(_RUNNING), {"most": CAMPAIGNS_SHOWN})]
    failing = [(row[0], float(row[1])) for row in await tx.execute(text(_FAILING), {"most": CAMPAIGNS_SHOWN})]
    paused = [row[0] for row in await tx.execute(text(_PAUSED), {"most": CAMPAIGNS_SHOWN})]
    inbound = {row[0]: row[1] for row in await tx.execute(text(_INBOUND))}
    imports = {row[0]: row[1] for row in await tx.execute(text(_IMPORTS))}
    rows = dict((await tx.execute(text(_IMPORT_ROWS))).one()._mapping)
    age = (await tx.execute(text(_LIST_AGE))).scalar_one()
    return Figures(messages, campaigns, failing, paused, inbound, imports, rows, float(age))


_MESSAGES = """
SELECT coalesce(sum(queued), 0)::bigint AS queued, coalesce(sum(deferred), 0)::bigint AS deferred,
    coalesce(sum(sending), 0)::bigint AS sending, coalesce(sum(unknown), 0)::bigint AS unknown,
    coalesce(sum(accepted), 0)::bigint AS accepted, coalesce(sum(sent), 0)::bigint AS sent,
    coalesce(sum(delivered), 0)::bigint AS delivered, coalesce(sum(read), 0)::bigint AS read,
    coalesce(sum(undelivered), 0)::bigint AS undelivered, coalesce(sum(failed), 0)::bigint AS failed,
    coalesce(sum(refused), 0)::bigint AS refused, coalesce(sum(canceled), 0)::bigint AS canceled
FROM campaign_counts
"""

_RUNNING = """
SELECT c.id::text, CASE WHEN n.audience = 0 THEN 0
    ELSE 1 - (n.queued + n.deferred + n.sending + n.unknown)::float8 / n.audience END
FROM campaigns c JOIN campaign_counts n ON n.campaign_id = c.id
WHERE c.status = 'running' ORDER BY c.launched_at DESC LIMIT :most
"""

_FAILING = """
SELECT c.id::text, (n.failed + n.undelivered)::float8 / (n.failed + n.undelivered + n.delivered + n.read) AS share
FROM campaigns c JOIN campaign_counts n ON n.campaign_id = c.id
WHERE (c.status IN ('running', 'paused') OR c.completed_at > now() - interval '6 hours')
  AND n.failed + n.undelivered + n.delivered + n.read >= 20
ORDER BY share DESC, c.launched_at DESC LIMIT :most
"""

_PAUSED = """
SELECT id::text FROM campaigns WHERE status = 'paused' AND pause_reason IS NOT NULL
ORDER BY launched_at DESC LIMIT :most
"""

_INBOUND = """
SELECT kind, count(*) FROM inbound_messages WHERE received_at > now() - interval '24 hours' GROUP BY kind
"""

# A list that never succeeded is as old as its first failure.
_LIST_AGE = """
SELECT coalesce(max(extract(epoch FROM now() - coalesce(succeeded_at, failing_since))), 0) FROM inbound_listings l
WHERE EXISTS (SELECT FROM senders s WHERE (s.address = l.address AND s.channel = l.channel)
    OR (l.address = '' AND s.address LIKE 'MG%'))
  AND (l.address = '' OR NOT EXISTS (SELECT FROM senders WHERE address LIKE 'MG%'))
"""

_IMPORTS = "SELECT status, count(*) FROM imports GROUP BY status"

_IMPORT_ROWS = """
SELECT coalesce(sum(created), 0)::bigint AS created, coalesce(sum(updated), 0)::bigint AS updated,
    coalesce(sum(unchanged), 0)::bigint AS unchanged, coalesce(sum(merged), 0)::bigint AS merged,
    coalesce(sum(rejected), 0)::bigint AS rejected
FROM imports
"""
