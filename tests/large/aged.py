"""A platform that is a year old, written by SQL: people, imports, campaigns of every length and their messages.

The messages come first, and the counters are summed from them, so that a report can be compared with its rows. Nothing
is random: row `n` of a campaign is the same each time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.messaging.retention_tasks import merge_old_counters


@dataclass(frozen=True)
class Scale:
    """How much there is. `large_campaigns` go to everybody; the others to `small_audience` people each."""

    contacts: int
    campaigns: int
    large_campaigns: int
    small_audience: int
    imports: int
    inbound: int
    monitoring_events: int
    audit: int
    alerts: int
    events: int
    dead_letters: int


SMALL = Scale(10_000, 30, 3, 150, 60, 500, 2_000, 2_000, 50, 2_000, 40)
LARGE = Scale(1_000_000, 300, 3, 24_000, 400, 200_000, 1_000_000, 1_000_000, 500, 500_000, 2_000)

_CONTACTS = """
INSERT INTO contacts (phone, country, attributes, consent, consent_source, consent_changed_at, topics, timezone, locale,
                      last_inbound_at, created_at, updated_at)
SELECT '+1' || (2120000000 + n), 'US',
    jsonb_build_object('name', (ARRAY['Ana', 'João', 'Fatima', 'Łukasz', 'Grace', 'محمد', '李雷', 'Zoë'])[1 + n % 8]
            || ' ' || (ARRAY['Tanaka', 'Silva', 'Müller', 'Nowak', 'Okafor', 'O''Brien', 'Núñez'])[1 + n % 7],
        'city', (ARRAY['Austin', 'Boston', 'Denver', 'Paris', 'Łódź'])[1 + n % 5],
        'tier', (ARRAY['standard', 'premium', 'gold'])[1 + n % 3], 'points', (n % 1000)::text,
        'signup', to_char(CAST(:now AS timestamptz) - n % 400 * interval '1 day', 'YYYY-MM-DD')),
    (ARRAY['opted_in', 'opted_in', 'opted_in', 'opted_in', 'opted_in', 'opted_in', 'opted_in', 'opted_out', 'stopped',
           'unknown'])[1 + n % 10],
    'import:spring.csv', CAST(:now AS timestamptz) - n % 365 * interval '1 day',
    CASE WHEN n % 4 = 0 THEN ARRAY['offers'] WHEN n % 4 = 1 THEN ARRAY['offers', 'news'] ELSE '{}'::text[] END,
    (ARRAY['America/Chicago', 'America/New_York', 'Europe/Paris', NULL])[1 + n % 4], 'en_US',
    CASE WHEN n % 50 = 0 THEN CAST(:now AS timestamptz) - n % 300 * interval '1 day' END,
    CAST(:now AS timestamptz) - (n % 365 + 1) * interval '1 day', CAST(:now AS timestamptz) - n % 365 * interval '1 day'
FROM generate_series(1, :contacts) AS n
"""

_CONSENT_CHANGES = """
INSERT INTO consent_changes (contact_id, previous, consent, source, at)
SELECT id, 'unknown', consent, consent_source, consent_changed_at FROM contacts WHERE consent <> 'unknown'
"""

_CONTENT = """
WITH template AS (
    INSERT INTO templates (id, name, channel, locale, body)
    SELECT ese_uuid7(), 'Template ' || n, (ARRAY['sms', 'whatsapp'])[1 + n % 2], 'en_US', 'Hi {name|there}, ' || n
    FROM generate_series(1, 40) AS n
), sender AS (
    INSERT INTO senders (id, name, channel, address, messages_per_second)
    SELECT ese_uuid7(), 'Sender ' || n, (ARRAY['sms', 'whatsapp'])[1 + n % 2], '+1415555' || (1000 + n), 100
    FROM generate_series(1, 8) AS n
)
INSERT INTO segments (id, name, definition, size, size_at)
SELECT ese_uuid7(), 'Segment ' || n, CAST(definition AS jsonb), NULL, NULL
FROM generate_series(1, 20) AS n CROSS JOIN LATERAL (SELECT CASE n % 3
    WHEN 0 THEN '{"all": [{"field": "attributes.tier", "op": "eq", "value": "gold"}]}'
    WHEN 1 THEN '{"all": [{"field": "consent", "op": "eq", "value": "opted_in"},
                          {"field": "attributes.points", "op": "gt", "value": 500},
                          {"field": "attributes.city", "op": "eq", "value": "Paris"}]}'
    ELSE '{"any": [{"field": "topics", "op": "contains", "value": "offers"},
                   {"field": "attributes.city", "op": "eq", "value": "Austin"}]}' END) AS d (definition)
