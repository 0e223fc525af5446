"""What a witness remembers: every checkpoint that it cosigned, and what speaks against a log.

C2SP tlog-witness asks for one thing above all: the size is compared and the new checkpoint is brought to the
disk in one step, before the answer goes out. Here that step is one transaction of SQLite with
`synchronous=FULL`. Nothing is ever taken back: triggers refuse a smaller tree, another root, and a deletion.

    cosigned   each checkpoint that was cosigned, whole, with the witness's newest line; the largest is the head
    refused    checkpoints that the log signed and that contradict those, or were not proven to extend them
    alarms     why a log is refused for ever
    key_sets   keys of a log that were learnt by replaying it

    state = WitnessState.open(folder / "state.db")
    state.remember(origin, before, StoredHead(32, root, note), time_s)
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ledger.errors import StorageError
from ledger.files import sync_directory

STATE_NAME: Final = "state.db"
MAX_REFUSED: Final = 1_000
"""Contradicting checkpoints that are kept of one log, and as many that were not proven. The first convinces; a
thousand are no better. The two do not count together, nor does what was cosigned since: anybody can hand in an
honest head without its proof, and must not keep a fork out of the memory by that."""
_FORMAT: Final = 1
"""`user_version` of the tables below."""
_TABLES: Final = """
    PRAGMA user_version = 1;
    CREATE TABLE cosigned (
        origin TEXT NOT NULL,
        size INTEGER NOT NULL CHECK (size >= 0),
        root BLOB NOT NULL CHECK (LENGTH(root) = 32),
        note TEXT NOT NULL,
        time_s INTEGER NOT NULL,
        PRIMARY KEY (origin, size)
    ) STRICT;
    CREATE TABLE refused (
        origin TEXT NOT NULL,
        size INTEGER NOT NULL,
        root BLOB NOT NULL CHECK (LENGTH(root) = 32),
        note TEXT NOT NULL,
        is_fork INTEGER NOT NULL CHECK (is_fork IN (0, 1)),
        detail TEXT NOT NULL,
        time_s INTEGER NOT NULL,
        PRIMARY KEY (origin, size, root)
    ) STRICT;
    CREATE TABLE alarms (
        origin TEXT PRIMARY KEY,
        code TEXT NOT NULL,
        leaf_index INTEGER,
        detail TEXT NOT NULL,
        note TEXT NOT NULL,
        time_s INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE key_sets (
        origin TEXT NOT NULL,
        number INTEGER NOT NULL,
        vkeys TEXT NOT NULL,
        PRIMARY KEY (origin, number),
        UNIQUE (origin, vkeys)
    ) STRICT;
    CREATE TRIGGER cosigned_rises BEFORE INSERT ON cosigned
    WHEN EXISTS (SELECT 1 FROM cosigned WHERE origin = NEW.origin AND size >= NEW.size)
    BEGIN SELECT RAISE(ABORT, 'a witness never goes back'); END;
    CREATE TRIGGER cosigned_stands BEFORE UPDATE ON cosigned
    WHEN NEW.origin IS NOT OLD.origin OR NEW.size IS NOT OLD.size OR NEW.root IS NOT OLD.root
    BEGIN SELECT RAISE(ABORT, 'what was cosigned stands'); END;
    CREATE TRIGGER cosigned_kept BEFORE DELETE ON cosigned
    BEGIN SELECT RAISE(ABORT, 'what was cosigned stays'); END;
    CREATE TRIGGER refused_kept BEFORE DELETE ON refused
    BEGIN SELECT RAISE(ABORT, 'evidence stays'); END;
    CREATE TRIGGER alarms_kept BEFORE DELETE ON alarms
    BEGIN SELECT RAISE(ABORT, 'an alarm stays'); END;
    CREATE TRIGGER alarms_stand BEFORE UPDATE ON alarms
    BEGIN SELECT RAISE(ABORT, 'an alarm stands'); END;
"""


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A checkpoint: tree size, root hash, and the note with the lines of the log and of the witness."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class RefusedHead:
    """A checkpoint that the log signed and the witness did not cosign.

    Attributes:
        size, root, note: the checkpoint.
        is_fork: whether it contradicts what was cosigned. If not, nobody proved that it extends that, which may
            be the fault of whoever handed it in.
        detail: why, in words.
        time_s: when, POSIX time.
    """

    size: int
    root: bytes
    note: str
    is_fork: bool
    detail: str
    time_s: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why a log is refused for ever: code and index of the entry, in words, under which checkpoint, when."""

    code: str
    index: int | None
    detail: str
    note: str
    time_s: int


class WitnessState:
    """One state file. Methods may be called from any thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._guard = threading.Lock()
        self._failed = False

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make the state of a new witness; it is made once, and never anew.

        Raises:
            StorageError: the file exists, or cannot be written.
        """
        if path.exists():
            raise StorageError("there is a state of a witness at this place", field="witness")
        aside = path.with_name(path.name + ".new")
        try:
            aside.unlink(missing_ok=True)
            # Made aside and renamed: whoever finds a state finds a whole one.
            with closing(_connect(aside, "rwc")) as connection:
                connection.executescript(_TABLES)
            aside.rename(path)
            sync_directory(path.parent)
        except (OSError, sqlite3.Error) as error:
            raise StorageError("the state of the witness cannot be made", field="witness") from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a state and look it through.

        Raises:
            StorageError: there is none, or it cannot be read, is damaged, or of another version. A witness
                without its memory must not sign.
        """
        if not path.is_file():
            raise StorageError(
                "the state of the witness is missing; without it nobody knows what it cosigned",
                field="witness",
            )
        connection = None
        try:
            connection = _connect(path, "rw")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            is_whole = connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise StorageError("the state of the witness cannot be read", field="witness") from error
        if version != _FORMAT or not is_whole:
            connection.close()
            raise StorageError("the state of the witness is damaged", field="witness")
        return cls(path, connection)

    def head(self, origin: str) -> StoredHead | None:
        """Return the last checkpoint that was cosigned for a log, None if there is none.

        Raises:
            StorageError: the state cannot be read, or a write before failed.
        """
        with self._reading() as connection:
            return _head(connection, origin)

    def root_at(self, origin: str, size: int) -> bytes | None:
        """Return the root that was cosigned for a size, None if none was; errors as `head`."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT root FROM cosigned WHERE origin = ? AND size = ?", (origin, size)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def remember(self, origin: str, before: StoredHead | None, new: StoredHead, time_s: int) -> bool:
        """Put a head in the place of another, durably, or change nothing.

        Args:
            origin: the log.
            before: the head that was compared with; None if there was none.
            new: of a larger tree, or of the same tree with a newer line.
            time_s: POSIX time of the cosignature.

        Returns:
            Whether `before` was still the head. If not, nothing was written.

        Raises:
            StorageError: the write failed, or nobody knows whether it did; from then on everything fails.
        """
        with self._writing() as connection:
            now = _head(connection, origin)
            if (now and (now.size, now.root)) != (before and (before.size, before.root)):
                return False
            if now is not None and now.size == new.size:
                connection.execute(
                    "UPDATE cosigned SET note = ?, time_s = ?, root = ? WHERE origin = ? AND size = ?",
                    (new.note, time_s, new.root, origin, new.size),
                )
            else:
                connection.execute(
                    "INSERT INTO cosigned VALUES (?, ?, ?, ?, ?)",
                    (origin, new.size, new.root, new.note, time_s),
                )
        return True

    def keep_refused(self, origin: str, refused: RefusedHead) -> None:
        """Keep a checkpoint that speaks against its log, once; errors as `remember`."""
        with self._writing() as connection:
            (count,) = connection.execute(
                "SELECT COUNT(*) FROM refused r LEFT JOIN cosigned c ON c.origin = r.origin AND c.size = r.size"
                " WHERE r.origin = ? AND r.is_fork = ? AND c.root IS NOT r.root",
                (origin, refused.is_fork),
            ).fetchone()
            if count < MAX_REFUSED:
                connection.execute(
                    "INSERT INTO refused VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
                    " SET is_fork = 1, detail = excluded.detail WHERE excluded.is_fork > is_fork",
                    (
                        origin,
                        refused.size,
                        refused.root,
                        refused.note,
                        refused.is_fork,
                        refused.detail,
                        refused.time_s,
                    ),
                )

    def keep_alarm(self, origin: str, alarm: Alarm) -> None:
        """Remember the first reason to refuse a log for ever; errors as `remember`."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO alarms VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (origin, alarm.code, alarm.index, alarm.detail, alarm.note, alarm.time_s),
            )

    def keep_key_set(self, origin: str, vkeys: Sequence[str]) -> None:
        """Remember keys that sign together for a log, oldest first; errors as `remember`."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO key_sets SELECT ?, (SELECT COUNT(*) FROM key_sets WHERE origin = ?), ?"
                " WHERE NOT EXISTS (SELECT 1 FROM key_sets WHERE origin = ? AND vkeys = ?)",
                (origin, origin, "\n".join(vkeys), origin, "\n".join(vkeys)),
            )

    def alarm(self, origin: str) -> Alarm | None:
        """Return why a log is refused for ever, None if it is not; errors as `head`."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT code, leaf_index, detail, note, time_s FROM alarms WHERE origin = ?", (origin,)
            ).fetchone()
        return None if row is None else Alarm(*row)

    def refused(self, origin: str) -> list[RefusedHead]:
        """Return the checkpoints that were kept and never cosigned, oldest first; errors as `head`.

        What was cosigned since, for the same size, tells whether one is a fork.
        """
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT r.size, r.root, r.note, r.is_fork OR c.root IS NOT NULL, r.detail, r.time_s"
                " FROM refused r LEFT JOIN cosigned c ON c.origin = r.origin AND c.size = r.size"
                " WHERE r.origin = ? AND c.root IS NOT r.root ORDER BY r.rowid",
                (origin,),
            ).fetchall()
        return [
            RefusedHead(size, root, note, bool(is_fork), detail, time_s)
            for size, root, note, is_fork, detail, time_s in rows
        ]

    def fork_count(self, origin: str) -> int:
        """Return how many of `refused` are forks; errors as `head`."""
        with self._reading() as connection:
            (count,) = connection.execute(
                "SELECT COUNT(*) FROM refused r LEFT JOIN cosigned c ON c.origin = r.origin AND c.size = r.size"
                " WHERE r.origin = ? AND c.root IS NOT r.root AND (r.is_fork OR c.root IS NOT NULL)",
                (origin,),
            ).fetchone()
        return int(count)

    def cosigned(self, origin: str) -> list[StoredHead]:
        """Return every checkpoint that was cosigned for a log, by rising size; errors as `head`."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT size, root, note FROM cosigned WHERE origin = ? ORDER BY size", (origin,)
            ).fetchall()
        return [StoredHead(*row) for row in rows]

    def note_at(self, origin: str, size: int) -> str | None:
        """Return the note that was cosigned for a size, None if none was; errors as `head`."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT note FROM cosigned WHERE origin = ? AND size = ?", (origin, size)
            ).fetchone()
        return None if row is None else str(row[0])

    def key_sets(self, origin: str) -> list[tuple[str, ...]]:
        """Return the verifier keys of the sets that were learnt, oldest first; errors as `head`."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT vkeys FROM key_sets WHERE origin = ? ORDER BY number", (origin,)
            ).fetchall()
        return [tuple(vkeys.split("\n")) for (vkeys,) in rows]

    def origins(self) -> list[str]:
        """Return the logs of which anything is remembered; errors as `head`."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT origin FROM cosigned UNION SELECT origin FROM refused UNION SELECT origin FROM alarms"
            ).fetchall()
        return sorted(origin for (origin,) in rows)

    def close(self) -> None:
        """Close the file."""
        with self._guard:
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            if self._failed:
                raise _write_failed()
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise StorageError("the state of the witness cannot be read", field="witness") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction. After a failed write nobody knows what the disk holds: nothing more is signed."""
        with self._guard:
            if self._failed:
                raise _write_failed()
            connection = self._connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                self._failed = True
                if isinstance(error, sqlite3.Error):
                    raise _write_failed() from error
                raise


def _head(connection: sqlite3.Connection, origin: str) -> StoredHead | None:
    row = connection.execute(
        "SELECT size, root, note FROM cosigned WHERE origin = ? ORDER BY size DESC LIMIT 1", (origin,)
    ).fetchone()
    return None if row is None else StoredHead(*row)


def _write_failed() -> StorageError:
    return StorageError(
        "the state of the witness was not written; start it again when the disk is in order", field="witness"
    )


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, check_same_thread=False, isolation_level=None
    )
    try:
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
