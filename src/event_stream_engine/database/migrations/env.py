"""Runs the migrations on the connection it is given; `database.migrate` is the only caller."""

from alembic import context

from event_stream_engine.database.engine import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
