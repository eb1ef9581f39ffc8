"""Accounts and sessions. Emits `UserCreated`, `UserUpdated`, `UserDisabled`; listens to nothing.

Passwords are hashed with Argon2id. A sign-in, with one step or two, is a session: a family of refresh tokens (random,
stored as hashes, replaced each time they are used) and access tokens that live for minutes, are not stored, and end
with their session. Mail is written down with the change that it tells and sent by a task.
"""
