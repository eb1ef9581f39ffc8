"""From a committed transaction to an effect in every consumer group, exactly once.

Write: `outbox.record(tx, event)` in the caller's transaction, after the aggregate's row lock is held.
Order: the relay that holds the lease stores snapshots of the database as ticks; the batch of a tick is what it
sees and its predecessor did not, by `seq`. Every commit falls in exactly one tick.
Publish: entry id `<tick>-<seq>`, appended by a script that first compares the stream's last id with the one the
relay expects. "Equal or smaller" is never success: the relay reads the stream and appends what is missing.
Consume: one group per reaction. The inbox rows of a batch are inserted first, in the transaction of the effects;
entries are acknowledged after the commit. An event that fails stops its group until it succeeds; nothing is
skipped.

Guaranteed: a committed event is in its stream once, in the order of its key; its effect is applied once per
group, whatever process dies. Not guaranteed: order between different keys, effects outside PostgreSQL (a task
may run again and must be idempotent by event id).
Bounds: 1 MiB an event, `ESE_RELAY_BATCH_SIZE` entries an append, `ESE_CONSUME_BATCH` entries a read.
"""
