"""Contacts and consent, imports, templates, segments, senders, campaigns, messages and what people answer.

Owns: every row about a contact or a message. The ledger (`messages`) holds one row per campaign and contact; who
got what is decided there and nowhere else.
Emits: everything in `events/messaging.py`. Listens to its own events only: a launch freezes the audience, a
frozen audience starts sending, callbacks move messages, moved messages are counted.
Vendors: Twilio, behind `gateway.MessageGateway`, in `twilio/`.
"""
