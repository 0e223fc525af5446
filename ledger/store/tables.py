"""The tables of one ledger, as SQLModel classes.

docs/protocol.md sections 2, 5 and 8. The rows hold the very bytes that the protocol commits to; nothing here
is derived by a database. An Alembic migration (ledger/store/migrations) creates the tables together with the
triggers that make them append-only, so these classes describe and never create.

Statement identities stand in a table of their own, clustered by identity: as a column with an index they
would be stored twice, and the disk per credential is a goal of the project.

>>> Entry.__table__.name, [column.name for column in Entry.__table__.columns]
('entries', ['leaf_index', 'entry', 'chain'])
"""

from __future__ import annotations

from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class LedgerTable(SQLModel, registry=registry()):
    """Base of the ledger's tables, with metadata of its own: other packages have other databases."""


class Entry(LedgerTable, table=True):
    """One entry: its bytes and the value of the hash chain after it."""

    __tablename__ = "entries"

    leaf_index: int = Field(primary_key=True)
    entry: bytes
    chain: bytes


class StatementPlace(LedgerTable, table=True):
    """Where the statement with this identity stands. Padding has no row."""

    __tablename__ = "statements"
    __table_args__ = {"sqlite_with_rowid": False}

    statement_id: bytes = Field(primary_key=True)
    leaf_index: int = Field(foreign_key="entries.leaf_index")


class Tile(LedgerTable, table=True):
    """One hash tile (C2SP tlog-tiles): 1 to 256 hashes; below 256 it is the right edge and may grow."""

    __tablename__ = "tiles"

    level: int = Field(primary_key=True)
    n: int = Field(primary_key=True)
    data: bytes


class Staged(LedgerTable, table=True):
    """An epoch that is built and signed but not yet committed, keyed by the head it would give."""

    __tablename__ = "staged"

    size: int = Field(primary_key=True)
    root: bytes
    blob: bytes


class CheckpointRow(LedgerTable, table=True):
    """The head after one epoch: the log's own signed note, and the newest cosignature lines of witnesses."""

    __tablename__ = "checkpoints"

    size: int = Field(primary_key=True)
    root: bytes
    time_ms: int
    note: str
    cosignatures: str = ""


class Meta(LedgerTable, table=True):
    """What the database says about itself: origin and identity of its ledger."""

    __tablename__ = "meta"
    __table_args__ = {"sqlite_with_rowid": False}

    key: str = Field(primary_key=True)
    value: str
