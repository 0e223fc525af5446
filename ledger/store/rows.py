"""The rows of one epoch, and their way into the database.

Hot inserts go through SQLAlchemy core as tuples, many to a statement: an object per row costs ten times the
row, and the driver hands over the interpreter's lock once per statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, insert, update
from sqlalchemy.dialects import sqlite

from ledger.store.tables import CheckpointRow, Entry, LedgerTable, StatementPlace, Tile
from ledger.store.tiles import TileRow


def table_of(model: type[LedgerTable]) -> Table:
    """Return the core table of a model."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


_TILES = table_of(Tile)


def _insert_sql(table: Table, rows: int = 1) -> str:
    """Return the table's INSERT of so many rows, with positional parameters."""
    one = str(insert(table).compile(dialect=sqlite.dialect(paramstyle="qmark")))
    head, values = one.split(" VALUES ")
    return f"{head} VALUES {', '.join([values] * rows)}"


_ROWS_PER_INSERT: Final = 64
_INSERT_ENTRY: Final = _insert_sql(table_of(Entry))
_INSERT_ENTRIES: Final = _insert_sql(table_of(Entry), _ROWS_PER_INSERT)
_INSERT_STATEMENT: Final = _insert_sql(table_of(StatementPlace))
_INSERT_STATEMENTS: Final = _insert_sql(table_of(StatementPlace), _ROWS_PER_INSERT)
_INSERT_CHECKPOINT: Final = _insert_sql(table_of(CheckpointRow))
_INSERT_TILE: Final = _insert_sql(_TILES)
_GROW_TILE: Final = str(
    update(_TILES)
    .values(data=bindparam("data"))
    .where(_TILES.c.level == bindparam("at_level"), _TILES.c.n == bindparam("at_n"))
    .compile(dialect=sqlite.dialect(paramstyle="qmark"))
)


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """The head after one epoch.

    Attributes:
        size: tree size, a multiple of 16.
        root: root hash.
        time_ms: epoch time.
        note: the checkpoint note with the log's own signatures.
        cosignatures: lines of witnesses, or "".
    """

    size: int
    root: bytes
    time_ms: int
    note: str
    cosignatures: str = ""

    @property
    def text(self) -> str:
        """The note with the cosignatures that it has so far."""
        return self.note + self.cosignatures


@dataclass(frozen=True, slots=True)
class EpochRows:
    """All that one epoch adds to the database.

    Attributes:
        first_index: index of the first entry, which is the tree size before.
        entries: the bytes, in order; the last one is the seal.
        chain: chain value of each entry.
        ids: identity of each statement, None for padding.
        tiles: hash tiles after the epoch.
        checkpoint: the head after the epoch.
    """

    first_index: int
    entries: Sequence[bytes]
    chain: Sequence[bytes]
    ids: Sequence[bytes | None]
    tiles: Sequence[TileRow]
    checkpoint: StoredCheckpoint


def insert_epoch(connection: Connection, rows: EpochRows) -> None:
    """Insert everything that an epoch adds, in the caller's transaction."""
    _insert_entries(connection, rows)
    _write_tiles(connection, rows.tiles)
    head = rows.checkpoint
    values = (head.size, head.root, head.time_ms, head.note, head.cosignatures)
    connection.exec_driver_sql(_INSERT_CHECKPOINT, values)


def _insert_entries(connection: Connection, rows: EpochRows) -> None:
    places = range(rows.first_index, rows.first_index + len(rows.entries))
    placed = list(zip(places, rows.entries, rows.chain, strict=True))
    _insert_many(connection, _INSERT_ENTRY, _INSERT_ENTRIES, placed)
    known: list[tuple[Any, ...]] = [
        (statement_id, place)
        for statement_id, place in zip(rows.ids, places, strict=True)
        if statement_id is not None
    ]
    _insert_many(connection, _INSERT_STATEMENT, _INSERT_STATEMENTS, known)


def _insert_many(connection: Connection, one: str, many: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, 64 to a statement: the driver hands over the interpreter's lock once per statement, and
    each time it may have to wait for the event loop to hand it back.
    """
    whole = len(rows) // _ROWS_PER_INSERT * _ROWS_PER_INSERT
    for start in range(0, whole, _ROWS_PER_INSERT):
        connection.exec_driver_sql(many, tuple(chain.from_iterable(rows[start : start + _ROWS_PER_INSERT])))
    if whole < len(rows):
        connection.exec_driver_sql(one, list(rows[whole:]))


def _write_tiles(connection: Connection, tiles: Sequence[TileRow]) -> None:
    fresh = [(tile.level, tile.n, tile.data) for tile in tiles if tile.is_new]
    grown = [(tile.data, tile.level, tile.n) for tile in tiles if not tile.is_new]
    if fresh:
        connection.exec_driver_sql(_INSERT_TILE, fresh)
    if grown:
        connection.exec_driver_sql(_GROW_TILE, grown)
