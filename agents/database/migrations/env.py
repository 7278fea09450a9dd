"""Run migrations on the connection that agents/database/migrate.py passes."""

from alembic import context

options = context.config.attributes

context.configure(
    connection=options["connection"],
    version_table_schema=options["schema"],
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
