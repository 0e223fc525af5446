"""Names: original script, Latin letters, and the characters that have no place in a name."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core import names
from credential.core.names import Name
from credential.errors import InputError

PEOPLE = [
    ("مريم", "Arab", "MARYAM"),
    ("علی‌رضا", "Arab", "ALIREZA"),  # a joiner between two letters is Persian spelling
    ("ሰላም ተስፋዬ", "Ethi", "SELAM TESFAYE"),
    ("Олександр", "Cyrl", "OLEKSANDR"),
    ("O'Brien-Ní Dhúill", "Latn", "O'BRIEN-NI DHUILL"),
    ("阮文", "Hani", "NGUYEN VAN"),
    ("さとう 花子", "Jpan", "SATO HANAKO"),
    ("អាន", "Khmr", "AN"),
    ("𞤀𞤣𞤢", "Adlm", "ADA"),
    ("O", "Latn", "O"),
]


@pytest.mark.parametrize(("text", "script", "latin"), PEOPLE)
def test_a_name_in_any_script_comes_back_from_its_list(text: str, script: str, latin: str) -> None:
    assert names.detect_script(text) == script
    name = names.name_from_input(f"  {text} ", latin.lower())
    assert name == Name(unicodedata.normalize("NFC", text), script, latin, "primary")
    assert names.parse_name(names.format_name(name)) == name


def test_a_second_name_is_known_as() -> None:
    name = names.name_from_input("Mama Amina", "Mama Amina", "known_as")
    assert names.format_name(name) == ["Mama Amina", "Latn", "MAMA AMINA", 1]


def test_a_typed_name_is_brought_to_normal_form() -> None:
    assert names.name_from_input("Zoe\u0308", "zoe").text == "Zo\u00eb"
    assert names.name_from_input("D’Arc", "d’arc").latin == "D'ARC"


def test_a_text_without_letters_of_a_script_is_undetermined() -> None:
    assert names.detect_script("12 -") == "Zyyy"
    assert names.detect_script("") == "Zyyy"


@pytest.mark.parametrize(
    "text",
    ["", " a", "a ", "a  b", "a\nb", "a\u202eb", "a\u200fb", "a\u061cb", "a\u2066b", "a\x00", "a\ud800", "a\ue000",
     "Zoe\u0308", "x" * 161, "12", "a\u00adb", "a\ufeffb"],
)  # fmt: skip
def test_a_text_that_breaks_a_rule_is_bad_input(text: str) -> None:
    with pytest.raises(InputError):
        Name(text, "Latn", "A")


@pytest.mark.parametrize("latin", ["", "a", "Á", "A1", " A", "A ", "A  B--", "-A", "A/B", "A" * 81, "A<B"])
def test_a_latin_form_that_breaks_a_rule_is_bad_input(latin: str) -> None:
    with pytest.raises(InputError):
        Name("Abc", "Latn", latin)


@pytest.mark.parametrize(
    "value",
    [None, [], ["a", "Latn", "A"], ["a", "Latn", "A", 2], ["a", "Latn", "A", True], ["a", "latin", "A", 0],
     [1, "Latn", "A", 0], ["a", "Latn", "A", 0, 0], {"a": 1}],
)  # fmt: skip
def test_a_list_of_another_shape_is_bad_input(value: object) -> None:
    with pytest.raises(InputError):
        names.parse_name(value)


@given(st.text(max_size=30))
def test_any_text_is_a_name_that_survives_or_bad_input(text: str) -> None:
    try:
        name = names.name_from_input(text, "X")
    except InputError as error:
        assert error.code == "bad_input"
    else:
        assert names.parse_name(names.format_name(name)) == name