"""

# Campaign n runs for a minute, hours, days or weeks; the large ones over a change of clocks; the last ones are open.
_CAMPAIGNS = """
INSERT INTO campaigns (id, name, topic, template_id, segment_id, sender_id, timezone, status, frozen, launched_at,
                       resumed_at, completed_at, created_at, pause_reason, quiet_start, quiet_end)
SELECT ese_uuid7(), 'Campaign ' || n, CASE WHEN n % 5 = 0 THEN 'offers' END, t.id, s.id, f.id, 'Europe/Paris', status,
    CASE WHEN status <> 'draft' THEN jsonb_build_object('body', t.body, 'channel', t.channel, 'content_sid', NULL,
        'sender_id', f.id, 'sender_address', f.address) END,
    launched_at, NULL, CASE WHEN status IN ('completed', 'canceled') THEN launched_at + span END,
    coalesce(launched_at, CAST(:now AS timestamptz)) - interval '1 hour',
    CASE WHEN status = 'paused' THEN 'Twilio refuses the account (20003).' END,
    CASE WHEN n % 3 = 0 THEN time '21:00' END, CASE WHEN n % 3 = 0 THEN time '08:00' END
FROM generate_series(1, :campaigns) AS n
CROSS JOIN LATERAL (SELECT CASE
        WHEN n = :campaigns THEN 'running' WHEN n = :campaigns - 1 THEN 'paused' WHEN n = :campaigns - 2 THEN 'draft'
        WHEN n % 11 = 0 THEN 'canceled' ELSE 'completed' END AS status) AS st
CROSS JOIN LATERAL (SELECT CASE
        WHEN n <= :large THEN interval '9 days' * n
        ELSE (ARRAY[interval '1 minute', interval '3 hours', interval '4 days', interval '3 weeks'])[1 + n % 4]
    END AS span) AS sp
CROSS JOIN LATERAL (SELECT CASE
        WHEN status = 'draft' THEN NULL
        WHEN status IN ('running', 'paused') THEN CAST(:now AS timestamptz) - interval '2 hours'
        WHEN n <= :large THEN timestamptz '2026-10-20 10:00+00'
        ELSE CAST(:now AS timestamptz) - interval '25 days' - n * interval '1 day' END AS launched_at) AS la
JOIN LATERAL (SELECT * FROM templates ORDER BY name OFFSET n % 40 LIMIT 1) AS t ON true
JOIN LATERAL (SELECT * FROM senders f WHERE f.channel = t.channel ORDER BY name OFFSET n % 4 LIMIT 1) AS f ON true
JOIN LATERAL (SELECT * FROM segments ORDER BY name OFFSET n % 20 LIMIT 1) AS s ON true
"""

_MESSAGES = """
INSERT INTO messages (campaign_id, contact_id, phone, status, reason, error_code, provider_sid, body, attempt, due_at,
                      claimed_at, accepted_at, sent_at, delivered_at, read_at, created_at, updated_at)
SELECT c.id, k.id, k.phone, st.state,
    CASE st.state WHEN 'refused' THEN 'opted_out' WHEN 'deferred' THEN 'quiet_hours' END,
    CASE st.state WHEN 'undelivered' THEN 30003 WHEN 'failed' THEN 21211 END,
    CASE WHEN is_out THEN 'SM' || md5(c.id::text || k.n) END,
    CASE WHEN is_out THEN 'Hi, ' || k.n END, CASE WHEN is_out THEN 1 ELSE 0 END,
    CASE WHEN st.state = 'deferred' THEN CAST(:now AS timestamptz) + interval '6 hours' END,
    CASE WHEN is_out THEN at END, CASE WHEN is_out THEN at END, CASE WHEN is_out THEN at + interval '1 s' END,
    CASE WHEN st.state IN ('delivered', 'read') THEN at + (1 + k.n % 60) * interval '1 second' END,
    CASE WHEN st.state = 'read' THEN at + (60 + k.n % 6000) * interval '1 second' END,
    c.launched_at, at
