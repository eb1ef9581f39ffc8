"""Feature flags: values that an admin changes while the platform runs, and that every process sees within a second.

Owns the flags, their versions and their own append-only audit. Emits no events: a change is a row of the audit, written
in the same transaction, and a nudge over Redis after the commit. Processes read one injected `Flags` (`api`), which
answers from memory; it is refreshed by the nudge and every 15 seconds, and keeps the last good state in a file for the
time when the database does not answer.

Guaranteed: a flag that is killed is killed in every process that follows within a second (16 seconds without Redis);
no change without its audit row; no combination in force that the rules forbid. Not guaranteed: that two processes
switch at the same instant.
"""
