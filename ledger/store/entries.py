"""Reading and writing the ledger's database.

`LedgerReader` answers from any thread; what it returns is bounded by sizes that the caller knows to be
committed, and rows never change, so no long transaction is needed. `LedgerWriter` is used by the one writer.
Every failure is a `StorageError`; whoever writes stops at the first one (docs/protocol.md,
section 5).

    reader = LedgerReader(open_engine(data_dir / "ledger.db", "read"))
    reader.head().size
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from ledger.core.cells import CELL_SIZE
from ledger.core.merkle import HASH_SIZE, Frontier, NodeReader
from ledger.core.note import MAX_NOTE_SIZE
from ledger.core.tiles import TILE_WIDTH, TileNodes, TilePath, format_entry_bundle, tile_counts, tile_width
from ledger.errors import ForkAlarm, StorageError
from ledger.store.rows import EpochRows, StoredCheckpoint, insert_epoch, table_of
from ledger.store.tables import CheckpointRow, Entry, Meta, Staged, StatementPlace, Tile
from ledger.store.tiles import TileEdge

__all__ = ["EpochRows", "LedgerReader", "LedgerWriter", "StoredCheckpoint"]

_SCAN_ROWS: Final = 4096
_BRIDGE: Final = "bridge/"


_ENTRIES = table_of(Entry)
_STATEMENTS = table_of(StatementPlace)
_TILES = table_of(Tile)
_STAGED = table_of(Staged)
_CHECKPOINTS = table_of(CheckpointRow)
_META = table_of(Meta)


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

    def bridges(self, tree_size: int | None = None) -> dict[int, str]:
        """Return the kept bridging checkpoints by rising size, those of a tree of `tree_size` if it is given."""
        meta = self.meta()
        sizes = sorted(int(key.removeprefix(_BRIDGE)) for key in meta if key.startswith(_BRIDGE))
        return {size: meta[f"{_BRIDGE}{size}"] for size in sizes if tree_size is None or size <= tree_size}

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

    def sizes(self, above: int, upto: int) -> list[int]:
        """Return the sizes in (above, upto] at which epochs ended, rising."""
        size = _CHECKPOINTS.c.size
        wanted = select(size).where(size > above, size <= upto).order_by(size)
        with _storage("read"), self.engine.connect() as connection:
            return list(connection.execute(wanted).scalars())

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

    def tile_file(self, path: TilePath, tree_size: int) -> bytes | None:
        """Return a hash tile or an entry bundle as it is served in a tree of this size, None if there is none."""
        if path.width > tile_width(path.tile_level, path.index, tree_size):
            return None
        # Every checkpoint covers whole cells: another partial never stood in one.
        if path.tile_level == 0 and path.width % CELL_SIZE:
            return None
        if path.level == "entries":
            first = path.index * TILE_WIDTH
            return format_entry_bundle(self.entries(first, first + path.width))
        data = self.tile(path.level, path.index)
        return None if data is None else data[: path.width * HASH_SIZE]

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

    def keep_bridge(self, size: int, text: str) -> None:
        """Keep the bridging checkpoint of this size, as it was first cosigned, for ever: bundles carry it.

        The cosignatures of a head are renewed while it is the newest; a bundle's bridges never change.
        """
        if size not in self.bridges():
            self.set_meta({f"{_BRIDGE}{size}": text})

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

    def staged_heads(self) -> list[tuple[int, bytes]]:
        """Return size and root of what is staged: one epoch, or none."""
        with _storage("read"), self.engine.connect() as connection:
            return [(size, root) for size, root in connection.execute(select(_STAGED.c.size, _STAGED.c.root))]

    def commit(self, rows: EpochRows) -> None:
        """Make an epoch part of the ledger, in one transaction that also ends its staging.

        Raises:
            StorageError: the database refused or failed; nothing of the epoch is in it, or (after a failed
                flush) nobody knows.
        """
        with _storage("commit the epoch"), self.engine.begin() as connection:
            insert_epoch(connection, rows)
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
