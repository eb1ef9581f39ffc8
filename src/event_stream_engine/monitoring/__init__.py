"""Monitoring: what happens in the machine itself, to those who watch it and into the database.

Owns the monitoring event, the rules it is held to, the broadcaster with its adapters, the persister with its spool,
the orders of operators to circuit breakers, and the tables `monitoring_events` (published), `monitoring_channel`,
`monitoring_flushes`, `monitoring_metrics_*`, `monitoring_dead_letters` and `circuit_orders`. Emits no domain event;
hears what people do with campaigns, imports and accounts, and tells it to those who watch. Clients are served by
`live`, whose channel the adapters fill.

Guaranteed: publishing waits for nobody; each stage accounts for every event (`live.accounting`); a client sees offsets
in order and is told of each gap; what the database took is there once. Not guaranteed: a client that is too slow keeps
only what is worth most; a process that is killed loses what was neither committed nor spooled (`persisting`).
"""
