"""The CBOR profile: one encoding per value, and no other bytes get in."""

from __future__ import annotations

import datetime
import enum
import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.cbor import REDACTED_KEYS, CBORSimpleValue, CBORTag, decode, encode
from ledger.errors import MalformedError

INTEGERS = st.integers(-(2**64), 2**64 - 1) | st.integers(-300, 300)
SIMPLE = st.sampled_from((*range(20), *range(32, 256))).map(CBORSimpleValue)
KEYS = INTEGERS | st.binary(max_size=40) | st.text(max_size=40) | SIMPLE
SCALARS = KEYS | st.booleans() | st.none()
REFUSED_TAGS = (2, 3, 25, 28, 29, 256)
NAMED_TAGS = (16, 18, 60)
TAGS = st.sampled_from(NAMED_TAGS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(KEYS, inner, max_size=5)
        | st.builds(CBORTag, TAGS, inner)
    ),
    max_leaves=12,
)


def reference_encode(value: Any) -> bytes:
    """Encode with the library, and order maps here: a second opinion on `encode`."""
    if isinstance(value, list):
        return cbor2.dumps([None] * len(value))[: -len(value) or None] + b"".join(
            map(reference_encode, value)
        )
    if isinstance(value, dict):
        head = bytearray(cbor2.dumps([None] * len(value))[: -len(value) or None])
        head[0] += 0x20
        pairs = sorted((cbor2.dumps(key), reference_encode(item)) for key, item in value.items())
        return bytes(head) + b"".join(key + item for key, item in pairs)
    if isinstance(value, CBORTag):
        return cbor2.dumps(CBORTag(value.tag, None))[:-1] + reference_encode(value.value)
    return cbor2.dumps(value)


def library_decode(data: bytes) -> Any:
    """Decode with the library, every tag left alone."""
    plain = {
        tag: (lambda value, _, tag=tag: CBORTag(tag, value)) for tag in (*range(300), 1004, 43000, 55799)
    }
    return cbor2.loads(
        data, allow_indefinite=False, allow_duplicate_keys=False, max_depth=16, semantic_decoders=plain
    )


def refusal(data: bytes, *, deterministic: bool = True, max_size: int = 4096) -> MalformedError:
    with pytest.raises(MalformedError) as caught:
        decode(data, max_size=max_size, deterministic=deterministic, field="part")
    assert caught.value.field == "part"
    return caught.value


@given(VALUES)
def test_a_value_comes_back_as_it_went_in(value: Any) -> None:
    data = encode(value)
    for deterministic in (True, False):
        again = decode(data, max_size=len(data), deterministic=deterministic)
        assert again == value
        assert encode(again) == data


@given(VALUES)
def test_the_encoding_is_what_the_library_gives_for_sorted_maps(value: Any) -> None:
    assert encode(value) == reference_encode(value)


@given(st.binary(max_size=48))
@settings(max_examples=300)
def test_any_bytes_are_refused_or_are_the_one_encoding_of_their_value(data: bytes) -> None:
    try:
        value = decode(data, max_size=48)
    except MalformedError as error:
        assert error.code == "malformed"
    else:
        assert encode(value) == data


@given(VALUES, st.data())
@settings(max_examples=200)
def test_a_damaged_encoding_is_refused_or_is_the_one_encoding_of_another_value(
    value: Any, data: st.DataObject
) -> None:
    damaged = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    changed = bytes(damaged)
    for deterministic in (True, False):
        try:
            again = decode(changed, max_size=4096, deterministic=deterministic)
        except MalformedError:
            continue
        if deterministic:
            assert encode(again) == changed


@given(VALUES | st.binary(max_size=24).map(lambda data: [data]), st.binary(max_size=24))
def test_what_the_library_reads_and_we_encode_to_the_same_bytes_is_never_refused(
    value: Any, noise: bytes
) -> None:
    for data in (encode(value), noise):
        try:
            library_value = library_decode(data)
            same = encode(library_value) == data
        except (cbor2.CBORError, ValueError, RuntimeError, TypeError):
            continue
        if same:
            assert encode(decode(data, max_size=4096)) == data


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 8949 appendix A.
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (255, "18ff"),
        (256, "190100"),
        (1000000, "1a000f4240"),
        (1000000000000, "1b000000e8d4a51000"),
        (2**64 - 1, "1bffffffffffffffff"),
        (-(2**64), "3bffffffffffffffff"),
        (-1, "20"),
        (-1000, "3903e7"),
        (False, "f4"),
        (True, "f5"),
        (None, "f6"),
        (CBORSimpleValue(16), "f0"),
        (CBORSimpleValue(255), "f8ff"),
        (b"\x01\x02\x03\x04", "4401020304"),
        ("\u6c34", "63e6b0b4"),
        ([1, [2, 3], [4, 5]], "8301820203820405"),
        ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
        (CBORTag(18, 1363896240), "d21a514b67b0"),
        # RFC 8949 section 4.2.1: the order of keys there (false is no key here).
        (
            {"aa": 0, "z": 1, -1: 2, 100: 3, 10: 4},
            "a50a04186403200261 7a01626161 00",
        ),
        ({REDACTED_KEYS: [], 65535: 1, 1: 2}, "a3010219ffff01f83b80"),
        ((1, 2), "820102"),
        (MappingProxyType({1: MappingProxyType({})}), "a101a0"),
    ],
)
def test_known_values_have_known_encodings(value: Any, expected: str) -> None:
    data = bytes.fromhex(expected)
    assert encode(value) == data
    if not isinstance(value, tuple):
        assert decode(data, max_size=len(data)) == value


