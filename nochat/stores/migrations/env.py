"""Alembic's environment: migrates over the connection of the users' store."""

from alembic import context

from nochat.stores.users_schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
