"""Alerts: what is wrong, who knows of it, and what to do.

Owns the rules (`catalogue`), from which Prometheus's rule files and Alertmanager's inhibitions are generated; the
evaluator that judges the same rules in process, so that alerts exist without Prometheus; and the tables `alerts`,
`alert_silences`, `alert_webhooks`, `alert_views` and `alert_lease`. Emits `LiveUpdate` on the topic `alerts`; consumes
no events.

Guaranteed: one process judges at a time (a lease in PostgreSQL); an alert that fires has one row until it is resolved,
whoever judges; a change of state is recorded with its live update in one transaction. Not guaranteed: while PostgreSQL
is away nothing can be recorded or mailed (what fires meanwhile is recorded when it is back); after a change of judge
the windows of growth begin anew.
"""
