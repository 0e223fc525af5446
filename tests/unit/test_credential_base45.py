"""Base45: the examples of RFC 9285, every group, round trips and the refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core import base45
from ledger.errors import MalformedError

ALPHABET = base45.ALPHABET.decode()


def slow_encode(data: bytes) -> str:
    digits = []
    for i in range(0, len(data) - 1, 2):
        number = data[i] * 256 + data[i + 1]
        digits += [number % 45, number // 45 % 45, number // 2025]
    if len(data) % 2:
        digits += [data[-1] % 45, data[-1] // 45]
    return "".join(ALPHABET[digit] for digit in digits)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"AB", "BB8"),
        (b"Hello!!", "%69 VD92EX0"),
        (b"base-45", "UJCLQE7W581"),
        (b"ietf!", "QED8WEX0"),
    ],
)
def test_the_examples_of_the_standard_hold(data: bytes, text: str) -> None:
    assert base45.encode(data) == text
    assert base45.decode(text) == data
    assert base45.decode(text.encode()) == data


def test_every_pair_of_bytes_has_the_text_that_the_definition_gives() -> None:
    every = b"".join(number.to_bytes(2, "big") for number in range(65_536))
    assert base45.encode(every) == slow_encode(every)
    assert base45.decode(slow_encode(every)) == every


def test_every_single_byte_has_the_text_that_the_definition_gives() -> None:
    for byte in range(256):
        assert base45.encode(bytes((byte,))) == slow_encode(bytes((byte,)))
        assert base45.decode(base45.encode(bytes((byte,)))) == bytes((byte,))


@given(st.binary(max_size=700))
def test_decoding_gives_back_what_was_encoded(data: bytes) -> None:
    assert base45.encode(data) == slow_encode(data)
    assert base45.decode(base45.encode(data)) == data


@given(st.text(alphabet=ALPHABET, max_size=40))
def test_a_text_that_decodes_is_the_only_text_of_its_bytes(text: str) -> None:
    try:
        data = base45.decode(text)
    except MalformedError as error:
        assert error.code == "malformed"
    else:
        assert base45.encode(data) == text


@pytest.mark.parametrize(
    "text", ["GGX", "FGWA", ":::", "BB8GGX", "::", "V5", "A", "BB8A", "bb8", "BB8é", "BB\n", "BB_"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        base45.decode(text)


def test_the_largest_groups_are_accepted_and_the_next_are_not() -> None:
    assert base45.decode("FGW") == b"\xff\xff"
    assert base45.decode("U5") == b"\xff"
    with pytest.raises(MalformedError):
        base45.decode("GGW")
    with pytest.raises(MalformedError):
        base45.decode(ALPHABET[256 % 45] + ALPHABET[256 // 45])


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_malformed(data: bytes) -> None:
    try:
        base45.decode(data)
    except MalformedError as error:
        assert error.code == "malformed"
