"""What the bearer shows: the fast reader of ages agrees with the general one, and values have their form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core.disclosure import format_disclosure, parse_disclosure
from ledger.core.calendar_days import quarter_of_seconds
from ledger.errors import MalformedError
from tests.support.ledgers import START_S
from verifier.core.open_parts import match_ages, read_answers, read_opened

SALT = bytes(range(16))
NOW_QUARTER = quarter_of_seconds(START_S)

ages_values = st.dictionaries(
    st.integers(1, 99),
    st.tuples(st.integers(0, 2), st.integers(4, 39_999)).map(list),
    min_size=1,
    max_size=30,
)


@given(ages_values, st.binary(min_size=16, max_size=16))
def test_the_fast_reader_of_ages_agrees_with_the_general_one(
    value: dict[int, list[int]], salt: bytes
) -> None:
    content = format_disclosure(salt, value, "ages", kind="claim").content
    parsed = parse_disclosure(content)
    matched = match_ages(content)
    assert matched is None or matched == parsed.value
    common = len(value) < 24 and all(age < 24 and until >= 256 for age, (_, until) in value.items())
    assert (matched is not None) == common


@given(ages_values, st.data())
def test_a_changed_disclosure_of_ages_is_read_the_same_way_or_not_matched(
    value: dict[int, list[int]], data: st.DataObject
) -> None:
    content = bytearray(format_disclosure(SALT, value, "ages", kind="claim").content)
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    matched = match_ages(bytes(content))
    if matched is not None:
        parsed = parse_disclosure(bytes(content))
        assert (parsed.key, parsed.value) == ("ages", matched)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {0: [0, 8119]},
        {100: [0, 8119]},
        {"18": [0, 8119]},
        {18: 0},
        {18: [0]},
        {18: [3, 8119]},
        {18: [-1, 8119]},
        {18: [True, 8119]},
        {18: [0, 3]},
        {18: [0, 40_000]},
        {18: [0, "x"]},
    ],
)
def test_answers_of_another_form_are_malformed(value: Any) -> None:
    with pytest.raises(MalformedError):
        read_answers(value, START_S)


@pytest.mark.parametrize(("answer", "word"), [(0, "no"), (1, "yes"), (2, "cannot_exclude")])
def test_an_answer_stands_until_its_quarter_begins(answer: int, word: str) -> None:
    assert read_answers({18: [answer, NOW_QUARTER + 1]}, START_S) == {18: word}
    assert read_answers({18: [answer, NOW_QUARTER]}, START_S) == {18: "cannot_exclude"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("names", []),
        ("names", "Selam"),
        ("names", [["Selam", "Latn", "selam", 0]]),
        ("names", [["Se\u202elam", "Latn", "SELAM", 0]]),
        ("birth", [2, 1, 0, "gregorian", ""]),
        ("birth", [1, 2, 3, "gregorian", ""]),
        ("birth", [1, 2]),
        ("birth", [10**9, 10**9, 0, "gregorian", ""]),
        ("sex", 0),
        ("sex", 4),
        ("sex", True),
        ("sex", "female"),
        ("nationalities", []),
        ("nationalities", [1]),
        ("nationalities", "SYR"),
        ("birthplace", ""),
        ("birthplace", b"x"),
        ("portrait", b""),
        ("portrait", "x"),
    ],
)
def test_known_claims_of_another_form_are_malformed(name: str, value: Any) -> None:
    with pytest.raises(MalformedError):
        read_opened({name: [value, b"\xff" * 3]})


@pytest.mark.parametrize("name", ["names", "birth", "sex", "nationalities", "birthplace", "portrait"])
@pytest.mark.parametrize(
    "pad", [lambda value: value, lambda value: [value], lambda value: [value, b"\xff\0"]]
)
def test_a_known_claim_stands_with_its_padding(name: str, pad: Callable[[Any], Any]) -> None:
    with pytest.raises(MalformedError) as error:
        read_opened({name: pad(None)})
    assert error.value.field == name


@pytest.mark.parametrize("name", ["names", "birth", "sex", "nationalities", "birthplace", "portrait"])
def test_what_was_not_said_is_not_shown(name: str) -> None:
    assert read_opened({name: [None, b"\xff" * 9]}) == {}
    assert read_opened({"more": {name: [None, b"", b"\xff" * 9]}}) == {}


def test_sexes_are_numbers_on_the_card_and_words_on_the_screen() -> None:
    assert [read_opened({"sex": [n, b""]})["sex"] for n in (1, 2, 3)] == ["female", "male", "other"]


def test_claims_that_are_not_known_are_kept_and_nested_ones_come_up() -> None:
    claims = {
        "ages": {},
        "companion": [],
        "more": {"sex": [1, b"\xff" * 7], "birth": [[0, 364, 0, "gregorian", ""], b"\xff" * 30]},
        501: b"x",
    }
    assert read_opened(claims) == {
        "sex": "female",
        "birth": {
            "earliest": "1970-01-01",
            "latest": "1970-12-31",
            "basis": "document",
            "calendar": "gregorian",
            "told": "",
        },
        "501": b"x",
    }
