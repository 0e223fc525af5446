"""Key sets: one form, each key under its kid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.cose_key import SoftwareSigner, format_cose_key
from ledger.core.key_set import MAX_KEYS, format_key, format_key_set, key_name, parse_key_set
from ledger.errors import MalformedError

KEYS = [SoftwareSigner.from_seed("p256", bytes([n]) * 32).public_key for n in range(1, 4)]


def test_a_set_is_read_back_in_its_order() -> None:
    assert parse_key_set(format_key_set(KEYS)) == KEYS
    assert parse_key_set(format_key_set(KEYS[::-1])) == KEYS[::-1]
    assert cbor.decode(format_key(KEYS[0]), max_size=4096)[2] == KEYS[0].kid
    assert len({key_name(key) for key in KEYS}) == 3
    assert not set("+/=") & set("".join(key_name(key) for key in KEYS))


def test_another_form_is_refused() -> None:
    key = format_cose_key(KEYS[0])
    others: list[Any] = [
        [],
        {},
        [key],
        [{**key, 2: "kid"}],
        [{**key, 2: KEYS[1].kid}],
        [1],
        [{2: KEYS[0].kid}],
    ]
    for value in others:
        with pytest.raises(MalformedError):
            parse_key_set(cbor.encode(value))
    with pytest.raises(MalformedError) as error:
        parse_key_set(cbor.encode([{**key, 2: KEYS[0].kid}] * (MAX_KEYS + 1)))
    assert error.value.code == "too_large"


def test_every_flipped_bit_is_refused() -> None:
    data = format_key_set(KEYS[:1])
    for place in range(len(data) * 8):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(MalformedError):
            parse_key_set(bytes(changed))


@given(st.binary(max_size=200))
def test_noise_is_refused_with_a_named_error(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_key_set(data)
