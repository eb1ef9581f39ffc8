"""Every rule there is. `make docs` writes Prometheus's rule file and Alertmanager's inhibitions from here."""

from event_stream_engine.alerts.model import Burn, Grown, Level, Query, Rule, Selector

DATABASE, REDIS, TRANSPORT = "EseDatabaseDown", "EseRedisDown", "EseTransportDown"
RESTARTED = "EseDatabaseRestarted"
MINUTE, HOUR, DAY = 60, 3600, 86_400


def _burn(name: str, factor: float, long: int, short: int, hold: int, severity: str) -> Rule:
    return Rule(
        name,
        "page" if severity == "page" else "ticket",
        Burn(factor, long, short),
        f"The API fails requests {factor:g} times faster than its error budget allows",
        "Too many requests to the API and the webhooks are answered with a 5xx.",
        hold,
        (DATABASE, RESTARTED),
    )


def _component(name: str, component: str, summary: str, meaning: str, silenced_by: tuple[str, ...] = ()) -> Rule:
    condition = Level(Selector("ese_component_up", (("component", component),)), "==", 0, pick="min")
    return Rule(name, "page", condition, summary, meaning, MINUTE, silenced_by)


RULES: tuple[Rule, ...] = (
    _burn("EseErrorBudgetBurnsFast", 14.4, HOUR, 5 * MINUTE, MINUTE, "page"),
    _burn("EseErrorBudgetBurns", 6, 6 * HOUR, 30 * MINUTE, 5 * MINUTE, "page"),
    _burn("EseErrorBudgetBurnsSlowly", 1, 3 * DAY, 6 * HOUR, 30 * MINUTE, "ticket"),
    Rule(
        "EseDown", "page", Query('absent(up{job="ese"} == 1)'), "No Event Stream Engine answers Prometheus",
        "Prometheus cannot read /metrics of any `ese serve`.", MINUTE,
    ),
    Rule(
        "EseWatchdog", "none", Query("vector(1)"), "The way from a rule to you works",
        "Fires always. When it stops arriving, alerts do not reach you.",
    ),
    Rule(
        "EseNotJudging", "ticket", Query("time() - max(ese_alerts_judged_timestamp_seconds) > 120"),
        "The platform does not judge its own alerts", "The notification centre and the mails are behind or dead.",
        MINUTE, (DATABASE,),
    ),
    _component(DATABASE, "postgresql", "PostgreSQL does not answer", "Nothing can be read or changed."),
    _component(REDIS, "redis", "Redis does not answer", "Tasks, limits and live updates stand still."),
    _component(
        TRANSPORT, "kafka", "Kafka does not answer", "Committed events wait in the outbox; no group hears them."
    ),
    Rule(
        "EseConnectionsLow", "page", Level(Selector("ese_database_connections_used_ratio"), ">", 0.9, ("limit",)),
        "PostgreSQL is almost out of connections: {limit}",
        "At the limit it refuses new connections: processes cannot start, or open another one.", MINUTE,
    ),
    Rule(
        RESTARTED, "ticket", Level(Selector("ese_database_restart_age_seconds"), "<", 900, pick="min"),
        "PostgreSQL restarted or failed over {value} seconds ago",
        "Requests and callbacks were refused meanwhile. Workers ask Twilio about the messages concerned.",
    ),
    Rule(
        "EseCallbacksRefused", "ticket", Grown(Selector("ese_callbacks_refused_total"), 900),
        "{value} callbacks were refused within 15 minutes",
        "PostgreSQL did not store them. Twilio sends most of them once, so workers ask it about the messages.",
        0, (DATABASE, RESTARTED),
    ),
    Rule(
        "EseRedisMayEvict", "ticket", Level(Selector("ese_redis_keeps_keys"), "==", 0, pick="min"),
        "Redis may evict keys when its memory is full",
        "Its maxmemory-policy is not noeviction: queued tasks, locks and live state may be lost without an error.",
        MINUTE, (REDIS,),
    ),
    Rule(
        "EseRedisEvicted", "page", Grown(Selector("ese_redis_evicted_keys_total"), 600, 0, is_foreign=True),
        "Redis evicted {value} keys because its memory was full",
        "Queued tasks, locks or live state were lost.",
    ),
    Rule(
        "EseProcessMissing", "page", Level(Selector("ese_process_alive"), "==", 0, ("process",)),
        "No `ese {process}` is running", "A process that campaigns need was not heard for ten seconds or more.",
        MINUTE, (REDIS,),
    ),
    Rule(
        "EseRelayStuck", "page", Level(Selector("ese_relay_works"), "==", 0), "The relay publishes nothing",
        "No relay holds the lease: committed events reach nobody.", MINUTE, (DATABASE, "EseGenerationRefused"),
    ),
    Rule(
        "EseStreamStuck", "ticket", Level(Selector("ese_relay_lane_behind"), "==", 1, ("stream",)),
        "The relay cannot write to the stream {stream}, or is repairing it",
        "Its events wait in the outbox; other streams are not affected. The page Event streams shows the reason.",
        2 * MINUTE, (DATABASE, REDIS, TRANSPORT),
    ),
    Rule(
        "EseOutboxOld", "page",
        Level(Selector("ese_stream_oldest_unpublished_seconds"), ">", 60, ("stream",)),
        "{stream} waits to be published, for {value} s", "The oldest committed event of a stream is not in it yet.",
        MINUTE, (DATABASE, REDIS, TRANSPORT, "EseRelayStuck", "EseGenerationRefused"),
    ),
    Rule(
        "EseGenerationRefused", "page", Level(Selector("ese_relay_refused"), "==", 1),
        "The relay refuses a restored database", "The database went back in time: somebody must accept it.",
    ),
    Rule(
        "EseSendingHeld", "page", Level(Selector("ese_sending_held"), "==", 1),
        "Sending is held: the database went back in time",
        "No message and no mail is sent until an operator has looked at the gap and released the hold.",
    ),
    Rule(
        "EseTransportFull", "page", Level(Selector("ese_relay_memory_full"), "==", 1),
        "The streams' memory is full", "Nothing is appended any more; the outbox keeps what is committed.", MINUTE,
    ),
    Rule(
        "EseRetentionHeld", "ticket", Level(Selector("ese_outbox_retention_held_back"), "==", 1),
        "The outbox keeps partitions past their time",
        "The relay, a group that is far behind or a replay needs them; the disk fills.", HOUR,
    ),
    Rule(
        "EseGroupLag", "ticket", Level(Selector("ese_group_lag_seconds"), ">", 300, ("group",)),
        "{group} is {value} s behind", "A consumer group does not keep up, is paused, or has no consumer.",
        5 * MINUTE, (DATABASE, REDIS, TRANSPORT),
    ),
    Rule(
        "EseInboundUnlisted", "page", Level(Selector("ese_inbound_list_age_seconds"), ">", 300, pick="max"),
        "Twilio has not listed inbound messages for {value} s",
        "A STOP sent while no API process ran may be unknown. Sending waits for ten minutes, then goes on.",
        MINUTE, (DATABASE, REDIS),
    ),
    Rule(
        "EseStopUnread", "ticket", Grown(Selector("ese_unread_stops_total"), 600, 0),
        "STOPs from numbers that cannot be read: {value}",
        "No contact has such a number. Nothing is sent to it, but the person may have another number here.",
    ),
    Rule(
        "EseDeadLetters", "ticket", Level(Selector("ese_group_dead_letters"), ">", 0, ("group",)),
        "Dead letters of {group}: {value}", "Their effects are missing until somebody redrives or discards them.",
    ),
    Rule(
        "EseQueueOld", "ticket", Level(Selector("ese_queue_oldest_seconds"), ">", 300, ("queue",)),
        "A task has waited {value} s in {queue}", "The workers do not keep up with the queue, or none takes it.",
        2 * MINUTE, (REDIS,),
    ),
    Rule(
        "EseBreakerOpen", "ticket",
        Level(Selector("ese_breaker_state", (("state", "closed"),)), "==", 0, ("breaker",), "min"),
        "The circuit to {breaker} is not closed",
        "A process does not make these calls, but for probes; what they carry waits.",
        5 * MINUTE, (DATABASE,),
    ),
    Rule(
        "EseBreakerHeld", "ticket",
        Level(Selector("ese_breaker_state", (("state", "forced_open"),)), "==", 1, ("breaker",)),
        "An operator holds the circuit to {breaker} open",
        "None of these calls is made until somebody resets it; what they carry waits.",
    ),
    Rule(
        "EseCampaignFailing", "ticket", Level(Selector("ese_campaign_failed_ratio"), ">", 0.5, ("campaign",)),
        "Most messages of campaign {campaign} fail", "More than half of the messages with an outcome did not arrive.",
        MINUTE, (DATABASE,),
    ),
    Rule(
        "EseCampaignPaused", "ticket", Level(Selector("ese_campaign_paused_by_platform"), "==", 1, ("campaign",)),
        "The platform paused campaign {campaign}",
        "Its messages fail for a reason that concerns more than one person; the rest of them waits.", 0, (DATABASE,),
    ),
    Rule(
        "EseBufferFull", "page", Level(Selector("ese_monitoring_buffer_fill_ratio"), ">", 0.8, ("buffer",)),
        "The {buffer} buffer is almost full", "Soon the least worthy events are dropped, and counted.", MINUTE,
    ),
    Rule(
        "EseFlushOld", "ticket", Level(Selector("ese_monitoring_flush_age_intervals"), ">", 3),
        "Metrics were not flushed for {value} intervals", "What is measured waits in memory or in the spool.",
        MINUTE, (DATABASE,),
    ),
    Rule(
        "EseCriticalDropped", "page",
        # A browser is told of them again when it comes back: it loses none by leaving, and is shed none (`mailbox`).
        Grown(
            Selector("ese_monitoring_stage_dropped_total", (("category", "critical"),), but=(("stage", "clients"),)),
            600, 0, ("stage",),
        ),
        "Critical events dropped by {stage}: {value}", "Events that must never be lost were.",
    ),
    Rule(
        "EseFlagsStale", "ticket", Level(Selector("ese_flags_age_seconds"), ">", 60, ("process",)),
        "The flags of {process} are {value} s old", "The last good flags are in force; a kill switch is not heard.",
        MINUTE, (DATABASE,),
    ),
    Rule(
        "EseDiskLow", "page", Level(Selector("ese_disk_free_ratio"), "<", 0.1, pick="min"),
        "Less than a tenth of the disk is free", "PostgreSQL stops when the disk is full.", 5 * MINUTE,
    ),
    Rule(
        "EseMetricsTruncated", "ticket", Grown(Selector("ese_metrics_truncated_total"), 900, 0, ("metric",)),
        "Label values of {metric} were folded into `other`", "More values came than are kept apart.",
    ),
)  # fmt: skip

BY_NAME = {rule.name: rule for rule in RULES}
