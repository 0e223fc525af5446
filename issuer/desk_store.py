"""What a desk must not forget: the status places it has used, and what is on its way to the ledger.

One SQLite file. A place, the signed statement that takes it and the sealed secret of its holder are written
in one transaction before anything is sent, so that after a crash the same bytes are sent again, no place is
used twice and no card is lost. Nothing here is about a person but the desk's own row keys of a batch:
entries are public, case files are encrypted with the words, and the words with the passphrase (`vault`)
until the papers are written. What is deleted is overwritten.

    store.add([Outgoing(sub, "sc:1/0", 4711, entry, case_file)], [sealed])
    store.mark_listed(sub, index, path, logged_entry)
    store.forget(sub)                                     # case file and words are in safe hands
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from issuer.errors import IssuerError

PENDING: Final = "pending"
LISTED: Final = "listed"
REFUSED: Final = "refused"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS place (
    uri TEXT NOT NULL, idx INTEGER NOT NULL, sub TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
    PRIMARY KEY (uri, idx)
) STRICT;
CREATE TABLE IF NOT EXISTS outgoing (
    sub TEXT PRIMARY KEY, entry BLOB NOT NULL, case_file BLOB NOT NULL,
    ledger_index INTEGER, path BLOB, logged BLOB, code TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS salt (salt BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS secret (sub TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS batch (id TEXT PRIMARY KEY, folder TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS batch_row (
    row_key TEXT PRIMARY KEY, batch TEXT NOT NULL, fingerprint BLOB NOT NULL, sub TEXT NOT NULL UNIQUE,
    sheet INTEGER NOT NULL, number INTEGER NOT NULL, UNIQUE (batch, sheet, number)
) STRICT;
CREATE TABLE IF NOT EXISTS status_list (
    uri TEXT PRIMARY KEY, seq INTEGER NOT NULL, next_seq INTEGER, entry BLOB
) STRICT;
CREATE TABLE IF NOT EXISTS second_signers (version INTEGER PRIMARY KEY, rule TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS status_request (
    digest BLOB PRIMARY KEY, request BLOB NOT NULL, approval BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS status_part (
    digest BLOB NOT NULL, number INTEGER NOT NULL, uri TEXT NOT NULL, accepted INTEGER NOT NULL,
    PRIMARY KEY (digest, number)
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A signed credential that is not in its holder's hands yet.

    Attributes:
        sub: its subject.
        uri: its status list.
        idx: its place there.
        entry: the bytes to register.
        case_file: the encrypted case file without a position.
        state: pending, listed or refused.
        index, path, logged: where and as what it was logged; set once listed.
        code: why it was refused, or "".
    """

    sub: str
    uri: str
    idx: int
    entry: bytes
    case_file: bytes
    state: str = PENDING
    index: int | None = None
    path: bytes | None = None
    logged: bytes | None = None
    code: str = ""


