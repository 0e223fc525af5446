"""A table that a clerk made: CSV in UTF-8 with a header of known columns, read row by row.

RFC 4180, with or without a byte order mark, columns in any order. Rows are numbered as a spreadsheet shows
them: the header is row 1. Memory does not grow with the table. What is wrong is told by row and column and
never by value, because the report may be read by others than the table.

    check_table(path, COLUMNS, required=("id",))          # the whole file is CSV: how many rows
    for row in read_table(path, COLUMNS, required=("id",)):
        row.number, row.cells["id"]
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from issuer.errors import InputError, IssuerError
from ledger.errors import CodedError

ERROR_COLUMNS: Final = ("row", "id", "field", "code", "reason")
_CELLS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row.

    Attributes:
        number: as a spreadsheet shows it.
        cells: text by column, without spaces around it; empty cells are left out.
        is_whole: whether it has as many cells as the header.
    """

    number: int
    cells: Mapping[str, str]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was not taken.

    Attributes:
        number: of the row.
        row_key: the desk's own key of the row, or "" where it is not of its form.
        field: the column, or "".
        code: one of `ledger.codes`.
        reason: one clause, without any value.
    """

    number: int
    row_key: str
    field: str
    code: str
    reason: str

    @classmethod
    def of(cls, number: int, row_key: str, error: CodedError, field: str | None = None) -> RowError:
        """Return the report of an error; `field` is the column where it is not the error's own field."""
        return cls(number, row_key, error.field if field is None else field, error.code, error.detail)


def read_table(path: Path, columns: Collection[str], *, required: Sequence[str]) -> Iterator[TableRow]:
    """Yield the rows; empty ones are left out.

    Raises:
        IssuerError: not_found, storage_failed.
        InputError: a header with a column twice, missing or unknown, or a row that is not CSV in UTF-8.
    """
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = _check_header(next(lines, []), columns, required)
            number = 1
            for cells in lines:
                number += 1
                if any(cell.strip() for cell in cells):
                    pairs = zip(header, (cell.strip() for cell in cells), strict=False)
                    yield TableRow(
                        number, {name: cell for name, cell in pairs if cell}, len(cells) == len(header)
                    )
    except FileNotFoundError:
        raise IssuerError("not_found", "there is no such file", field="table") from None
    except OSError as error:
        raise IssuerError("storage_failed", "the table cannot be read", field="table") from error
    except (csv.Error, UnicodeDecodeError):
        raise InputError("table", f"is not CSV in UTF-8 at row {number + 1}") from None


def check_table(path: Path, columns: Collection[str], *, required: Sequence[str]) -> int:
    """Read a table to its end and return how many rows it has; errors as `read_table`."""
    return sum(1 for _ in read_table(path, columns, required=required))


def format_errors(errors: Iterable[RowError]) -> bytes:
    """Return the report as CSV in UTF-8."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(ERROR_COLUMNS)
    table.writerows((item.number, item.row_key, item.field, item.code, item.reason) for item in errors)
    return text.getvalue().encode()


def _check_header(cells: Sequence[str], columns: Collection[str], required: Sequence[str]) -> list[str]:
    header = [cell.strip().lower() for cell in cells[:_CELLS_MAX]]
    if not any(header) or len(set(header)) != len(cells) or not set(header) <= set(columns):
        raise InputError("table", f"must have a header of some of these columns: {', '.join(columns)}")
    missing = [name for name in required if name not in header]
    if missing:
        raise InputError("table", f"lacks the column {missing[0]}")
    return header