FROM campaigns c
JOIN LATERAL (SELECT CASE WHEN c.name IN (SELECT 'Campaign ' || g FROM generate_series(1, :large) AS g)
                     THEN :contacts ELSE :small END AS size) AS z ON true
JOIN LATERAL (SELECT id, phone, row_number() OVER () AS n
              FROM (SELECT id, phone FROM contacts ORDER BY phone LIMIT z.size) AS people) AS k ON true
JOIN LATERAL (SELECT (k.n * 7919) % 100 AS r, c.launched_at + k.n::float8 / z.size
    * (coalesce(c.completed_at, CAST(:now AS timestamptz)) - c.launched_at) AS at) AS x ON true
JOIN LATERAL (SELECT CASE
    WHEN r >= 97 THEN 'refused' WHEN r >= 95 THEN 'failed' WHEN r >= 90 THEN 'undelivered'
    WHEN c.status = 'running' AND r >= 80 THEN 'deferred'
    WHEN c.status IN ('running', 'paused') AND r >= 40 THEN 'queued'
    WHEN c.status = 'canceled' AND r >= 50 THEN 'canceled'
    WHEN r >= 88 THEN 'sent' WHEN c.frozen ->> 'channel' = 'whatsapp' AND r < 40 THEN 'read' ELSE 'delivered'
    END AS state) AS st ON true
JOIN LATERAL (SELECT st.state IN ('sent', 'delivered', 'read', 'undelivered') AS is_out) AS o ON true
WHERE c.launched_at IS NOT NULL AND c.id = :campaign
"""

_COUNTS = """
INSERT INTO campaign_counts (campaign_id, audience, is_frozen, queued, deferred, sent, delivered, read, undelivered,
    failed, refused, canceled, reached_accepted, reached_sent, reached_delivered, reached_read, version)
SELECT campaign_id, count(*), true, count(*) FILTER (WHERE status = 'queued'),
    count(*) FILTER (WHERE status = 'deferred'), count(*) FILTER (WHERE status = 'sent'),
    count(*) FILTER (WHERE status = 'delivered'), count(*) FILTER (WHERE status = 'read'),
    count(*) FILTER (WHERE status = 'undelivered'), count(*) FILTER (WHERE status = 'failed'),
    count(*) FILTER (WHERE status = 'refused'), count(*) FILTER (WHERE status = 'canceled'),
    count(accepted_at), count(sent_at), count(delivered_at), count(read_at), 1
FROM messages WHERE campaign_id = :campaign GROUP BY campaign_id
"""

_NO_COUNTS = "INSERT INTO campaign_counts (campaign_id) SELECT id FROM campaigns WHERE launched_at IS NULL"

_ANSWERED = """
UPDATE inbound_messages i SET campaign_id = (
    SELECT m.campaign_id FROM messages m WHERE m.contact_id = i.contact_id AND m.accepted_at <= i.received_at
    ORDER BY m.accepted_at DESC LIMIT 1)
"""

_MINUTES = """
INSERT INTO campaign_minutes (campaign_id, minute, accepted, sent, delivered, read, undelivered, failed, refused)
SELECT campaign_id, date_trunc('minute', at), count(*) FILTER (WHERE what = 'accepted'),
    count(*) FILTER (WHERE what = 'sent'), count(*) FILTER (WHERE what = 'delivered'),
    count(*) FILTER (WHERE what = 'read'), count(*) FILTER (WHERE what = 'undelivered'),
    count(*) FILTER (WHERE what = 'failed'), count(*) FILTER (WHERE what = 'refused')
FROM messages CROSS JOIN LATERAL (VALUES
    ('accepted', accepted_at), ('sent', sent_at), ('delivered', delivered_at), ('read', read_at),
    (status, CASE WHEN status IN ('undelivered', 'failed', 'refused') THEN updated_at END)) AS v (what, at)
WHERE at IS NOT NULL AND campaign_id = :campaign GROUP BY 1, 2
"""

_CAUSES = """
INSERT INTO campaign_causes (campaign_id, kind, code, count, last_at)
SELECT campaign_id, CASE WHEN status = 'refused' THEN 'refusal' ELSE 'error' END, coalesce(reason, error_code::text),
    count(*), max(updated_at)
