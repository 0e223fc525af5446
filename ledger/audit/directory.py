"""The data directory of a ledger as a source of an audit: read only, and of every row only its true type.

docs/protocol.md sections 5 and 8. A database file can hold any value in any column, whatever the tables
say: what is not of its type or size is an alarm with the code of its table, and never an error of Python.

    source = DirectorySource(Path("data"))
    source.checkpoint()
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger.core.merkle import HASH_SIZE
from ledger.core.pin import Pin
from ledger.core.tiles import MAX_ENTRY_SIZE, TILE_SIZE_BYTES, TILE_WIDTH
from ledger.errors import ForkAlarm, StorageError
from ledger.service.settings import FILE_NAME, load_settings
from ledger.store.engine import DATABASE_NAME, connect_to_read
from ledger.store.lock import LOCK_NAME, LockedHead, read_locked
from ledger.store.rows import StoredCheckpoint

MAX_VALUE_BYTES: Final = 1 << 20
"""No value that an audit reads is larger; SQLite refuses to give out one that is."""
_TABLES: Final = {
    "entries": ("bad_entry", ("leaf_index", "entry", "chain")),
    "statements": ("bad_entry", ("statement_id", "leaf_index")),
    "tiles": ("bad_tile", ("level", "n", "data")),
    "checkpoints": ("bad_checkpoint", ("size", "root", "time_ms", "note", "cosignatures")),
    "staged": ("bad_checkpoint", ("size", "root", "blob")),
    "meta": ("bad_checkpoint", ("key", "value")),
}
_ENTRIES: Final = (
    "SELECT leaf_index, entry, chain FROM entries "
    "WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index"
)
_PLACES: Final = "SELECT statement_id, leaf_index FROM statements WHERE statement_id IN (?)"
_SINCE: Final = (
    "SELECT 1 FROM staged WHERE size = ? AND root = ?",
    "SELECT 1 FROM checkpoints WHERE size = ? AND root = ?",
)
"""In this order: an epoch leaves the first in the moment in which it comes into the second."""
_TILE: Final = "SELECT data FROM tiles WHERE level = ? AND n = ?"
_HEAD: Final = "SELECT size, root, time_ms, note, cosignatures FROM checkpoints"
_PAGE: Final = 256


class _Text(bytes):
    """A value that the database calls text: no blob, and not yet known to be UTF-8."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """What one look at the database saw, with no epoch committed in between."""

    head: StoredCheckpoint
    entry_count: int
    statement_count: int
    meta: dict[str, str]


class DirectorySource:
    """The data directory of a ledger, on one connection of the driver: an object per row costs too much."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._connection = connect_to_read(data_dir / DATABASE_NAME)
        self._connection.text_factory = _Text
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        self._moment: _Moment | None = None

    def checkpoint(self) -> str:
        """Return the newest committed checkpoint.

        Raises:
            ForkAlarm: a table is missing, or the head is not of its form.
            StorageError: code not_found, the ledger has not begun; or the database cannot be read.
        """
        self._check_tables()
        self._fetch("BEGIN", ())
        try:
            self._moment = self._look()
        finally:
            self._fetch("ROLLBACK", ())
        return self._moment.head.text

    def check_size(self, tree_size: int) -> None:
        """Compare the number of stored entries with the audited head.

        Raises:
            ForkAlarm: code bad_checkpoint, with the index of the first entry that is missing or too much.
        """
        assert self._moment is not None
        count = self._moment.entry_count
        if count != tree_size:
            detail = "the head does not cover exactly the stored entries"
            raise ForkAlarm(detail, code="bad_checkpoint", field="tree_size", index=min(count, tree_size))

    def check_rest(self, pin: Pin, statement_count: int) -> None:
        """Compare what stands beside the entries: the index of statements, the names, the checkpoint lock.

        Raises:
            ForkAlarm: bad_entry, the index has rows of no statement; bad_checkpoint, the database says that
                it is another ledger; lock_mismatch, the lock holds a head that is not the stored one.
        """
        assert self._moment is not None
        if self._moment.statement_count != statement_count:
            detail = "the index of statements has rows of no entry"
            raise ForkAlarm(detail, code="bad_entry", field="statements")
        for key, value in (("origin", pin.origin), ("charter", pin.charter_hash.hex())):
            if self._moment.meta.get(key) != value:
                detail = "the database says that it is another ledger"
                raise ForkAlarm(detail, code="bad_checkpoint", field=f"meta.{key}")
        self._check_lock(pin)

    def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
        """Return entries with their stored chain values.

        Raises:
            ForkAlarm: bad_entry or bad_chain, with the index of the first row that is missing or not of its
                type and size.
        """
        stop = min(stop, tree_size)
        rows = self._fetch(_ENTRIES, (start, stop), "entries", start)
        entries, links = [], []
        for index, (leaf_index, entry, chain) in enumerate(rows, start):
            if type(leaf_index) is not int or leaf_index != index:
                break
            if type(entry) is not bytes or not 1 <= len(entry) <= MAX_ENTRY_SIZE:
                raise ForkAlarm(
                    "a stored entry has no allowed form", code="bad_entry", field="entry", index=index
                )
            if type(chain) is not bytes or len(chain) != HASH_SIZE:
                detail = "a stored chain value is not 32 bytes"
                raise ForkAlarm(detail, code="bad_chain", field="chain", index=index)
            entries.append(entry)
            links.append(chain)
        if start + len(entries) < stop:
            index = start + len(entries)
            raise ForkAlarm("a stored entry is missing", code="bad_entry", field="entry", index=index)
        return entries, b"".join(links)

    def tile(self, level: int, n: int, width: int, tree_size: int) -> bytes:
        """Return a stored tile; a missing or short one is answered as it is.

        Raises:
            ForkAlarm: code bad_tile, it is not 1 to 256 hashes.
        """
        index = n * TILE_WIDTH ** (level + 1)
        rows = self._fetch(_TILE, (level, n), "tiles", index)
        data = rows[0][0] if rows else b""
        if type(data) is not bytes or len(data) > TILE_SIZE_BYTES or len(data) % HASH_SIZE:
            detail = "a stored tile is not 1 to 256 hashes"
            raise ForkAlarm(detail, code="bad_tile", field=f"tile/{level}", index=index)
        return data[: width * HASH_SIZE]

    def first_misplaced(self, ids: Sequence[tuple[int, bytes]]) -> int | None:
        """Return the first of some (index, identity) that the index of statements has not at its place."""
        for at in range(0, len(ids), _PAGE):
            page = ids[at : at + _PAGE]
            query = _PLACES.replace("?", ",".join("?" * len(page)))
            places = dict(
                self._fetch(query, tuple(identity for _, identity in page), "statements", page[0][0])
            )
            for index, identity in page:
                place = places.get(identity)
                if type(place) is not int or place != index:
                    return index
        return None

    def heads(self, above: int) -> Iterator[StoredCheckpoint]:
        """Yield the stored heads of more than `above` entries by rising size.

        Raises:
            ForkAlarm: code bad_checkpoint, a row is not of its form.
        """
        last = above
        while True:
            rows = self._fetch(f"{_HEAD} WHERE size > ? ORDER BY size LIMIT {_PAGE}", (last,), "checkpoints")
            if not rows:
                return
            for row in rows:
                head = _head(row)
                yield head
                last = head.size

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _check_tables(self) -> None:
        for table, (code, columns) in _TABLES.items():
            kinds = self._fetch("SELECT type FROM sqlite_master WHERE name = ?", (table,))
            found = {
                bytes(row[1]).decode("utf-8", "replace")
                for row in self._fetch(f"PRAGMA table_info({table})", ())
            }
            if [bytes(kind) for (kind,) in kinds] != [b"table"] or not found >= set(columns):
                raise ForkAlarm(
                    "a table of the ledger is missing or another", code=code, field=table, index=0
                )

    def _look(self) -> _Moment:
        rows = self._fetch(f"{_HEAD} ORDER BY size DESC LIMIT 1", (), "checkpoints")
        [(last,)] = self._fetch("SELECT MAX(leaf_index) FROM entries", ())
        if not rows and last is None:
            raise StorageError("the ledger has not begun", field="source", code="not_found")
        if not rows:
            raise ForkAlarm(
                "there are entries and no head", code="bad_checkpoint", field="checkpoints", index=0
            )
        if last is not None and type(last) is not int:
            raise ForkAlarm("an index is not a number", code="bad_entry", field="leaf_index")
        [(count,)] = self._fetch("SELECT COUNT(*) FROM statements", ())
        meta = self._fetch("SELECT key, value FROM meta LIMIT 16", (), "meta")
        return _Moment(
            head=_head(rows[0]),
            entry_count=0 if last is None else last + 1,
            statement_count=count,
            meta={_text(key, "meta"): _text(value, "meta") for key, value in meta},
        )

    def _check_lock(self, pin: Pin) -> None:
        """Compare the lock, where it is at its place. A running service moves it first, the database after it."""
        assert self._moment is not None
        path = self._lock_path()
        if not path.is_file():
            return
        head = self._moment.head
        origin, locked = read_locked(path)
        if origin != pin.origin:
            raise _mismatch("the checkpoint lock is of another ledger")
        if (locked.size, locked.root) == (head.size, head.root) or self._has_since(head, locked):
            return
        if locked.size > head.size:
            raise _mismatch("the checkpoint lock knows a later head than this database", head.size)
        raise _mismatch(
            "the checkpoint lock holds another head than this database", min(head.size, locked.size)
        )

    def _has_since(self, head: StoredCheckpoint, locked: LockedHead) -> bool:
        """Return whether the head that the lock holds is staged, or was committed while the audit ran."""
        if locked.size <= head.size:
            return False
        values = (locked.size, locked.root)
        return any(self._fetch(query, values) for query in _SINCE)

    def _lock_path(self) -> Path:
        if (self._data_dir / FILE_NAME).is_file():
            return load_settings(self._data_dir).lock_path
        return self._data_dir / LOCK_NAME

    def _fetch(
        self, query: str, values: tuple[Any, ...], table: str = "", index: int | None = None
    ) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DataError as error:
            code, _ = _TABLES.get(table, ("bad_checkpoint", ()))
            detail = "a stored value is larger than any may be"
            raise ForkAlarm(detail, code=code, field=table, index=index) from error
        except sqlite3.Error as error:
            raise StorageError("the database cannot be read", field="database") from error


def _head(row: tuple[Any, ...]) -> StoredCheckpoint:
    size, root, time_ms, note, cosignatures = row
    if type(size) is not int or type(time_ms) is not int or type(root) is not bytes or len(root) != HASH_SIZE:
        index = size if type(size) is int else None
        detail = "a stored head has no allowed form"
        raise ForkAlarm(detail, code="bad_checkpoint", field="checkpoints", index=index)
    return StoredCheckpoint(
        size, root, time_ms, _text(note, "checkpoints", size), _text(cosignatures, "checkpoints", size)
    )


def _text(value: object, field: str, index: int | None = None) -> str:
    if type(value) is _Text:
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    raise ForkAlarm("a stored text is not text", code="bad_checkpoint", field=field, index=index)


def _mismatch(detail: str, index: int | None = None) -> ForkAlarm:
    return ForkAlarm(detail, code="lock_mismatch", field="lock", index=index)
