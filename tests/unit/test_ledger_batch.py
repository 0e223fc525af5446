"""Batches: CBOR sequences of statements and of their answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core.batch import (
    MAX_ANSWERS_BYTES,
    MAX_BATCH_BYTES,
    MAX_BATCH_ITEMS,
    format_answer,
    format_batch,
    parse_answers,
    parse_batch,
)
from ledger.core.cbor import encode
from ledger.errors import MalformedError

answers = st.lists(st.tuples(st.integers(100, 599), st.binary(max_size=300)), max_size=5)


def code(parse: object, data: bytes) -> str:
    assert callable(parse)
    with pytest.raises(MalformedError) as caught:
        parse(data)
    return caught.value.code


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_a_batch_is_read_back(entries: list[bytes]) -> None:
    assert parse_batch(format_batch(entries)) == tuple(entries)


@given(answers)
def test_answers_are_read_back(given_answers: list[tuple[int, bytes]]) -> None:
    data = b"".join(format_answer(status, body) for status, body in given_answers)
    assert parse_answers(data) == tuple(given_answers)


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_every_width_of_a_length_is_read(size: int) -> None:
    assert parse_batch(format_batch([bytes(size), b"x"])) == (bytes(size), b"x")


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_what_is_read_is_the_one_form_of_it(data: bytes) -> None:
    try:
        entries = parse_batch(data)
    except MalformedError:
        pass
    else:
        assert format_batch(entries) == data
    try:
        read = parse_answers(data)
    except MalformedError:
        return
    assert b"".join(format_answer(status, body) for status, body in read) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        encode("text"),
        encode([b"x"]),
        b"\x43ab",
        b"\x58",
        b"\x58\x03abc",
        b"\x59\x00\x20" + bytes(32),
        b"\x5f\x41a\xff",
        b"\x5c",
    ],
)
def test_other_bytes_are_no_batch(data: bytes) -> None:
    assert code(parse_batch, data) == "malformed"


@pytest.mark.parametrize(
    "data",
    [b"\x82", b"\x82\x18\xc8", encode([200]), encode([99, b""]), encode([600, b""]), encode([b"x", 200])],
)
def test_other_bytes_are_no_answers(data: bytes) -> None:
    assert code(parse_answers, data) == "malformed"


def test_the_caps_hold() -> None:
    assert (MAX_BATCH_ITEMS, MAX_BATCH_BYTES) == (1_000, 4_194_304)
    assert len(parse_batch(format_batch([b"x"] * MAX_BATCH_ITEMS))) == MAX_BATCH_ITEMS
    assert code(parse_batch, format_batch([b"x"] * (MAX_BATCH_ITEMS + 1))) == "too_large"
    assert code(parse_batch, bytes(MAX_BATCH_BYTES + 1)) == "too_large"
    assert code(parse_answers, bytes(MAX_ANSWERS_BYTES + 1)) == "too_large"
    assert code(parse_answers, format_answer(201, b"") * (MAX_BATCH_ITEMS + 1)) == "too_large"