FROM messages WHERE campaign_id = :campaign AND status IN ('refused', 'failed', 'undelivered') GROUP BY 1, 2, 3
"""

_RECEIPTS = """
INSERT INTO delivery_receipts (sid, status, message_id, error_code, form, received_at)
SELECT provider_sid, status, id, error_code,
    jsonb_build_object('MessageSid', provider_sid, 'MessageStatus', status), updated_at
FROM messages WHERE campaign_id = :campaign AND provider_sid IS NOT NULL
"""

_IMPORTS = """
INSERT INTO imports (id, name, size_bytes, format, encoding, delimiter, status, options, rows_read, bytes_read, created,
                     updated, rejected, created_at, started_at, finished_at)
SELECT ese_uuid7(), 'people ' || n || '.csv', 100000, 'csv', 'utf-8', ',',
    (ARRAY['completed', 'completed', 'completed', 'failed', 'canceled'])[1 + n % 5], '{}'::jsonb, 1000, 100000, 900, 80,
    20, at, at, at + interval '3 seconds'
FROM generate_series(1, :imports) AS n, LATERAL (SELECT CAST(:now AS timestamptz) - n * interval '21 hours' AS at) AS a
"""

_REJECTS = """
INSERT INTO import_rejects (import_id, number, line, reason_code, reason, row, cells)
SELECT id, n, n + 1, 'phone_invalid', 'This is no phone number.', 'x,y', ARRAY['x', 'y']
FROM imports, generate_series(1, 20) AS n
"""

_INBOUND = """
INSERT INTO inbound_messages (id, sid, phone, sender, channel, kind, body, form, contact_id, effect, basis, score,
                              review, applied_at, received_at)
SELECT ese_uuid7(), 'SM' || md5('in' || n), k.phone, '+14155551001', 'sms',
    (ARRAY['text', 'stop', 'start', 'help'])[1 + n % 4],
    (ARRAY['Thanks, see you at 5', 'STOP', 'START', 'HELP'])[1 + n % 4],
    '{}'::jsonb, k.id, NULL, CASE WHEN n % 4 = 1 THEN 'keyword' END, NULL, CASE WHEN n % 40 = 0 THEN 'open' END, at, at
FROM generate_series(1, :inbound) AS n
JOIN contacts k ON k.phone = '+1' || (2120000000 + 1 + n * 37 % :contacts),
    LATERAL (SELECT CAST(:now AS timestamptz) - n % 365 * interval '1 day' - n * interval '1 second' AS at) AS a
"""

_MONITORING = """
INSERT INTO monitoring_events (event_id, epoch, "offset", event_type, category, source, timestamp, data, metadata,
                               created_at)
SELECT gen_random_uuid(), 'aged', n, (ARRAY['system.heartbeat', 'performance.sample', 'error.raised'])[1 + n % 3],
    (ARRAY['system', 'performance', 'error'])[1 + n % 3], 'aged', at, '{}'::jsonb, '{}'::jsonb, at
FROM generate_series(1, :monitoring) AS n,
    LATERAL (SELECT CAST(:now AS timestamptz) - n * interval '40 seconds' AS at) AS a
"""


# The chain of hashes is not written: what verifies it says where it breaks.
_AUDIT = """
INSERT INTO audit_entries (at, action, entity, entity_id, detail, hash)
SELECT CAST(:now AS timestamptz) - (:audit - n) * interval '30 seconds',
    (ARRAY['contact.change', 'campaign.launch', 'template.change', 'contact.export'])[1 + n % 4],
    (ARRAY['contact', 'campaign', 'template', 'contact'])[1 + n % 4], gen_random_uuid()::text,
    jsonb_build_object('n', n), md5(n::text)
FROM generate_series(1, :audit) AS n
"""

_ALERTS = """
INSERT INTO alerts (id, rule, fingerprint, labels, severity, summary, value, started_at, seen_at, resolved_at)
SELECT ese_uuid7(), (ARRAY['EseDeadLetters', 'EseOutboxOld', 'EseQueueOld'])[1 + n % 3], md5(n::text), '{}'::jsonb,
    (ARRAY['page', 'ticket'])[1 + n % 2], 'Alert ' || n, n, at, at + interval '5 minutes', at + interval '5 minutes'
