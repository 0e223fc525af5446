"""A station's challenge: its text and back, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credential.core import base45
from credential.core.challenge import CHALLENGE_PREFIX, Challenge, format_challenge, parse_challenge
from ledger.core import cbor
from ledger.errors import MalformedError

CHALLENGE = Challenge("hut-7", bytes(range(16)))


def text_of(value: object) -> str:
    return CHALLENGE_PREFIX + base45.encode(cbor.encode(value))


@given(
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60),
    st.binary(min_size=8, max_size=64),
)
@settings(max_examples=60, deadline=None)
def test_a_challenge_reads_back(aud: str, cnonce: bytes) -> None:
    challenge = Challenge(aud, cnonce)
    assert parse_challenge(format_challenge(challenge)) == challenge


def test_the_longest_challenge_reads_back() -> None:
    challenge = Challenge("h" * 255, bytes(64))
    assert parse_challenge(format_challenge(challenge)) == challenge


@pytest.mark.parametrize(
    "value",
    [
        ["", bytes(8)],
        ["h" * 256, bytes(8)],
        ["hut\n7", bytes(8)],
        ["hut-7", bytes(7)],
        ["hut-7", bytes(65)],
        ["hut-7", "0011223344556677"],
        [b"hut-7", bytes(8)],
        ["hut-7"],
        ["hut-7", bytes(8), 1],
        {1: "hut-7"},
    ],
)
def test_anything_else_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_challenge(text_of(value))
    assert caught.value.code == "malformed"


def test_a_challenge_out_of_bounds_is_not_made() -> None:
    for wrong in (Challenge("", bytes(8)), Challenge("hut-7", bytes(7))):
        with pytest.raises(ValueError, match="bytes"):
            format_challenge(wrong)


def test_another_code_is_unsupported_and_a_long_one_too_large() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_challenge("SC1:6BF")
    assert (caught.value.code, caught.value.field) == ("unsupported", "credential")
    with pytest.raises(MalformedError) as caught:
        parse_challenge(CHALLENGE_PREFIX + "0" * 600)
    assert caught.value.code == "too_large"


@given(st.binary(max_size=120))
@settings(max_examples=80, deadline=None)
def test_any_bytes_are_refused_or_read_back(data: bytes) -> None:
    text = CHALLENGE_PREFIX + base45.encode(data)
    try:
        challenge = parse_challenge(text)
    except MalformedError:
        return
    assert format_challenge(challenge) == text
