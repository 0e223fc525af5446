"""PERSON.json: strict, forgiving about what is unknown, and silent about values."""

from __future__ import annotations

import json
import pathlib
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credential.core.birth import Answer
from issuer.errors import InputError
from issuer.person import PERSON_MAX_BYTES, Person, format_person, parse_person, primary_name

PERSONS = sorted((pathlib.Path(__file__).parents[1] / "data" / "persons").glob("p*.json"))
ON = date(2026, 11, 22)
MINIMAL = {"names": [{"text": "Hosna", "latin": "HOSNA"}]}


def with_fields(**fields: Any) -> dict[str, Any]:
    return {**MINIMAL, **fields}


@pytest.mark.parametrize("path", PERSONS, ids=lambda path: path.stem)
def test_every_record_parses_and_formats_to_itself(path: pathlib.Path) -> None:
    person = parse_person(path.read_bytes())
    assert parse_person(json.dumps(format_person(person)).encode()) == person


def test_there_are_sixty_records_and_they_differ() -> None:
    assert len({parse_person(path.read_bytes()) for path in PERSONS}) == 60


def test_the_records_straddle_18_as_their_table_says() -> None:
    births = {path.stem: parse_person(path.read_bytes()).birth for path in PERSONS}
    open_answers = {
        stem for stem, birth in births.items() if birth and birth.under(18, ON) is Answer.CANNOT_EXCLUDE
    }
    assert open_answers == {"p07", "p10", "p20", "p38", "p39", "p46", "p53"}


def test_one_name_is_all_that_must_be_known() -> None:
    assert parse_person(MINIMAL) == Person(names=parse_person(MINIMAL).names)


@pytest.mark.parametrize("field", ["birth", "sex", "nationalities", "birthplace", "portrait"])
@pytest.mark.parametrize("unknown", ["unknown", None])
def test_every_other_field_may_be_unknown(field: str, unknown: str | None) -> None:
    assert parse_person(with_fields(**{field: unknown})) == parse_person(MINIMAL)


def test_the_script_is_detected_and_the_first_primary_name_leads() -> None:
    known_as = {"text": "ሰላም", "latin": "selam", "kind": "known_as"}
    person = parse_person({"names": [known_as, *MINIMAL["names"]]})
    assert [name.script for name in person.names] == ["Ethi", "Latn"]
    assert primary_name(person).latin == "HOSNA"


def test_undetermined_nationality_is_not_the_same_as_none_asked() -> None:
    assert parse_person(with_fields(nationalities="undetermined")).nationalities == ("undetermined",)
    assert parse_person(with_fields(nationalities=["undetermined"])).nationalities == ("undetermined",)
    assert parse_person(with_fields(nationalities=[])).nationalities == ()


BIRTH = {"earliest": "2008-01-01", "latest": "2008-12-31"}


TOLD = {"told": "1999", "calendar": "ethiopian"}


def test_a_birth_may_be_given_as_it_was_told_and_is_kept_so() -> None:
    person = parse_person(with_fields(birth={**TOLD, "basis": "document"}))
    assert person.birth is not None
    assert (person.birth.earliest, person.birth.latest) == (date(2006, 9, 11), date(2007, 9, 11))
    assert (person.birth.told, person.birth.calendar, person.birth.basis) == ("1999", "ethiopian", "document")
    assert parse_person(format_person(person)) == person


def test_a_told_birth_is_gregorian_and_a_statement_unless_said_otherwise() -> None:
    birth = parse_person(with_fields(birth={"told": "17 on 2026-11-01"})).birth
    assert birth is not None
    assert (birth.calendar, birth.basis) == ("gregorian", "statement")
    assert birth.under(18, ON) is Answer.CANNOT_EXCLUDE


