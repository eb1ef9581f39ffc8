"""A stand-in for Twilio on loopback: its messages API, its webhooks, its faults, and an exact ledger.

`run(settings)` in `serve` is the process; docs/guides/sandbox.md says what is imitated and what is not.
"""
