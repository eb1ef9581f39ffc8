"""The HTTP toolkit: problems, sessions, the transaction of a request, pagination, idempotency. Owns no route."""
