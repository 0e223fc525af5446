"""Reading and writing the ledger's database.

`LedgerReader` answers from any thread; what it returns is bounded by sizes that the caller knows to be
committed, and rows never change, so no long transaction is needed. `LedgerWriter` is used by the one writer.
Hot inserts go through SQLAlchemy core as one `executemany` of tuples, because an object per row costs ten
times the row. Every failure is a `StorageError`; whoever writes stops at the first one (docs/protocol.md,
section 5).

    reader = LedgerReader(open_engine(data_dir / "ledger.db", "read"))
    reader.head().size
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, bindparam, delete, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError

from ledger.core.merkle import HASH_SIZE, Frontier, NodeReader
from ledger.core.note import MAX_NOTE_SIZE
from ledger.core.tiles import TileNodes, TilePath, tile_counts
from ledger.errors import ForkAlarm, StorageError
from ledger.store.tables import CheckpointRow, Entry, LedgerTable, Meta, Staged, StatementPlace, Tile
from ledger.store.tiles import TileEdge, TileRow

_SCAN_ROWS: Final = 4096


def _table(model: type[LedgerTable]) -> Table:
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


_ENTRIES = _table(Entry)
_STATEMENTS = _table(StatementPlace)
_TILES = _table(Tile)
_STAGED = _table(Staged)
_CHECKPOINTS = _table(CheckpointRow)
_META = _table(Meta)


def _insert_sql(table: Table, rows: int = 1) -> str:
    """Return the table's INSERT of so many rows, with positional parameters."""
    one = str(insert(table).compile(dialect=sqlite.dialect(paramstyle="qmark")))
    head, values = one.split(" VALUES ")
    return f"{head} VALUES {', '.join([values] * rows)}"


_ROWS_PER_INSERT: Final = 64
_INSERT_ENTRY: Final = _insert_sql(_ENTRIES)
_INSERT_ENTRIES: Final = _insert_sql(_ENTRIES, _ROWS_PER_INSERT)
_INSERT_STATEMENT: Final = _insert_sql(_STATEMENTS)
_INSERT_STATEMENTS: Final = _insert_sql(_STATEMENTS, _ROWS_PER_INSERT)
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