def test_enumerations_are_what_they_count_or_spell() -> None:
    class Number(enum.IntEnum):
        THREE = 3

    class Word(enum.StrEnum):
        YES = "yes"

    assert encode({Number.THREE: Word.YES, Word.YES: Number.THREE}) == encode({3: "yes", "yes": 3})


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**64,
        -(2**64) - 1,
        CBORTag(2, b"\x01"),
        CBORTag(3, b"\x01"),
        CBORTag(0, "2026-01-01T00:00:00Z"),
        [CBORTag(55799, 0)],
        CBORSimpleValue(20),
        CBORSimpleValue(23),
        cbor2.undefined,
        datetime.date(2026, 1, 1),
        {1, 2},
        bytearray(b"a"),
        memoryview(b"a"),
        "\ud800",
        {True: 1},
        {None: 1},
        {1.5: 1},
        {(1, 2): 1},
        {CBORTag(1, 2): 1},
        [[[{1: object()}]]],
    ],
)
def test_a_value_outside_the_profile_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(value)


def test_nesting_ends_at_the_limit_both_ways() -> None:
    for wrap, head in (
        (lambda v: [v], b"\x81"),
        (lambda v: {0: v}, b"\xa1\x00"),
        (lambda v: CBORTag(16, v), b"\xd0"),
    ):
        value: Any = 7
        for _ in range(cbor.MAX_DEPTH):
            value = wrap(value)
        data = head * cbor.MAX_DEPTH + b"\x07"
        assert encode(value) == data
        assert decode(data, max_size=64) == value
        with pytest.raises(ValueError, match="nested deeper"):
            encode(wrap(value))
        refusal(head + data)
        refusal(head + data, deterministic=False)
    assert decode(b"\x81" * 16 + b"\x80", max_size=64) == decode(
        encode(decode(b"\x81" * 16 + b"\x80", max_size=64)), max_size=64
    )


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize(
    "data",
    [
        "",
        "0000",  # trailing bytes
        "a1010200",
        "18",  # the bytes end
        "1901",
        "41",
        "5803aaaa",
        "6261",
        "8201",
        "a101",
        "a2010203",
        "c1",
        "f8",
        "f97e",
        "9bffffffffffffffff",
        "bbffffffffffffffff",
        "5bffffffffffffffff",
        "7bffffffffffffffff",
        "5f4101ff",  # indefinite lengths
        "7f6161ff",
        "9f01ff",
        "9fff",
        "bf0102ff",
        "ff",
        "81ff",
        "1c",  # reserved heads
        "3d",
        "5e",
        "7c",
        "9d",
        "be",
        "dc",
        "fc",
        "f800",  # simple values in their long form, or reserved
        "f814",
        "f81f",
        "f7",  # undefined
        "81f7",
        "f97e00",  # NaN
        "fa7fc00000",
        "fb7ff8000000000000",
        "c24101",  # bignums
        "c349010000000000000000",
        "81c240",
        "61ff",  # not UTF-8
        "63eda080",
        "a201000100",  # duplicate keys
        "a2616101616102",
        "a2183b00f83b00",  # 59 and simple(59)
        "a20100f500",  # 1 and true
        "a1f500",  # true, false, null as keys
        "a1f400",
        "a1f600",
        "a1f93c0000",  # 1.0 as a key
        "a18000",  # containers and tags as keys
        "a1a000",
        "a181810000",
        "a1c10000",
        "a1d84081a000",
    ],
)
def test_bytes_outside_the_profile_are_malformed_in_both_modes(data: str, deterministic: bool) -> None:
    assert refusal(bytes.fromhex(data), deterministic=deterministic).code == "malformed"


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("1800", 0),
        ("1817", 23),
        ("1900ff", 255),
        ("1a0000ffff", 65535),
        ("1b00000000ffffffff", 2**32 - 1),
        ("3800", -1),
        ("5800", b""),
        ("590001aa", b"\xaa"),
        ("780161", "a"),
        ("980101", [1]),
        ("b8010102", {1: 2}),
        ("d80100", CBORTag(1, 0)),
        ("a202000100", {2: 0, 1: 0}),
        ("a220001864 00", {-1: 0, 100: 0}),
        ("a262616100617a00", {"aa": 0, "z": 0}),
        ("f93c00", 1.0),
        ("fa47c35000", 100000.0),
        ("fb3ff199999999999a", 1.1),
        ("f97c00", float("inf")),
    ],
)
def test_a_second_encoding_is_refused_from_us_and_read_from_others(data: str, value: Any) -> None:
    encoded = bytes.fromhex(data)
    assert refusal(encoded).code == "malformed"
    assert decode(encoded, max_size=64, deterministic=False) == value


