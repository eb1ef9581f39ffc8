"""Accounts and sessions. Emits `UserCreated`, `UserUpdated`, `UserDisabled`; listens to nothing.

Passwords are hashed with Argon2id. An access token lives for minutes and is not stored; a refresh token is random,
stored as a hash, and replaced each time it is used.
"""
