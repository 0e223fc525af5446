"""Bodies of seals: six parts, each of its form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.seal import Seal, format_seal, parse_seal
from ledger.errors import MalformedError

GOOD = Seal(15, b"c" * 32, b"r" * 32, b"s" * 32, 1_794_700_800_000, b"g" * 32)
_HASH = st.binary(min_size=32, max_size=32)
_NUMBER = st.integers(0, 2**53 - 1)


@given(st.builds(Seal, _NUMBER, _HASH, _HASH, _HASH, _NUMBER, _HASH))
def test_a_seal_reads_back(seal: Seal) -> None:
    assert parse_seal(cbor.decode(cbor.encode(format_seal(seal)), max_size=300)) == seal


def test_each_part_has_its_number() -> None:
    assert format_seal(GOOD) == {
        1: 15, 2: b"c" * 32, 3: b"r" * 32, 4: b"s" * 32, 5: 1_794_700_800_000, 6: b"g" * 32
    }  # fmt: skip
    assert parse_seal(format_seal(GOOD)) == GOOD


@pytest.mark.parametrize("key", range(1, 7))
@pytest.mark.parametrize("wrong", [None, -1, 2**53, b"x" * 31, b"x" * 33, "x" * 32, True, []])
def test_a_part_of_another_form_is_malformed(key: int, wrong: Any) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_seal({**format_seal(GOOD), key: wrong})
    assert caught.value.code == "malformed"


def test_a_part_missing_or_further_is_malformed() -> None:
    without = {key: part for key, part in format_seal(GOOD).items() if key != 6}
    values: list[Any] = [{**format_seal(GOOD), 7: 0}, without, [], None]
    for value in values:
        with pytest.raises(MalformedError):
            parse_seal(value)
