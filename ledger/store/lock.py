"""The checkpoint lock: the last word on which head was signed, in a place of its own.

docs/protocol.md section 5. The signed checkpoint is swapped into the lock before any of it leaves the
process. Put the lock on another disk than the database: then a restored backup of one of them is noticed at
the next start, and refused, because the other one remembers. The file is made once, when the ledger begins;
it is never made anew, because a missing lock is a reason to stop.

    lock = CheckpointLock.open(path)
    lock.swap(lock.read(), LockedHead(32, root, note))

`hold_directory` keeps a second writer out of a data directory for as long as this process lives.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from filelock import FileLock, Timeout

from ledger.errors import ForkAlarm, StorageError
from ledger.files import sync_directory
from ledger.store.engine import connect_to_read

LOCK_NAME: Final = "lock.db"
_WRITER_NAME: Final = "writer.lock"
_TABLE: Final = """
    CREATE TABLE lock (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        origin TEXT NOT NULL,
        size INTEGER NOT NULL,
        root BLOB NOT NULL CHECK (LENGTH(root) = 32),
        note TEXT NOT NULL
    ) STRICT;
    -- INSERT OR REPLACE removes a row without asking a DELETE trigger.
    CREATE TRIGGER lock_once BEFORE INSERT ON lock
    WHEN EXISTS (SELECT 1 FROM lock)
    BEGIN SELECT RAISE(ABORT, 'there is one lock'); END;
    CREATE TRIGGER lock_rises BEFORE UPDATE ON lock
    WHEN NEW.size <= OLD.size OR NEW.origin IS NOT OLD.origin
    BEGIN SELECT RAISE(ABORT, 'the lock only rises'); END;
    CREATE TRIGGER lock_kept BEFORE DELETE ON lock
    BEGIN SELECT RAISE(ABORT, 'the lock never goes'); END;
"""


@dataclass(frozen=True, slots=True)
class LockedHead:
    """The head that the lock holds: tree size, root hash, and the note with the log's signatures."""

    size: int
    root: bytes
    note: str


class CheckpointLock:
    """One lock file; made by `create`, opened by `open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, origin: str) -> None:
        self.path = path
        self.origin = origin
        self._connection = connection

    @classmethod
    def create(cls, path: Path, origin: str, head: LockedHead) -> Self:
        """Make the lock of a new ledger.

        Raises:
            StorageError: the file exists, or cannot be written.
        """
        if path.exists():
            raise StorageError("there is a checkpoint lock at this place", field="lock")
        aside = path.with_name(path.name + ".new")
        try:
            aside.unlink(missing_ok=True)
            # Made aside and renamed: whoever finds a lock finds a whole one.
            with closing(_connect(aside, "rwc")) as connection:
                connection.executescript(_TABLE)
                connection.execute(
                    "INSERT INTO lock VALUES (1, ?, ?, ?, ?)", (origin, head.size, head.root, head.note)
                )
            aside.rename(path)
            sync_directory(path.parent)
        except (OSError, sqlite3.Error) as error:
            raise StorageError("the checkpoint lock cannot be made", field="lock") from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the lock of a ledger.

        Raises:
            ForkAlarm: code lock_mismatch, there is no lock.
            StorageError: it cannot be read.
        """
        if not path.is_file():
            raise _no_lock("the checkpoint lock is missing; without it nobody knows what was signed last")
        try:
            connection = _connect(path, "rw")
            (origin,) = connection.execute("SELECT origin FROM lock").fetchone()
        except sqlite3.Error as error:
            raise StorageError("the checkpoint lock cannot be read", field="lock") from error
        return cls(path, connection, origin)

    def read(self) -> LockedHead:
        """Return the head that the lock holds.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            row = self._connection.execute("SELECT size, root, note FROM lock").fetchone()
        except sqlite3.Error as error:
            raise StorageError("the checkpoint lock cannot be read", field="lock") from error
        return LockedHead(*row)

    def swap(self, size: int, root: bytes, new: LockedHead) -> None:
        """Replace the head (size, root) by `new`, durably, or change nothing.

        Raises:
            ForkAlarm: code lock_mismatch, the lock holds another head: somebody else writes this ledger.
            StorageError: the write failed, or nobody knows whether it did; the caller stops.
        """
        try:
            cursor = self._connection.execute(
                "UPDATE lock SET size = ?, root = ?, note = ? WHERE size = ? AND root = ?",
                (new.size, new.root, new.note, size, root),
            )
        except sqlite3.Error as error:
            raise StorageError("the checkpoint lock was not written", field="lock") from error
        if cursor.rowcount != 1:
            raise ForkAlarm("the checkpoint lock holds another head", field="lock", code="lock_mismatch")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def read_lock(path: Path) -> LockedHead:
    """Return what a lock holds, for an auditor or an operator; errors as `read_locked`."""
    return read_locked(path)[1]


def read_locked(path: Path) -> tuple[str, LockedHead]:
    """Return the origin and the head that a lock holds; nothing is written.

    Raises:
        ForkAlarm: code lock_mismatch, there is no lock, or not of its form.
        StorageError: it cannot be read.
    """
    if not path.is_file():
        raise _no_lock("the checkpoint lock is missing; without it nobody knows what was signed last")
    try:
        with closing(connect_to_read(path)) as connection:
            # Text as the driver gives it stays apart from blobs, whatever bytes it has.
            connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
            rows = connection.execute("SELECT origin, size, root, note FROM lock LIMIT 2").fetchall()
    except sqlite3.Error as error:
        raise StorageError("the checkpoint lock cannot be read", field="lock") from error
    match rows:
        case [(str(origin), int(size), bytes(root), str(note))]:
            return origin, LockedHead(size, root, note)
    raise _no_lock("the checkpoint lock is not of its form")


def _no_lock(detail: str) -> ForkAlarm:
    return ForkAlarm(detail, field="lock", code="lock_mismatch")


@contextmanager
def hold_directory(data_dir: Path, what: str = "this ledger") -> Iterator[None]:
    """Be the only writer of a data directory; `what` is what it holds, for the refusal.

    Raises:
        StorageError: code read_only, another process writes there.
    """
    guard = FileLock(data_dir / _WRITER_NAME, thread_local=False)
    try:
        guard.acquire(timeout=0)
    except Timeout as error:
        raise StorageError(
            f"another process writes {what}; only one may", field="writer", code="read_only"
        ) from error
    try:
        yield
    finally:
        guard.release()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, check_same_thread=False, isolation_level=None
    )
    connection.execute("PRAGMA busy_timeout = 10000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection
