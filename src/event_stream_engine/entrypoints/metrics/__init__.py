"""Metrics of all processes in one scrape.

Each process puts its figures into Redis every five seconds. `GET /metrics` of any `ese serve` answers with its own,
those of every other process heard within twenty seconds (labels `process` and `pid`), and the platform's, which come
from PostgreSQL and Redis at that moment. What a process that died had counted is gone with its `pid`, as Prometheus
expects of a counter. Bounds: 400 kB a process, 2,000 series a scrape; what is left out is counted.
"""