@contextmanager
def _storage(what: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise StorageError(f"the database did not {what}", field="database") from error


class LedgerReader:
    """Reads one ledger.

    Args:
        engine: from `ledger.store.engine.open_engine`; the caller disposes of it.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def meta(self) -> dict[str, str]:
        """Return what the database says about itself; empty before the ledger begins."""
        with _storage("read"), self.engine.connect() as connection:
            return {row.key: row.value for row in connection.execute(select(_META))}

    def head(self) -> StoredCheckpoint | None:
        """Return the newest committed head, None before the ledger begins."""
        newest = select(_CHECKPOINTS).order_by(_CHECKPOINTS.c.size.desc()).limit(1)
        with _storage("read"), self.engine.connect() as connection:
            row = connection.execute(newest).one_or_none()
        return None if row is None else StoredCheckpoint(*row)

    def checkpoint(self, size: int) -> StoredCheckpoint | None:
        """Return the head of exactly this size, None if no epoch ended there."""
        with _storage("read"), self.engine.connect() as connection:
            row = connection.execute(select(_CHECKPOINTS).where(_CHECKPOINTS.c.size == size)).one_or_none()
        return None if row is None else StoredCheckpoint(*row)

    def checkpoints(self, *, newest_first: bool = False) -> Iterator[StoredCheckpoint]:
        """Yield every head by rising (or falling) size."""
        size = _CHECKPOINTS.c.size
        last: int | None = None
        while True:
            page = select(_CHECKPOINTS).order_by(size.desc() if newest_first else size).limit(256)
            if last is not None:
                page = page.where(size < last if newest_first else size > last)
            with _storage("read"), self.engine.connect() as connection:
                rows = connection.execute(page).all()
            if not rows:
                return
            yield from (StoredCheckpoint(*row) for row in rows)
            last = rows[-1].size

    def cosigned(self, limit: int) -> list[StoredCheckpoint]:
        """Return the newest heads that have any cosignature, newest first."""
        newest = (
            select(_CHECKPOINTS)
            .where(_CHECKPOINTS.c.cosignatures != "")
            .order_by(_CHECKPOINTS.c.size.desc())
            .limit(limit)
        )
        with _storage("read"), self.engine.connect() as connection:
            return [StoredCheckpoint(*row) for row in connection.execute(newest)]

    def entry(self, index: int) -> bytes | None:
        """Return the bytes of one entry, None beyond the end."""
        with _storage("read"), self.engine.connect() as connection:
            value: bytes | None = connection.execute(
                select(_ENTRIES.c.entry).where(_ENTRIES.c.leaf_index == index)
            ).scalar_one_or_none()
        return value

    def chain_at(self, index: int) -> bytes | None:
        """Return the stored chain value of one entry, None beyond the end."""
        with _storage("read"), self.engine.connect() as connection:
            value: bytes | None = connection.execute(
                select(_ENTRIES.c.chain).where(_ENTRIES.c.leaf_index == index)
            ).scalar_one_or_none()
        return value

    def entries(self, start: int, stop: int) -> list[bytes]:
        """Return the entries [start, stop), fewer where the ledger ends before."""
        return [row[0] for row in self.rows(start, stop)]

    def rows(self, start: int, stop: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield (entry, chain value) of [start, stop) with bounded memory."""
        index = _ENTRIES.c.leaf_index
        for low in range(start, stop, _SCAN_ROWS):
            high = min(stop, low + _SCAN_ROWS)
            page = (
                select(_ENTRIES.c.entry, _ENTRIES.c.chain).where(index >= low, index < high).order_by(index)
            )
            with _storage("read"), self.engine.connect() as connection:
                rows = connection.execute(page).all()
            yield from ((entry, chain) for entry, chain in rows)

    def index_of(self, statement_id: bytes) -> int | None:
        """Return where the statement with this identity stands, None if it is not logged."""
        with _storage("read"), self.engine.connect() as connection:
            value: int | None = connection.execute(
                select(_STATEMENTS.c.leaf_index).where(_STATEMENTS.c.statement_id == statement_id)
            ).scalar_one_or_none()
        return value

    def tile(self, level: int, n: int) -> bytes | None:
        """Return a hash tile as far as it is filled, None if there is none."""
        with _storage("read"), self.engine.connect() as connection:
            value: bytes | None = connection.execute(
                select(_TILES.c.data).where(_TILES.c.level == level, _TILES.c.n == n)
            ).scalar_one_or_none()
        return value

    def nodes(self, tree_size: int) -> NodeReader:
        """Return a reader of complete subtrees of the tree of this size; use one per proof or batch."""

        def read_tile(path: TilePath) -> bytes:
            data = self.tile(path.tile_level, path.index)
            if data is None or len(data) < path.width * HASH_SIZE:
                raise ForkAlarm("a stored tile is missing or short", field="tile", code="bad_tile")
            return data[: path.width * HASH_SIZE]

        return TileNodes(read_tile, tree_size)

    def edge(self, tree_size: int) -> tuple[Frontier, TileEdge]:
        """Return the right edge of the stored tree: its frontier and its partial tiles."""
        partial = {}
        for level, (full, width) in enumerate(tile_counts(tree_size)):
            if width:
                data = self.tile(level, full)
                if data is None or len(data) != width * HASH_SIZE:
                    raise ForkAlarm("a stored tile is missing or short", field="tile", code="bad_tile")
                partial[level] = data
        return Frontier.from_nodes(tree_size, self.nodes(tree_size)), TileEdge(partial)


class LedgerWriter(LedgerReader):
    """Writes one ledger; there is one per database (ledger/store/lock.py)."""

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Write what the database says about itself, once."""
        with _storage("write"), self.engine.begin() as connection:
            connection.execute(insert(_META), [{"key": key, "value": value} for key, value in values.items()])

    def stage(self, size: int, root: bytes, blob: bytes) -> None:
        """Write a built epoch durably, in place of anything staged before."""
        with _storage("stage the epoch"), self.engine.begin() as connection:
            connection.execute(delete(_STAGED))
            connection.execute(insert(_STAGED), {"size": size, "root": root, "blob": blob})

    def staged(self, size: int, root: bytes) -> bytes | None:
        """Return the staged bytes of the epoch that gives this head, None if there are none."""
        wanted = select(_STAGED.c.blob).where(_STAGED.c.size == size, _STAGED.c.root == root)
        with _storage("read"), self.engine.connect() as connection:
            value: bytes | None = connection.execute(wanted).scalar_one_or_none()
        return value

    def drop_staged(self) -> None:
        """Forget what is staged."""
        with _storage("write"), self.engine.begin() as connection:
            connection.execute(delete(_STAGED))

    def commit(self, rows: EpochRows) -> None:
        """Make an epoch part of the ledger, in one transaction that also ends its staging.

        Raises:
            StorageError: the database refused or failed; nothing of the epoch is in it, or (after a failed
                flush) nobody knows.
        """
        with _storage("commit the epoch"), self.engine.begin() as connection:
            _insert_entries(connection, rows)
            _write_tiles(connection, rows.tiles)
            head = rows.checkpoint
            connection.execute(
                insert(_CHECKPOINTS).values(
                    size=head.size,
                    root=head.root,
                    time_ms=head.time_ms,
                    note=head.note,
                    cosignatures=head.cosignatures,
                )
            )
            connection.execute(delete(_STAGED))

    def set_cosignatures(self, size: int, lines: str) -> None:
        """Replace the cosignature lines of one head.

        Raises:
            StorageError: the database failed, or the note would be larger than a note may be.
        """
        if len(lines.encode()) > MAX_NOTE_SIZE:
            raise StorageError("the cosignatures are larger than a note", field="cosignatures")
        with _storage("write"), self.engine.begin() as connection:
            connection.execute(
                update(_CHECKPOINTS).where(_CHECKPOINTS.c.size == size).values(cosignatures=lines)
            )


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
