"""A stand-in for Twilio on loopback: its messages API, its webhooks, its faults, and an exact ledger."""
