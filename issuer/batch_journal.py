"""What the desk remembers of batches: which row became which credential, on which sheet, in which folder.

The tables are in the desk's one SQLite file (`desk_store`), so that a row is written in the transaction that
takes its place and holds its secret. A row key stands for one credential of this desk for ever. A sheet is
open while one of its rows still waits in the outbox; closing it drops bytes and secrets of all its rows at once.

    journal = BatchJournal(store)
    with store.transaction():
        desk.keep(prepared)
        journal.add(batch, [JournalRow("A-17", fingerprint, sub, 1, 1)])
    journal.close_sheet(batch, 1)                      # its papers are on the disk
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from issuer.desk_store import DeskStore


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One row of a batch.

    Attributes:
        row_key: the desk's own key.
        fingerprint: of what the row says (`Vault.fingerprint`).
        sub: subject of its credential.
        sheet: number of its sheet in the folder, from 1.
        number: its place on the sheet, from 1; refused rows leave gaps.
    """

    row_key: str
    fingerprint: bytes
    sub: str
    sheet: int
    number: int


class BatchJournal:
    """Batches of one desk. Every change is on the disk when its method, or its transaction, ends."""

    def __init__(self, store: DeskStore) -> None:
        self._store = store

    def find_batch(self, *, batch: str = "", folder: str = "") -> str | None:
        """Return the id of a batch by itself or by its folder, or None."""
        found = self._store.query("SELECT id FROM batch WHERE id = ? OR folder = ?", (batch, folder))
        return None if not found else str(found[-1][0])

    def add_batch(self, batch: str, folder: str) -> None:
        """Store a new batch."""
        with self._store.transaction() as db:
            db.execute("INSERT INTO batch (id, folder) VALUES (?, ?)", (batch, folder))

    def find(self, row_key: str) -> tuple[str, bytes] | None:
        """Return batch and fingerprint of a row key that was used at this desk, or None."""
        found = self._store.query("SELECT batch, fingerprint FROM batch_row WHERE row_key = ?", (row_key,))
        return None if not found else (str(found[0][0]), bytes(found[0][1]))

    def add(self, batch: str, rows: Sequence[JournalRow]) -> None:
        """Store rows, all or none.

        Raises:
            IssuerError: place_taken, a row key was used before; storage_failed.
        """
        with self._store.transaction() as db:
            db.executemany(
                "INSERT INTO batch_row (batch, row_key, fingerprint, sub, sheet, number)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [(batch, row.row_key, row.fingerprint, row.sub, row.sheet, row.number) for row in rows],
            )

    def drop(self, subs: Sequence[str]) -> None:
        """Drop rows that the ledger refused, with all that the desk holds of them; their keys are free again."""
        with self._store.transaction() as db:
            for sub in subs:
                db.execute("DELETE FROM batch_row WHERE sub = ?", (sub,))
                self._store.forget(sub)

    def next_sheet(self, batch: str) -> int:
        """Return the number of the next new sheet."""
        query = "SELECT coalesce(max(sheet), 0) + 1 FROM batch_row WHERE batch = ?"
        return int(self._store.query(query, (batch,))[0][0])

    def open_sheets(self, batch: str) -> list[int]:
        """Return the sheets whose papers are not all on the disk, by number."""
        found = self._store.query(
            "SELECT DISTINCT sheet FROM batch_row JOIN outgoing ON outgoing.sub = batch_row.sub"
            " WHERE batch = ? ORDER BY sheet",
            (batch,),
        )
        return [int(sheet) for (sheet,) in found]

    def rows(self, batch: str, sheet: int) -> list[JournalRow]:
        """Return the rows of a sheet in their order."""
        found = self._store.query(
            "SELECT row_key, fingerprint, sub, sheet, number FROM batch_row"
            " WHERE batch = ? AND sheet = ? ORDER BY number",
            (batch, sheet),
        )
        return [JournalRow(str(key), bytes(data), str(sub), int(n), int(m)) for key, data, sub, n, m in found]

    def close_sheet(self, batch: str, sheet: int) -> None:
        """Drop bytes and erase secrets of a sheet whose papers are on the disk."""
        with self._store.transaction():
            for row in self.rows(batch, sheet):
                self._store.forget(row.sub)

    def count_elsewhere(self, batch: str) -> int:
        """Return how many rows of other batches still wait."""
        query = (
            "SELECT count(*) FROM batch_row JOIN outgoing ON outgoing.sub = batch_row.sub WHERE batch <> ?"
        )
        return int(self._store.query(query, (batch,))[0][0])
