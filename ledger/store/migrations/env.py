"""Alembic environment: runs the migrations on the connection that `ledger.store.engine.migrate` gives."""

from __future__ import annotations

from alembic import context

from ledger.store.tables import LedgerTable

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=LedgerTable.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
