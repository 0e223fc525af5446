"""PEOPLE.csv: the columns of an office become the record of a person, and errors name the column."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.csv_table import RowError, TableRow, check_table, format_errors, read_table
from issuer.errors import InputError, IssuerError
from issuer.people_csv import COLUMNS, column_of, content_of, count_people, key_of, person_of, read_people
from ledger.errors import CodedError

LEAST = {"id": "A-1", "name": "مريم", "latin": "Maryam"}


def row(**cells: str) -> TableRow:
    return TableRow(2, {name: cell for name, cell in {**LEAST, **cells}.items() if cell}, is_whole=True)


def test_a_full_row_becomes_the_whole_record() -> None:
    person = person_of(
        row(
            script="Arab",
            known_as="Mimi",
            known_as_latin="MIMI",
            birth="1378",
            calendar="solar_hijri",
            basis="document",
            sex="female",
            nationalities="AFG; IRN",
            birthplace="Herat",
            portrait="a.jpg",
        )
    )
    assert [(name.text, name.latin, name.kind) for name in person.names] == [
        ("مريم", "MARYAM", "primary"),
        ("Mimi", "MIMI", "known_as"),
    ]
    assert person.birth is not None
    assert (person.birth.calendar, person.birth.basis, person.birth.told) == (
        "solar_hijri",
        "document",
        "1378",
    )
    assert person.birth.earliest.year == 1999
    assert (person.sex, person.nationalities, person.birthplace) == ("female", ("AFG", "IRN"), "Herat")
    assert person.portrait == "a.jpg"


def test_empty_and_unknown_cells_are_unknown() -> None:
    for word in ("", "unknown", "Unknown"):
        person = person_of(row(birth=word, sex=word, nationalities=word, birthplace=word, portrait=word))
        assert (person.birth, person.sex, person.nationalities) == (None, "unknown", ())
        assert (person.birthplace, person.portrait) == (None, None)
    assert person_of(row(nationalities="undetermined")).nationalities == ("undetermined",)


def test_an_interval_of_birth_is_taken_as_it_is() -> None:
    birth = person_of(row(birth="1999-03-01/2001-02-28")).birth
    assert birth is not None
    assert (birth.earliest, birth.latest, birth.told) == (date(1999, 3, 1), date(2001, 2, 28), "")


def test_somebody_may_be_called_unknown_in_every_column_of_a_name() -> None:
    assert person_of(row(name="Unknown", latin="UNKNOWN")).names[0].text == "Unknown"


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"name": ""}, "name"),
        ({"latin": ""}, "latin"),
        ({"latin": "1"}, "latin"),
        ({"script": "Arabic"}, "script"),
        ({"known_as": "Mimi"}, "known_as_latin"),
        ({"known_as_latin": "MIMI"}, "known_as"),
        ({"birth": "yesterday"}, "birth"),
        ({"birth": "2001-01-01/2000-01-01"}, "birth"),
        ({"birth": "2001-01-01/"}, "birth"),
        ({"birth": "1999", "calendar": "mayan"}, "calendar"),
        ({"birth": "1999", "basis": "rumour"}, "basis"),
        ({"sex": "yes"}, "sex"),
        ({"nationalities": "AFG;AFG"}, "nationalities"),
        ({"nationalities": "SYR,IRQ"}, "nationalities"),
        ({"birthplace": "x" * 61}, "birthplace"),
        ({"portrait": "../face.jpg"}, "portrait"),
    ],
)
def test_a_wrong_cell_is_named_by_its_column_and_not_repeated(cells: dict[str, str], column: str) -> None:
    with pytest.raises(InputError) as error:
        person_of(row(**cells))
    assert error.value.field == column
    assert not any(value and len(value) > 4 and value in error.value.detail for value in cells.values())


@pytest.mark.parametrize("key", ["", " ", "-1", "=1", "+1", "@x", "a b", "a" * 65, "é", "a\n"])
def test_a_row_key_that_a_spreadsheet_or_a_font_would_spoil_is_refused(key: str) -> None:
    with pytest.raises(InputError) as error:
        key_of(row(id=key))
    assert error.value.field == "id"


def test_a_row_with_too_few_or_too_many_cells_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("id,name,latin\n1,A\n2,A,B,C\n3,A,B\n", "utf-8")
    rows = list(read_people(path))
    assert [item.is_whole for item in rows] == [False, False, True]
    with pytest.raises(InputError):
        person_of(rows[0])


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text('id,name,latin\n\n1,"A\nB",C\n,,\n2,A,B\n', "utf-8")
    assert [(item.number, item.cells["id"]) for item in read_people(path)] == [(3, "1"), (5, "2")]
    assert count_people(path) == 2


def test_the_content_of_a_row_does_not_depend_on_the_order_of_columns_or_the_key() -> None:
    one = TableRow(2, {"id": "1", "name": "A", "latin": "B"}, True)
    two = TableRow(9, {"latin": "B", "name": "A", "id": "2"}, True)
    assert content_of(one) == content_of(two)
    assert content_of(one) != content_of(TableRow(2, {"id": "1", "name": "AB", "latin": ""}, True))


def test_every_field_of_a_record_belongs_to_a_column() -> None:
    for field in ("names", "names[0].text", "names[1].script", "birth.told", "sex", "portrait", "birthplace"):
        assert column_of(field) in COLUMNS
    assert column_of("iat") == ""


def test_a_missing_table_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(IssuerError) as error:
        count_people(tmp_path / "none.csv")
    assert error.value.code == "not_found"


def test_a_header_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id\n1\n", "utf-8")
    with pytest.raises(InputError) as error:
        check_table(path, ("id", "name"), required=("id", "name"))
    assert "name" in error.value.detail


def test_the_report_is_csv_with_one_line_for_each_error() -> None:
    error = RowError.of(3, "A-1", InputError("sex", "must be one of a, b"))
    assert format_errors([error]) == (
        b'row,id,field,code,reason\r\n3,A-1,sex,bad_input,"must be one of a, b"\r\n'
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(st.binary(max_size=200), st.text('id,name;latin\n"\r\0é ', max_size=80).map(str.encode))
)
def test_any_file_is_rows_or_one_coded_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "fuzz.csv"
    path.write_bytes(data)
    try:
        rows = list(read_table(path, COLUMNS, required=()))
    except CodedError as error:
        assert error.code == "bad_input"
    else:
        assert all(row.number >= 2 and (row.cells or not row.is_whole) for row in rows)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=30), max_size=13))
def test_any_cells_are_a_person_or_name_a_column(cells: dict[str, str]) -> None:
    try:
        person_of(TableRow(2, {name: cell for name, cell in cells.items() if cell}, True))
    except InputError as error:
        assert error.field in COLUMNS
