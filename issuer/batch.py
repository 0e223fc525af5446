"""Issuing for many people from one table, so that a power cut at any moment costs nobody a card or gives two.

Rounds of some sheets, each in this order; every step is on the disk before the next begins:

1. rows are read, judged and signed in memory; places are drawn;
2. one transaction: places, signed bytes, sealed secrets, row keys with sheet and line;
3. the bytes are sent; what the ledger answered is one transaction; refused rows are dropped, keys and all;
4. of each sheet whose rows are all on the ledger: case files, words, cards, slips, checklist;
5. one transaction: bytes dropped and secrets erased. The sheet is closed.

A run begins with the sheets that an earlier one left open, at step 3. Before step 2 nothing has happened;
after it the same bytes are sent again, which the ledger takes once; until step 5 the sealed secrets write the
same papers again. A row key that the journal has is never signed for again: if the row says the same it is
done, if it says something else it is reported.

    report = BatchRun(desk, journal, folder, created=midnight, sheet_size=100).run(Path("PEOPLE.csv"))
    report.issued, report.errors
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from issuer.batch_folder import BatchFolder, SheetPerson
from issuer.batch_journal import BatchJournal, JournalRow
from issuer.claims import claims_of
from issuer.csv_table import RowError, TableRow
from issuer.desk import Desk
from issuer.desk_store import LISTED, PENDING, REFUSED, Outgoing
from issuer.errors import InputError
from issuer.issued import Prepared
from issuer.ledger_client import is_refusal
from issuer.people_csv import COLUMNS, column_of, content_of, count_people, key_of, person_of, read_people
from issuer.places import PlaceDraw
from ledger.codes import CODES
from ledger.errors import CodedError

SHEET_SIZE: Final = 100
SHEET_SIZE_MAX: Final = 500
ROUND_PEOPLE: Final = 1000
"""People who are registered together, so that a batch does not wait for an epoch after every sheet."""

_NOT_OF_A_ROW: Final = frozenset({"storage_failed", "out_of_scope", "usage", "wrong_secret"})

Step = Callable[[int, str], None]


@dataclass(slots=True)
class BatchReport:
    """How a run ended.

    Attributes:
        rows: rows of the table.
        issued: people whose papers this run wrote.
        earlier: rows that were done before.
        waiting: people whose credential is signed and whose papers are not written.
        waits_for: the code for which they wait, or "".
        errors: rows that were not issued, and cards that could not be printed.
        elsewhere: people who wait in batches of other folders.
        stopped: whether rows were left untouched because the ledger does not answer or takes nobody.
    """

    rows: int = 0
    issued: int = 0
    earlier: int = 0
    waiting: int = 0
    waits_for: str = ""
    errors: list[RowError] = field(default_factory=list)
    elsewhere: int = 0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class _Signed:
    """A row that was signed in this round."""

    row: TableRow
    row_key: str
    fingerprint: bytes
    prepared: Prepared


class BatchRun:
    """One run of a batch; it is over when `run` returns."""

    def __init__(
        self,
        desk: Desk,
        journal: BatchJournal,
        folder: BatchFolder,
        *,
        created: datetime,
        sheet_size: int = SHEET_SIZE,
        step: Step = lambda _count, _doing: None,
    ) -> None:
        """Prepare.

        Args:
            desk: opened with its vault, and alone (`desk_folder.work_at`).
            journal: of the same desk.
            folder: of this batch.
            created: date in the PDF files; a whole day.
            sheet_size: people on a sheet, 1 to 500.
            step: told how many rows are done and what is being done.

        Raises:
            InputError: another sheet size.
        """
        if not 1 <= sheet_size <= SHEET_SIZE_MAX:
            raise InputError("size", f"must be from 1 to {SHEET_SIZE_MAX}")
        self._desk = desk
        self._journal = journal
        self._folder = folder
        self._created = created
        self._sheet_size = sheet_size
        self._round_size = max(1, ROUND_PEOPLE // sheet_size) * sheet_size
        self._step = step
        self._report = BatchReport()
        self._unprinted: dict[str, CodedError] = {}

    def run(self, table: Path) -> BatchReport:
        """Issue for every row that was not issued before, and return how it went.

        Raises:
            InputError: the file is not such a table; nothing has happened then.
            IssuerError: not_found, storage_failed, wrong_secret. Run it again.
        """
        report = self._report
        report.rows = count_people(table)
        self._finish(self._journal.open_sheets(self._folder.batch), {})
        if not report.waits_for:
            self._issue_all(table)
        report.elsewhere = self._journal.count_elsewhere(self._folder.batch)
        report.errors.sort(key=lambda item: item.number)
        self._folder.write_errors(report.errors)
        return report

    def _issue_all(self, table: Path) -> None:
        rows = self._new_rows(table)
        while not self._report.stopped:
            draw = self._desk.draw()
            signed: list[_Signed] = []
            for row, row_key, fingerprint in rows:
                try:
                    signed.append(_Signed(row, row_key, fingerprint, self._sign(row, table.parent, draw)))
                except CodedError as error:
                    self._refuse(row, row_key, error)
                if len(signed) == self._round_size:
                    break
            if not signed:
                return
            self._issue_round(signed)

    def _new_rows(self, table: Path) -> Iterator[tuple[TableRow, str, bytes]]:
        """Yield rows that were never issued, with key and fingerprint; count or report every other."""
        seen: set[str] = set()
        for row in read_people(table):
            row_key = ""
            try:
                row_key = key_of(row)
                if row_key in seen:
                    raise InputError("id", "stands in an earlier row, too")
                seen.add(row_key)
                fingerprint = self._desk.fingerprint(content_of(row))
                known = self._journal.find(row_key)
                if known is None:
                    yield row, row_key, fingerprint
                    continue
                self._check_known(row_key, fingerprint, known)
                if row_key in self._unprinted:
                    raise self._unprinted[row_key]
                self._report.earlier += 1
                self._step(1, "Reading")
            except CodedError as error:
                self._refuse(row, row_key, error)

    def _check_known(self, row_key: str, fingerprint: bytes, known: tuple[str, bytes]) -> None:
        batch, before = known
        if before != fingerprint:
            raise InputError("id", "was issued before for a row that said something else; nothing is changed")
        if batch != self._folder.batch:
            raise InputError("id", "was issued before by a batch in another folder")

    def _sign(self, row: TableRow, folder: Path, draw: PlaceDraw) -> Prepared:
        person = person_of(row)
        return self._desk.prepare(claims_of(person, folder), draw)

    def _issue_round(self, signed: Sequence[_Signed]) -> None:
        first = self._journal.next_sheet(self._folder.batch)
        places = [divmod(place, self._sheet_size) for place in range(len(signed))]
        journal_rows = [
            JournalRow(item.row_key, item.fingerprint, item.prepared.outgoing.sub, first + sheet, line + 1)
            for item, (sheet, line) in zip(signed, places, strict=True)
        ]
        with self._desk.store.transaction():
            self._desk.keep([item.prepared for item in signed])
            self._journal.add(self._folder.batch, journal_rows)
        sheets = sorted({row.sheet for row in journal_rows})
        refused = self._finish(sheets, {item.row_key: item.row for item in signed})
        self._report.stopped = refused == len(signed) or bool(self._report.waits_for)

    def _finish(self, sheets: Sequence[int], rows: Mapping[str, TableRow]) -> int:
        """Register what is pending on these sheets and write every sheet that is complete (steps 3 to 5).

        Returns how many rows the ledger refused.

        Args:
            sheets: their numbers.
            rows: rows of this round by key; a row of an earlier run is reported when it is read.
        """
        on_sheets = {sheet: self._journal.rows(self._folder.batch, sheet) for sheet in sheets}
        stored = self._stored([row for found in on_sheets.values() for row in found])
        pending = [item for item in stored.values() if item.state == PENDING]
        self._step(0, "Registering")
        for outcome in self._desk.register(pending):
            if isinstance(outcome, CodedError) and not is_refusal(outcome):
                self._report.waits_for = outcome.code
        refused = self._drop_refused([row for found in on_sheets.values() for row in found], rows)
        for sheet in sheets:
            self._write_sheet(sheet, rows)
        return refused

    def _drop_refused(self, found: Sequence[JournalRow], rows: Mapping[str, TableRow]) -> int:
        stored = self._stored(found)
        refused = [row for row in found if stored[row.sub].state == REFUSED]
        self._journal.drop([row.sub for row in refused])
        for row in refused:
            if row.row_key in rows:  # one of an earlier run is signed for anew when its row is read
                number, code = rows[row.row_key].number, stored[row.sub].code
                self._report.errors.append(RowError(number, row.row_key, "", code, CODES[code].meaning))
                self._step(1, "Registering")
        return len(refused)

    def _write_sheet(self, sheet: int, rows: Mapping[str, TableRow]) -> None:
        found = self._journal.rows(self._folder.batch, sheet)
        stored = self._stored(found)
        if any(item.state != LISTED for item in stored.values()):
            self._report.waiting += len(found)
            return
        if not found:
            return
        self._step(0, "Printing")
        people = []
        for row in found:
            issued, _ = self._desk.take_up(stored[row.sub])
            people.append(SheetPerson(row.row_key, row.sub, issued.secret, issued.case_file))
        failures = self._folder.write_sheet(sheet, people, created=self._created)
        self._journal.close_sheet(self._folder.batch, sheet)
        self._report.issued += len(found)
        for row in found:
            if row.sub in failures:
                self._note_unprinted(row.row_key, failures[row.sub], rows)
        self._step(sum(row.row_key in rows for row in found), "Printing")

    def _note_unprinted(self, row_key: str, error: CodedError, rows: Mapping[str, TableRow]) -> None:
        if row_key in rows:
            self._report.errors.append(RowError.of(rows[row_key].number, row_key, error))
        else:
            self._unprinted[row_key] = error

    def _stored(self, rows: Sequence[JournalRow]) -> dict[str, Outgoing]:
        return {item.sub: item for row in rows for item in self._desk.store.outgoing(row.sub)}

    def _refuse(self, row: TableRow, row_key: str, error: CodedError) -> None:
        if error.code in _NOT_OF_A_ROW and error.field != "portrait":
            raise error
        name = error.field if error.field in COLUMNS else column_of(error.field)
        self._report.errors.append(RowError.of(row.number, row_key, error, name))
        self._step(1, "Reading")
