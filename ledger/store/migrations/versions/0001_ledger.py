"""The ledger's tables and the triggers that make them append-only.

Revision ID: 0001
"""

from __future__ import annotations

import sqlite3
from typing import Final

import sqlalchemy as sa
from alembic import op

from ledger.errors import StorageError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_FIXED: Final = ("entries", "statements", "meta")
"""Tables whose rows never change."""
_KEPT: Final = ("entries", "statements", "meta", "tiles", "checkpoints")
"""Tables whose rows never go."""

_RULES: Final = {
    "entries_next": """
        BEFORE INSERT ON entries
        WHEN NEW.leaf_index IS NOT (SELECT COALESCE(MAX(leaf_index) + 1, 0) FROM entries)
        BEGIN SELECT RAISE(ABORT, 'append-only: not the next index'); END""",
    # INSERT OR REPLACE removes a row without asking a DELETE trigger: hence the three EXISTS.
    "statements_new": """
        BEFORE INSERT ON statements
        WHEN EXISTS (SELECT 1 FROM statements WHERE statement_id = NEW.statement_id)
        BEGIN SELECT RAISE(ABORT, 'append-only: the statement is there'); END""",
    "meta_new": """
        BEFORE INSERT ON meta
        WHEN EXISTS (SELECT 1 FROM meta WHERE key = NEW.key)
        BEGIN SELECT RAISE(ABORT, 'append-only: the key is there'); END""",
    "tiles_new": """
        BEFORE INSERT ON tiles
        WHEN LENGTH(NEW.data) % 32 <> 0 OR LENGTH(NEW.data) NOT BETWEEN 32 AND 8192
            OR EXISTS (SELECT 1 FROM tiles WHERE level = NEW.level AND n = NEW.n)
        BEGIN SELECT RAISE(ABORT, 'append-only: a new tile has 1 to 256 hashes'); END""",
    "tiles_grow": """
        BEFORE UPDATE ON tiles
        WHEN NEW.level IS NOT OLD.level OR NEW.n IS NOT OLD.n
            OR LENGTH(NEW.data) % 32 <> 0 OR LENGTH(NEW.data) > 8192
            OR LENGTH(NEW.data) <= LENGTH(OLD.data)
            OR SUBSTR(NEW.data, 1, LENGTH(OLD.data)) IS NOT OLD.data
        BEGIN SELECT RAISE(ABORT, 'append-only: a tile only grows'); END""",
    "checkpoints_rise": """
        BEFORE INSERT ON checkpoints
        WHEN NEW.size <= (SELECT size FROM checkpoints ORDER BY size DESC LIMIT 1)
            OR NEW.time_ms <= (SELECT time_ms FROM checkpoints ORDER BY size DESC LIMIT 1)
        BEGIN SELECT RAISE(ABORT, 'append-only: sizes and times rise'); END""",
    "checkpoints_signed": """
        BEFORE UPDATE OF size, root, time_ms, note ON checkpoints
        BEGIN SELECT RAISE(ABORT, 'append-only: only cosignatures change'); END""",
}


def upgrade() -> None:
    _create_tables()
    for name, rule in _rules().items():
        op.execute(sa.text(f"CREATE TRIGGER {name} {rule}"))


def downgrade() -> None:
    """Refused: dropping the tables would be the one thing that a ledger never does."""
    raise RuntimeError("a ledger is never taken back")


def _rules() -> dict[str, str]:
    rules = dict(_RULES)
    for table in _FIXED:
        rules[f"{table}_fixed"] = (
            f"BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'append-only: no row changes'); END"
        )
    for table in _KEPT:
        rules[f"{table}_kept"] = (
            f"BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, 'append-only: no row goes'); END"
        )
    return rules


def _create_tables() -> None:
    # STRICT: a column takes values of its own type only, in SQLite from 3.37 on.
    if sqlite3.sqlite_version_info < (3, 37):
        raise StorageError(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 is needed", field="migration")
    op.create_table(
        "entries",
        sa.Column("leaf_index", sa.Integer, primary_key=True),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("LENGTH(entry) BETWEEN 1 AND 65535 AND LENGTH(chain) = 32"),
        sqlite_strict=True,
    )
    op.create_table(
        "statements",
        sa.Column("statement_id", sa.LargeBinary, primary_key=True),
        sa.Column("leaf_index", sa.Integer, sa.ForeignKey("entries.leaf_index"), nullable=False),
        sa.CheckConstraint("LENGTH(statement_id) = 32"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_table(
        "tiles",
        sa.Column("level", sa.Integer, primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "staged",
        sa.Column("size", sa.Integer, primary_key=True),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("blob", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.Integer, primary_key=True),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("time_ms", sa.Integer, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("cosignatures", sa.Text, nullable=False, server_default=""),
        sa.CheckConstraint("size % 16 = 0 AND LENGTH(root) = 32"),
        sqlite_strict=True,
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