def test_a_duplicate_key_is_found_behind_its_longer_form() -> None:
    refusal(bytes.fromhex("a20100180100"), deterministic=False)


@pytest.mark.parametrize("tag", [0, 1, 4, 5, 18, 24, 30, 35, 37, 60, 100, 258, 260, 55799])
def test_a_tag_of_others_stays_a_tag(tag: int) -> None:
    inner = [b"\x01", {1: "2026-01-01"}]
    value = decode(cbor2.dumps(CBORTag(tag, inner)), max_size=64, deterministic=False)
    assert type(value) is CBORTag
    assert (value.tag, value.value) == (tag, inner)
    assert type(value.value) is list


@pytest.mark.parametrize("tag", [*range(64), 98, 100, 256, 258, 1004, 55799, 2**64 - 1])
def test_only_the_tags_that_the_cddl_names_are_read_from_us(tag: int) -> None:
    for value in (CBORTag(tag, b""), [{1: CBORTag(tag, [])}], CBORTag(18, [CBORTag(tag, 0)])):
        data = cbor2.dumps(value)
        if tag in NAMED_TAGS:
            assert encode(decode(data, max_size=64)) == data
        else:
            assert refusal(data).code == "malformed"


def test_the_named_tags_are_those_of_the_cddl() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "safeconduct.cddl").read_text(encoding="utf-8")
    assert {int(number) for number in re.findall(r"#6\.(\d+)", text)} == set(NAMED_TAGS)


def test_more_bytes_than_allowed_are_too_large() -> None:
    data = encode(b"x" * 100)
    assert decode(data, max_size=102) == b"x" * 100
    assert refusal(data, max_size=101).code == "too_large"


def test_a_simple_value_and_its_integer_are_different_bytes() -> None:
    assert encode(REDACTED_KEYS).hex() == "f83b"
    assert encode({REDACTED_KEYS: 0}) != encode({59: 0})
    assert [type(key) for key in decode(encode({REDACTED_KEYS: 0}), max_size=9)] == [CBORSimpleValue]
    assert [type(key) for key in decode(encode({59: 0}), max_size=9)] == [int]


def test_every_two_byte_input_is_refused_or_is_the_one_encoding() -> None:
    accepted = 0
    for first in range(256):
        for second in range(256):
            data = bytes((first, second))
            try:
                value = decode(data, max_size=2)
            except MalformedError:
                continue
            accepted += 1
            assert encode(value) == data
    assert accepted > 500


@pytest.mark.parametrize(
    "item", [b"\x00", b"\x80", b"\x41a", b"\x19\x01\x00"], ids=["int", "array", "bytes", "long"]
)
def test_more_items_than_memory_bears_are_too_large(item: bytes) -> None:
    """Eight bytes of the encoding could be a kilobyte of empty arrays; they are counted before they are made."""
    whole = b"\x9a" + (63).to_bytes(4, "big") + item * 63
    with pytest.raises(MalformedError) as caught:
        decode(whole, max_size=1000, max_items=63, deterministic=True)
    assert caught.value.code == ("too_large" if len(whole) > 63 else "malformed")
    short = encode([decode(item, max_size=9)] * 62)
    assert len(decode(short, max_size=1000, max_items=63)) == 62
    with pytest.raises(MalformedError) as caught:
        decode(b"\x9a\x00\x50\x00\x00" + b"\x80" * (5 << 20), max_size=1 << 26)
    assert caught.value.code == "too_large"


@given(VALUES)
def test_items_are_counted_as_they_are(value: Any) -> None:
    def count(one: Any) -> int:
        if isinstance(one, CBORTag):
            return 1 + count(one.value)
        if isinstance(one, dict):
            return 1 + sum(count(key) + count(item) for key, item in one.items())
        return 1 + sum(map(count, one)) if isinstance(one, list) else 1

    data = encode(value)
    assert not cbor._has_more_items(data, count(value))
    assert cbor._has_more_items(data, count(value) - 1)