def test_given_days_stand_and_what_was_told_is_not_worked_out_again() -> None:
    birth = parse_person(with_fields(birth={**BIRTH, "told": "2008 or so", "calendar": "islamic"})).birth
    assert birth is not None
    assert (birth.earliest, birth.latest) == (date(2008, 1, 1), date(2008, 12, 31))
    assert birth.calendar == "islamic_civil"


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({}, "names"),
        ({"names": []}, "names"),
        ({"names": MINIMAL["names"] * 7}, "names"),
        ({"names": MINIMAL["names"] * 2}, "names"),
        ({"names": ["Secretname"]}, "names[0]"),
        ({"names": [{"text": "Secretname"}]}, "names[0].latin"),
        ({"names": [{"latin": "SECRETNAME"}]}, "names[0].text"),
        ({"names": [{"text": 5, "latin": "SECRETNAME"}]}, "names[0].text"),
        ({"names": [{"text": "Secretname", "latin": "SECRETNAME7"}]}, "names[0].latin"),
        ({"names": [{"text": "Secret\u202ename", "latin": "SECRETNAME"}]}, "names[0].text"),
        (
            {"names": [*MINIMAL["names"], {"text": "Secretname", "latin": "S", "script": "latin"}]},
            "names[1].script",
        ),
        ({"names": [{"text": "Secretname", "latin": "S", "kind": "alias"}]}, "names[0].kind"),
        ({"names": [{"text": "Secretname", "latin": "S", "kind": "known_as"}]}, "names"),
        ({"names": [{"text": "Secretname", "latin": "S", "surname": "x"}]}, "names[0]"),
        (with_fields(phone="Secretname"), ""),
        (with_fields(birth="Secretname"), "birth"),
        (with_fields(birth={"earliest": "2008-01-01"}), "birth.latest"),
        (with_fields(birth={**BIRTH, "earliest": "2009-01-01"}), "birth.latest"),
        (with_fields(birth={**BIRTH, "earliest": "20080101"}), "birth.earliest"),
        (with_fields(birth={**BIRTH, "earliest": "2009-02-29"}), "birth.earliest"),
        (with_fields(birth={**BIRTH, "basis": "Secretname"}), "birth.basis"),
        (with_fields(birth={**BIRTH, "calendar": "Secretname"}), "birth.calendar"),
        (with_fields(birth={**BIRTH, "told": 1990}), "birth.told"),
        (with_fields(birth={**BIRTH, "year": "2008"}), "birth"),
        (with_fields(birth={"told": "Secretname"}), "birth.told"),
        (with_fields(birth={"told": ""}), "birth.earliest"),
        (with_fields(birth={"told": 1990}), "birth.told"),
        (with_fields(birth={**TOLD, "told": "1999-14"}), "birth.told"),
        (with_fields(birth={**TOLD, "earliest": "2006-09-11"}), "birth.latest"),
        (with_fields(birth={**TOLD, "calendar": "Secretname"}), "birth.calendar"),
        (with_fields(birth={**TOLD, "basis": "Secretname"}), "birth.basis"),
        (with_fields(birth={"told": "1990", "calendar": "solar_hijri"}), "birth.told"),
        (with_fields(sex="Secretname"), "sex"),
        (with_fields(nationalities="SYR"), "nationalities"),
        (with_fields(nationalities=["SYR", "SYR"]), "nationalities"),
        (with_fields(nationalities=["SYR", "Secretname"]), "nationalities[1]"),
        (with_fields(nationalities=["SYR", "undetermined"]), "nationalities[1]"),
        (with_fields(nationalities=["SYR", "IRQ", "TUR", "JOR", "LBN"]), "nationalities"),
        (with_fields(birthplace=""), "birthplace"),
        (with_fields(birthplace="Secretname" * 7), "birthplace"),
        (with_fields(portrait="../Secretname.jpg"), "portrait"),
        (with_fields(portrait="/Secretname.jpg"), "portrait"),
        (with_fields(portrait=".Secretname"), "portrait"),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not_repeated(record: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_person(record)
    assert caught.value.code == "bad_input"
    assert caught.value.field == field
    assert "secretname" not in str(caught.value).lower()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 9000,
        b'{"names": 1, "names": 2}',
        b" " * (PERSON_MAX_BYTES + 1),
        b"9" * 9000,
    ],
)
def test_bytes_that_are_no_record_are_bad_input(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_person(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["names", "text", "latin", "birth", "earliest", "told", "sex", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON | st.fixed_dictionaries({"names": JSON | st.just(MINIMAL["names"]), "birth": JSON, "sex": JSON}))
@settings(max_examples=150, deadline=None)
def test_no_json_raises_anything_but_bad_input(value: Any) -> None:
    try:
        parse_person(json.dumps(value).encode())
    except InputError as error:
        assert error.code == "bad_input"


@given(st.binary(max_size=60))
@settings(max_examples=80, deadline=None)
def test_no_bytes_raise_anything_but_bad_input(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_person(data)
