"""PEOPLE.csv: one person a row, in the columns that an office already has.

    id               the desk's own row key, 1 to 64 of A-Z a-z 0-9 . _ / -; never used before at this desk. It
                     stays at the desk: in its state and on the checklist, never on the ledger or a card.
    name, latin      the name, and its form in Latin letters; both are needed
    script           ISO 15924 code of the name's script, where it should not be found out
    known_as, known_as_latin    a second name, both or none
    birth            as it was told (see credential.core.told_birth), or EARLIEST/LATEST in Gregorian days
    calendar, basis  of the birth; gregorian and statement if absent
    sex, birthplace, portrait   as in PERSON.json; the portrait is a file beside the table
    nationalities    codes with semicolons between them

An empty cell, or "unknown", is unknown. Rules and reasons are those of `issuer.person`.

>>> row = TableRow(2, {"id": "A-1", "name": "Hosna", "latin": "HOSNA", "birth": "1999"}, True)
>>> person_of(row).birth.latest, key_of(row)
(datetime.date(1999, 12, 31), 'A-1')
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from issuer.csv_table import TableRow, check_table, read_table
from issuer.errors import InputError
from issuer.person import UNDETERMINED, UNKNOWN, Person, parse_person
from ledger.core import cbor

COLUMNS: Final = (
    "id", "name", "latin", "script", "known_as", "known_as_latin", "birth", "calendar", "basis", "sex",
    "nationalities", "birthplace", "portrait",
)  # fmt: skip
_REQUIRED: Final = ("id", "name", "latin")
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
# Path in the record -> column, by the beginning of the path; the first that fits.
_COLUMN_OF: Final = (
    ("names[0].latin", "latin"),
    ("names[0].script", "script"),
    ("names[1].latin", "known_as_latin"),
    ("names[1]", "known_as"),
    ("name", "name"),
    ("birth.calendar", "calendar"),
    ("birth.basis", "basis"),
    ("birthplace", "birthplace"),
    ("birth", "birth"),
    ("sex", "sex"),
    ("nationalities", "nationalities"),
    ("portrait", "portrait"),
)


def count_people(path: Path) -> int:
    """Read the table to its end and return its rows.

    Raises:
        IssuerError: not_found, storage_failed.
        InputError: not CSV in UTF-8 with a header of `COLUMNS`.
    """
    return check_table(path, COLUMNS, required=_REQUIRED)


def read_people(path: Path) -> Iterator[TableRow]:
    """Yield the rows of the table; errors as `count_people`."""
    return read_table(path, COLUMNS, required=_REQUIRED)


def key_of(row: TableRow) -> str:
    """Return the desk's own key of a row.

    Raises:
        InputError: it is missing or not of its form.
    """
    key = row.cells.get("id", "")
    if not _KEY.fullmatch(key):
        raise InputError("id", "must be 1 to 64 of A-Z, a-z, 0-9, dot, underscore, slash and hyphen")
    return key


def person_of(row: TableRow) -> Person:
    """Return the person of a row.

    Raises:
        InputError: a cell breaks its rule; the field is the column.
    """
    if not row.is_whole:
        raise InputError("", "the row has not as many cells as the header")
    try:
        return parse_person(_record(row.cells))
    except InputError as error:
        raise InputError(column_of(error.field), error.detail) from None


def content_of(row: TableRow) -> bytes:
    """Return what a row says without its key, in one form, for a fingerprint."""
    return cbor.encode(sorted([name, cell] for name, cell in row.cells.items() if name != "id"))


def column_of(field: str) -> str:
    """Return the column that a field of the record came from, or ""."""
    return next((column for start, column in _COLUMN_OF if field.startswith(start)), "")


def _record(cells: Mapping[str, str]) -> dict[str, Any]:
    known = {name: cell for name, cell in cells.items() if cell.lower() != UNKNOWN or name.startswith("name")}
    names = [_name(cells, "name", "latin", "primary")]
    if "known_as" in cells or "known_as_latin" in cells:
        names.append(_name(cells, "known_as", "known_as_latin", "known_as"))
    record: dict[str, Any] = {"names": names}
    if "birth" in known:
        record["birth"] = _birth(known)
    if "nationalities" in known:
        codes = [code.strip() for code in known["nationalities"].split(";") if code.strip()]
        record["nationalities"] = UNDETERMINED if codes == [UNDETERMINED] else codes
    record |= {name: known[name] for name in ("sex", "birthplace", "portrait") if name in known}
    return record


def _name(cells: Mapping[str, str], text: str, latin: str, kind: str) -> dict[str, str]:
    name = {"kind": kind}
    if text in cells:
        name["text"] = cells[text]
    if latin in cells:
        name["latin"] = cells[latin]
    if kind == "primary" and "script" in cells:
        name["script"] = cells["script"]
    return name


def _birth(cells: Mapping[str, str]) -> dict[str, str]:
    birth = {name: cells[name] for name in ("calendar", "basis") if name in cells}
    earliest, slash, latest = cells["birth"].partition("/")
    if not slash:
        return birth | {"told": cells["birth"]}
    return birth | {"earliest": earliest.strip(), "latest": latest.strip()}
