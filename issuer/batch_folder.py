"""The folder of a batch: sheets of cards, words, slips and checklists, case files, and the report of errors.

    batch.id              which batch of which desk the folder belongs to; a random number
    sheet-0001-cards.pdf  cards of up to 100 people, four on a page
    sheet-0001-words.pdf  their words, one page each, in the same order: print, hand over, delete
    sheet-0001-slips.pdf  the codes that open their sealed parts, in the same order
    sheet-0001-checklist.pdf, .csv   number, row key, reference, and a box to tick
    cases/card-SUB.case   case files
    errors.csv            rows that were not issued: row, id, field, code, reason

No name of a file says anything about a person. Writing a sheet again writes the same papers again.

    folder = BatchFolder.take(Path("sheets"), journal, random_bytes)
    folder.write_sheet(1, people, created=midnight)
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from credential.core.case_file import open_case
from credential.core.holder import format_words
from issuer.batch_journal import BatchJournal
from issuer.card_pdf import CardFace, render_batch
from issuer.cards import REFERENCE_CHARACTERS, check_codes, make_codes, make_faces, stem_of
from issuer.csv_table import RowError, format_errors
from issuer.errors import InputError
from issuer.files import make_folder, read_file, replace_file, sweep_parts
from issuer.sheet_pdf import (
    ChecklistLine,
    SlipPage,
    WordsPage,
    render_checklist,
    render_slips,
    render_words_sheets,
)
from ledger.errors import CodedError

MARKER: Final = "batch.id"
ERRORS: Final = "errors.csv"
CASES: Final = "cases"
CHECKLIST_COLUMNS: Final = ("number", "id", "reference", "handed_over")
_ID_BYTES: Final = 16

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class SheetPerson:
    """One person on a sheet: the desk's row key, subject, secret and the case file with its position."""

    row_key: str
    sub: str
    secret: bytes
    case_file: bytes


class MakePapers(Protocol):
    """Makes the papers of a sheet."""

    def __call__(
        self, number: int, people: Sequence[SheetPerson], *, created: datetime, random_bytes: RandomBytes
    ) -> tuple[dict[str, bytes], dict[str, CodedError]]:
        """Return files by name in the order in which they are written, and why a card cannot be printed by sub."""
        ...


class BatchFolder:
    """A folder that belongs to one batch of one desk."""

    def __init__(self, path: Path, batch: str, random_bytes: RandomBytes, make_papers: MakePapers) -> None:
        self.path = path
        self.batch = batch
        self._random_bytes = random_bytes
        self._make_papers = make_papers

    @classmethod
    def take(
        cls,
        path: Path,
        journal: BatchJournal,
        random_bytes: RandomBytes,
        make_papers: MakePapers | None = None,
    ) -> BatchFolder:
        """Take the folder of an earlier run up again, or make a new one.

        The batch is stored before its marker, so that a folder whose marker was not written yet is known
        by its place.

        Raises:
            InputError: the folder is not empty and belongs to no batch of this desk.
            IssuerError: storage_failed.
        """
        make_folder(path)
        place = str(path.resolve())
        marker = path / MARKER
        sweep_parts(path)
        if marker.exists():
            found = journal.find_batch(batch=read_file(marker, "out", max_size=64).decode("ascii", "replace"))
            if found is None:
                raise InputError("out", "belongs to a batch of another desk")
        else:
            if any(path.iterdir()):
                raise InputError("out", "must be a new folder, or that of an earlier run")
            found = journal.find_batch(folder=place)
            if found is None:
                found = random_bytes(_ID_BYTES).hex()
                journal.add_batch(found, place)
            replace_file(marker, found.encode())
        make_folder(path / CASES)
        sweep_parts(path / CASES)
        return cls(path, found, random_bytes, make_papers or make_sheet_papers)

    def write_sheet(
        self, number: int, people: Sequence[SheetPerson], *, created: datetime
    ) -> dict[str, CodedError]:
        """Write case files and papers of a sheet; return by sub why a card could not be printed.

        Such a card has its case file and its words, so that it can be printed later.

        Raises:
            IssuerError: storage_failed.
        """
        for person in people:
            replace_file(self.path / CASES / f"{stem_of(person.case_file)}.case", person.case_file)
        files, failures = self._make_papers(number, people, created=created, random_bytes=self._random_bytes)
        for name, data in files.items():
            replace_file(self.path / name, data)
        return failures

    def write_errors(self, errors: Sequence[RowError]) -> None:
        """Write the report, or delete that of an earlier run where there is nothing to report."""
        if errors:
            replace_file(self.path / ERRORS, format_errors(errors))
        else:
            (self.path / ERRORS).unlink(missing_ok=True)


def make_sheet_papers(
    number: int, people: Sequence[SheetPerson], *, created: datetime, random_bytes: RandomBytes
) -> tuple[dict[str, bytes], dict[str, CodedError]]:
    """Return the papers of a sheet, see `MakePapers`; every code has been read back from its picture."""
    stem = f"sheet-{number:04}"
    faces: list[CardFace] = []
    slips: list[SlipPage] = []
    failures: dict[str, CodedError] = {}
    marks = {person.sub: f"{number:04} / {line}" for line, person in enumerate(people, 1)}
    for person in people:
        try:
            case = open_case(person.case_file, person.secret)
            codes = make_codes(case.logged(), person.secret, random_bytes)
            check_codes(codes)
            faces += make_faces(case, codes)
        except CodedError as error:
            failures[person.sub] = error
            continue
        if codes.slip is not None:
            slips.append(SlipPage(codes.slip, marks[person.sub]))
    words = [WordsPage(format_words(person.secret).split(), marks[person.sub]) for person in people]
    files = {f"{stem}-words.pdf": render_words_sheets(words, created=created)}
    if faces:
        files[f"{stem}-cards.pdf"] = render_batch(faces, created=created)
    if slips:
        files[f"{stem}-slips.pdf"] = render_slips(slips, created=created)
    lines = [
        ChecklistLine(line, person.row_key, person.sub[:REFERENCE_CHARACTERS])
        for line, person in enumerate(people, 1)
    ]
    files[f"{stem}-checklist.pdf"] = render_checklist(f"{number:04}", lines, created=created)
    files[f"{stem}-checklist.csv"] = _format_checklist(lines)
    return files, failures


def _format_checklist(lines: Sequence[ChecklistLine]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(CHECKLIST_COLUMNS)
    table.writerows((line.number, line.row_key, line.reference, "") for line in lines)
    return text.getvalue().encode()
