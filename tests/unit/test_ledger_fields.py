"""Grammars of names, numbers and texts: each edge has a case on either side."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.fields import (
    UINT53_MAX,
    format_list_uri,
    parse_array,
    parse_bytes,
    parse_list_uri,
    parse_map,
    parse_origin,
    parse_party,
    parse_subject,
    parse_text,
    parse_title,
    parse_uint,
)
from ledger.errors import MalformedError


def accepts(parse: Any, value: Any, *args: Any, **limits: Any) -> bool:
    try:
        parse(value, *args, field="x", **limits)
    except MalformedError as error:
        assert (error.code, error.field) == ("malformed", "x")
        return False
    return True


@pytest.mark.parametrize("name", ["a", "7", "civil-1", "a.b-c", "a" * 32, "0.0", "a--b"])
def test_a_party_is_1_to_32_of_small_letters_digits_dot_and_hyphen(name: str) -> None:
    assert parse_party(name, field="x") == name


@pytest.mark.parametrize(
    "name",
    ["", "a" * 33, "-a", "a-", ".a", "a.", "A", "a b", "a_b", "é", "a\n", "١", b"a", 1, None, ["a"], "a/b"],
)
def test_anything_else_is_no_party(name: Any) -> None:
    assert not accepts(parse_party, name)


@pytest.mark.parametrize("origin", ["a", "ledger.example/one", "Host:8443/x~y_z", "x" * 200])
def test_an_origin_is_a_schema_less_url(origin: str) -> None:
    assert parse_origin(origin, field="x") == origin


@pytest.mark.parametrize("origin", ["", "x" * 201, "a b", "a+b", "ä", "a\n", 5, b"a", None])
def test_anything_else_is_no_origin(origin: Any) -> None:
    assert not accepts(parse_origin, origin)


def test_a_subject_is_16_characters_of_base64url() -> None:
    assert accepts(parse_subject, "AZaz09_-AZaz09_-")
    for wrong in ("A" * 15, "A" * 17, "A" * 15 + "=", "A" * 15 + "+", "A" * 15 + "é", b"A" * 16, None):
        assert not accepts(parse_subject, wrong)


@pytest.mark.parametrize(
    "title",
    [
        "a",
        "Civil registry",
        "x" * 80,
        "የሲቪል ምዝገባ ጽሕፈት ቤት",
        "نویسه‌ی جدا",
        "မှတ်ပုံတင်ရုံး",
        "😀",
        "क्‍ष",
        "x" * 79 + "é",
    ],
)
def test_a_title_is_up_to_80_characters_in_any_script(title: str) -> None:
    assert parse_title(title, field="x") == title


@pytest.mark.parametrize(
    ("first", "last"),
    [(0, 0x1F), (0x7F, 0x9F), (0x61C, 0x61C), (0x200B, 0x200B), (0x200E, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F),
     (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE007F)],
    ids=lambda code: f"{code:04X}",
)  # fmt: skip
def test_a_title_has_no_lines_controls_or_marks_of_direction(first: int, last: int) -> None:
    for mark in range(first, last + 1):
        assert not accepts(parse_title, f"Civil{chr(mark)}registry"), hex(mark)
    for beside in (first - 1, last + 1):
        assert beside < 0 or accepts(parse_title, f"Civil{chr(beside)}registry"), hex(beside)


def test_a_title_is_bounded_and_a_text() -> None:
    assert not accepts(parse_title, "")
    assert not accepts(parse_title, "x" * 81)
    assert not accepts(parse_title, b"x")


def test_numbers_are_integers_in_their_range_and_never_booleans() -> None:
    assert accepts(parse_uint, 0)
    assert accepts(parse_uint, UINT53_MAX)
    for wrong in (-1, UINT53_MAX + 1, True, False, None, "1", b"\x01", cbor.CBORSimpleValue(1)):
        assert not accepts(parse_uint, wrong)
    assert [accepts(parse_uint, n, low=3, high=5) for n in range(2, 7)] == [False, True, True, True, False]


def test_byte_strings_have_exactly_their_size() -> None:
    assert [accepts(parse_bytes, bytes(n), 32) for n in (31, 32, 33)] == [False, True, False]
    assert not accepts(parse_bytes, "x" * 32, 32)
    assert not accepts(parse_bytes, bytearray(32), 32)


def test_texts_are_measured_in_bytes_of_utf_8() -> None:
    assert [accepts(parse_text, "é" * n, max_bytes=8) for n in (0, 1, 4, 5)] == [False, True, True, False]
    assert not accepts(parse_text, b"x", max_bytes=8)


@given(st.integers(1, 9_999_999), st.integers(0, 9_999_999))
def test_a_list_uri_reads_back(number: int, n: int) -> None:
    uri = format_list_uri(number, n)
    assert parse_list_uri(uri, field="x") == (number, n)


@pytest.mark.parametrize(
    "uri",
    ["", "sc:1", "sc:1/", "sc:/1", "sc:0/0", "sc:01/0", "sc:1/00", "sc:1/-1", "SC:1/0", "sc:1/0 ", "sc:1/0\n",
     "sc:10000000/0", "sc:1/10000000", "sc:١/0", b"sc:1/0", 1, None],
)  # fmt: skip
def test_anything_else_is_no_list_uri(uri: Any) -> None:
    assert not accepts(parse_list_uri, uri)


def test_a_map_has_its_keys_and_no_other() -> None:
    assert accepts(parse_map, {1: 0, 2: 0}, (1, 2))
    assert accepts(parse_map, {1: 0, 2: 0, 3: 0}, (1, 2), optional=(3, 4))
    wrongs: list[Any] = [
        {1: 0},
        {1: 0, 2: 0, 3: 0},
        {"1": 0, 2: 0},
        {},
        [],
        None,
        {cbor.CBORSimpleValue(1): 0, 2: 0},
    ]
    for wrong in wrongs:
        assert not accepts(parse_map, wrong, (1, 2))


def test_an_array_has_its_number_of_items() -> None:
    assert [accepts(parse_array, [0] * n, low=1, high=3) for n in range(5)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert not accepts(parse_array, (0,), low=1, high=3)
    assert not accepts(parse_array, {0: 0}, low=1, high=3)