class DeskStore:
    """The desk's SQLite file. Every change is on the disk when its method returns."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            IssuerError: storage_failed.
        """
        with _storage():
            # The garbage collector may close it, in whatever thread it runs; one desk works in one thread.
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
            self._close = weakref.finalize(self, self._db.close)
            path.chmod(0o600)
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; happens by itself when the store is no longer used."""
        self._close()

    def is_used(self, uri: str, idx: int) -> bool:
        """Return whether this desk has drawn the place before, whatever became of it."""
        with _storage():
            row = self._db.execute("SELECT 1 FROM place WHERE uri = ? AND idx = ?", (uri, idx)).fetchone()
        return row is not None

    def count_listed(self, uri: str) -> int:
        """Return how many places of the list this desk knows to be taken on the ledger."""
        with _storage():
            query = "SELECT count(*) FROM place WHERE uri = ? AND state = ?"
            return int(self._db.execute(query, (uri, LISTED)).fetchone()[0])

    def place_of(self, sub: str) -> tuple[str, int] | None:
        """Return the status place of a credential of this desk, or None."""
        with _storage():
            row = self._db.execute("SELECT uri, idx FROM place WHERE sub = ?", (sub,)).fetchone()
        return None if row is None else (str(row[0]), int(row[1]))

    def salt(self, fresh: bytes) -> bytes:
        """Return the salt of this desk; `fresh` becomes it where there is none yet."""
        with self.transaction() as db:
            db.execute("INSERT INTO salt SELECT ? WHERE NOT EXISTS (SELECT 1 FROM salt)", (fresh,))
            return bytes(db.execute("SELECT salt FROM salt").fetchone()[0])

    def find_place(
        self, *, row_key: str = "", sub: str = "", uri: str = "", idx: int = -1
    ) -> tuple[str, int, str] | None:
        """Return list, number and state of a place by row key of a batch, by subject, or by list and number."""
        found = self.query(
            "SELECT uri, idx, state FROM place WHERE sub = coalesce((SELECT sub FROM batch_row WHERE row_key = ?), ?)"
            " OR (uri = ? AND idx = ?)",
            (row_key, sub, uri, idx),
        )
        return None if not found else (str(found[0][0]), int(found[0][1]), str(found[0][2]))

    def lists_under_way(self) -> list[str]:
        """Return the lists that have a status statement whose fate is not known."""
        found = self.query("SELECT uri FROM status_list WHERE entry IS NOT NULL ORDER BY uri")
        return [str(uri) for (uri,) in found]

    def add(self, outgoing: Sequence[Outgoing], sealed: Sequence[bytes] = ()) -> None:
        """Store signed credentials, take their places and hold their sealed secrets, all or none.

        Args:
            outgoing: the credentials.
            sealed: the sealed secret of each, or nothing at all.

        Raises:
            IssuerError: place_taken, a place or a subject was used before; storage_failed.
        """
        with self.transaction() as db:
            db.executemany(
                "INSERT INTO place (uri, idx, sub, state) VALUES (?, ?, ?, ?)",
                [(item.uri, item.idx, item.sub, PENDING) for item in outgoing],
            )
            db.executemany(
                "INSERT INTO outgoing (sub, entry, case_file) VALUES (?, ?, ?)",
                [(item.sub, item.entry, item.case_file) for item in outgoing],
            )
            db.executemany(
                "INSERT INTO secret (sub, sealed) VALUES (?, ?)",
                [(item.sub, row) for item, row in zip(outgoing, sealed, strict=True)] if sealed else [],
            )

    def sealed(self, sub: str) -> bytes | None:
        """Return the sealed secret that is held for a credential, or None."""
        with _storage():
            row = self._db.execute("SELECT sealed FROM secret WHERE sub = ?", (sub,)).fetchone()
        return None if row is None else bytes(row[0])

    def held_alone(self) -> list[str]:
        """Return the subjects whose papers were not written, oldest first; those of batches are not among them."""
        query = "SELECT sub FROM secret WHERE sub NOT IN (SELECT sub FROM batch_row) ORDER BY rowid"
        with _storage():
            return [str(sub) for (sub,) in self._db.execute(query)]

    def erase_secret(self, sub: str) -> None:
        """Erase the sealed secret of a credential."""
        with self.transaction() as db:
            db.execute("DELETE FROM secret WHERE sub = ?", (sub,))

    def outgoing(self, sub: str | None = None) -> list[Outgoing]:
        """Return what is stored, oldest first: one subject, or all."""
        where, values = ("", ()) if sub is None else (" WHERE outgoing.sub = ?", (sub,))
        with _storage():
            rows = self._db.execute(
                "SELECT outgoing.sub, uri, idx, entry, case_file, state, ledger_index, path, logged, code"  # noqa: S608
                f" FROM outgoing JOIN place ON place.sub = outgoing.sub{where} ORDER BY outgoing.rowid",
                values,
            ).fetchall()
        return [Outgoing(*row) for row in rows]

    def mark_listed(self, sub: str, index: int, path: bytes, logged: bytes) -> None:
        """Record where a credential stands in the ledger."""
        with self.transaction() as db:
            db.execute("UPDATE place SET state = ? WHERE sub = ?", (LISTED, sub))
            db.execute(
                "UPDATE outgoing SET ledger_index = ?, path = ?, logged = ?, code = '' WHERE sub = ?",
                (index, path, logged, sub),
            )

    def mark_refused(self, sub: str, code: str) -> None:
        """Record that the ledger refused a credential. Its place stays used."""
        with self.transaction() as db:
            db.execute("UPDATE place SET state = ? WHERE sub = ?", (REFUSED, sub))
            db.execute("UPDATE outgoing SET code = ? WHERE sub = ?", (code, sub))

    def forget(self, sub: str) -> None:
        """Drop a credential's bytes and erase its secret, once both are elsewhere. Its place stays used."""
        with self.transaction() as db:
            db.execute("DELETE FROM outgoing WHERE sub = ?", (sub,))
            db.execute("DELETE FROM secret WHERE sub = ?", (sub,))

    def status_seq(self, uri: str) -> tuple[int, bytes | None]:
        """Return the list's last known sequence number, and a status statement whose fate is not known."""
        with _storage():
            row = self._db.execute("SELECT seq, entry FROM status_list WHERE uri = ?", (uri,)).fetchone()
        return (0, None) if row is None else (int(row[0]), row[1])

    def stage_status(self, uri: str, seq: int, entry: bytes) -> None:
        """Store a status statement before it is sent."""
        with self.transaction() as db:
            db.execute(
                "INSERT INTO status_list (uri, seq, next_seq, entry) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (uri) DO UPDATE SET next_seq = excluded.next_seq, entry = excluded.entry",
                (uri, seq - 1, seq, entry),
            )

    def settle_status(self, uri: str, *, accepted: bool) -> None:
        """Record the fate of the stored status statement."""
        with self.transaction() as db:
            db.execute(
                "UPDATE status_list SET seq = iif(?, next_seq, seq), next_seq = NULL, entry = NULL WHERE uri = ?",
                (accepted, uri),
            )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written inside is on the disk at the end, or none of it; one inside another joins it.

        Raises:
            IssuerError: storage_failed; place_taken where a key stands there already.
        """
        if self._is_open():
            yield self._db
            return
        with _storage():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._commit()
            except BaseException:
                if self._is_open():
                    self._db.execute("ROLLBACK")
                raise

    def query(self, sql: str, values: Sequence[str | int | bytes] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a question.

        Raises:
            IssuerError: storage_failed.
        """
        with _storage():
            return self._db.execute(sql, tuple(values)).fetchall()

    def _is_open(self) -> bool:
        return self._db.in_transaction

    def _commit(self) -> None:
        self._db.execute("COMMIT")


@contextmanager
def _storage() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError:
        raise IssuerError("place_taken", "this place or subject was used before", field="place") from None
    except (sqlite3.Error, OSError) as error:
        raise IssuerError(
            "storage_failed", "the desk's state cannot be read or written", field="desk"
        ) from error