FROM generate_series(1, :alerts) AS n, LATERAL (SELECT CAST(:now AS timestamptz) - n * interval '4 hours' AS at) AS a
"""

_PARTITIONS = """
SELECT ese_outbox_partitions((CAST(:now AS timestamptz) - interval '12 days')::date, CAST(:now AS timestamptz)::date)
"""

# They belong to no campaign: its counters are those of its messages.
_EVENTS = """
INSERT INTO outbox (recorded_at, stream, key, event_id, type, time, correlation_id, data)
SELECT at, 'messaging.message.v1', message, gen_random_uuid(), 'MessageStatusChanged', at, gen_random_uuid(),
    jsonb_build_object('message_id', message, 'campaign_id', NULL, 'previous', 'sending', 'status', 'accepted',
        'reached', jsonb_build_array('accepted'), 'at', at, 'error_code', NULL, 'reason', NULL)
FROM generate_series(1, :events) AS n,
    LATERAL (SELECT CAST(:now AS timestamptz) - interval '12 days' * n / :events AS at, md5(n::text)::uuid::text
             AS message) AS a
ORDER BY n DESC
"""

_DEAD_LETTERS = """
INSERT INTO dead_letters (id, group_name, event_id, stream, entry_id, tick, seq, type, key, envelope, failed, crashed,
    taken_over, error_class, error, stack, history, release, first_failed_at, died_at, status, resolved_at, resolved_by)
SELECT ese_uuid7(), 'messaging.count', gen_random_uuid(), 'messaging.message.v1', '1-' || n, 1, n,
    'MessageStatusChanged', 'key-' || n, jsonb_build_object('data', '{}'::jsonb, 'time', at), 8, 0, 0,
    (ARRAY['ValueError', 'KeyError', 'TimeoutError'])[1 + n % 3], 'Error ' || n % 7, 'stack', '[]'::jsonb, '0', at, at,
    status, CASE WHEN status <> 'open' THEN at + interval '1 hour' END, CASE WHEN status <> 'open' THEN 'operator' END
FROM generate_series(1, :dead_letters) AS n, LATERAL (SELECT CAST(:now AS timestamptz) - n * interval '3 hours' AS at,
    (ARRAY['open', 'redriven', 'discarded'])[1 + n % 3] AS status) AS a
"""


async def build(database: Database, scale: Scale, now: datetime) -> None:
    """Fill an empty, migrated database; its last campaign was launched two hours before `now` (aware)."""
    everywhere = {
        "now": now, "contacts": scale.contacts, "campaigns": scale.campaigns, "large": scale.large_campaigns,
        "small": scale.small_audience, "imports": scale.imports, "inbound": scale.inbound,
        "monitoring": scale.monitoring_events, "audit": scale.audit, "alerts": scale.alerts,
        "events": scale.events, "dead_letters": scale.dead_letters,
    }  # fmt: skip
    people = (_CONTACTS, _CONSENT_CHANGES, _IMPORTS, _REJECTS, _INBOUND)
    backbone = (_PARTITIONS, _EVENTS, _DEAD_LETTERS)
    for statement in (*people, _CONTENT, _CAMPAIGNS, _MONITORING, _AUDIT, _ALERTS, *backbone):
        await _run(database, statement, everywhere)
    await _run(database, _NO_COUNTS, {})
    async with database.transaction() as tx:
        found = await tx.execute(text("SELECT id FROM campaigns WHERE launched_at IS NOT NULL ORDER BY launched_at"))
        campaigns = [row.id for row in found]
    for campaign in campaigns:
        for statement in (_MESSAGES, _COUNTS, _MINUTES, _CAUSES, _RECEIPTS):
            await _run(database, statement, {**everywhere, "campaign": campaign})
    await _run(database, _ANSWERED, {})
    await merge_old_counters(database)  # a worker does it every hour
    await _run(database, "ANALYZE", {})


async def _run(database: Database, statement: str, values: Mapping[str, object]) -> None:
    """Whole numbers are written into the statement: a parameter's type is not known where only CASE uses it."""
    for name, value in values.items():
        if isinstance(value, int):
            statement = re.sub(rf":{name}\b", str(value), statement)
    used = {name: value for name, value in values.items() if not isinstance(value, int) and f":{name}" in statement}
    async with database.transaction() as tx:
        await tx.execute(text(statement), used)
