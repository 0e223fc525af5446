"""Status lists: the published encodings, packing against a plain list, tokens, and bombs."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core import status_list as sl
from credential.core.status_list import StatusList, StatusListToken
from credential.errors import CredentialError
from ledger.core import cbor, cose
from ledger.core.cose_key import SoftwareSigner
from ledger.errors import CodedError, MalformedError, VerificationError

SIGNER = SoftwareSigner.from_seed("ed25519", bytes(32))
NOW = 1_800_000_000
_PLACES_A = (0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345)
_PLACES_B = (0, 1993, 35460, 459495, 595669, 754353, 845645, 923232, 924445, 934534, 1004534, 1000345,
             1030203, 1030204, 1030205)  # fmt: skip
LONG: dict[int, tuple[str, str, dict[int, int] | None]] = {
    1: ("encoding1_long", "encoding1_long", dict.fromkeys(_PLACES_A, 1)),
    2: (
        "encoding2_long",
        "encoding2_long",
        dict(zip(_PLACES_A, (1, 2, 1, 3, 1, 1, 2, 1, 1, 2, 3), strict=True)),
    ),
    4: ("encoding4", "encoding4", dict(zip(_PLACES_B, range(1, 16), strict=True))),
    8: ("encoding8", "encoding8", None),
}


def read_cbor(vectors_dir: Path, name: str) -> bytes:
    text = (vectors_dir / "token-status-list" / f"status_list_{name}_cbor.md").read_text()
    return bytes.fromhex(re.sub(r"\s", "", text.split("encoded:")[-1]))


def read_json_list(vectors_dir: Path, name: str) -> tuple[int, bytes]:
    text = (vectors_dir / "token-status-list" / f"status_list_{name}_json.md").read_text()
    value = json.loads(re.sub(r"\s", "", text.split("encoded:")[-1]))
    return value["bits"], base64.urlsafe_b64decode(value["lst"] + "=" * (-len(value["lst"]) % 4))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_long_published_lists_hold_in_both_forms(vectors_dir: Path, bits: int) -> None:
    json_name, cbor_name, entries = LONG[bits]
    data = read_cbor(vectors_dir, cbor_name)
    value = cbor.decode(data, max_size=1 << 16, deterministic=False)  # "bits" is not first in bytewise order
    places = sl.parse_status_list(value, max_size=1 << 20)
    assert (places.bits, len(places)) == (bits, 1 << 20)
    assert sl.format_status_list(places) == value
    json_bits, packed = read_json_list(vectors_dir, json_name)
    assert (json_bits, sl.decompress_list(packed, max_size=1 << 20)) == (bits, bytes(places.raw))
    found = dict(places.entries())
    if entries is None:
        assert sorted(found.values()) == list(range(1, 256))
        assert (places.get(233478), places.get(52451), places.get(576778), places.get(886286)) == (
            0,
            1,
            2,
            22,
        )
    else:
        assert found == entries
        assert all(places.get(index) == value for index, value in entries.items())
        rebuilt = StatusList.empty(1 << 20, bits=bits)
        for index, value in entries.items():
            rebuilt.set(index, value)
        assert rebuilt == places


@pytest.mark.parametrize(
    ("name", "bits", "values"),
    [
        ("encoding", 1, [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]),
        ("encoding2", 2, [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]),
    ],
)
def test_the_short_published_lists_hold_in_both_forms(
    vectors_dir: Path, name: str, bits: int, values: list[int]
) -> None:
    value = cbor.decode(read_cbor(vectors_dir, name), max_size=99, deterministic=False)
    places = sl.parse_status_list(value)
    assert [places.get(i) for i in range(len(places))] == values
    assert sl.format_status_list(places) == value
    assert read_json_list(vectors_dir, name) == (bits, sl.compress_list(places.raw))


def test_the_published_token_parses(vectors_dir: Path) -> None:
    text = (vectors_dir / "token-status-list" / "status_list_cwt.md").read_text()
    data = bytes.fromhex(re.sub(r"\s", "", text))
    token, message = sl.parse_status_list_token(data, deterministic=False)
    assert token.uri == "https://example.com/statuslists/1"
    assert (token.iat_s, token.exp_s, token.ttl_s) == (1686920170, 2291720170, 43200)
    assert bytes(token.places.raw) == b"\xb9\xa3"
    assert message.protected[1] == -7
    with pytest.raises(MalformedError):  # its claims are not in deterministic order
        sl.parse_status_list_token(data)


def test_the_published_reference_parses(vectors_dir: Path) -> None:
    text = (vectors_dir / "token-status-list" / "referenced_token_cwt.md").read_text()
    message = cose.parse_sign1(bytes.fromhex(re.sub(r"\s", "", text)), max_size=999, deterministic=False)
    claims = cbor.decode(message.payload or b"", max_size=999, deterministic=False)
    reference = sl.parse_status_reference(claims[sl.CLAIM_STATUS])
    assert reference == sl.StatusReference("https://example.com/statuslists/1", 0)
    assert sl.format_status_reference(reference) == claims[sl.CLAIM_STATUS]


@given(st.sampled_from((1, 2, 4, 8)), st.data())
def test_a_packed_list_behaves_like_a_plain_list(bits: int, data: st.DataObject) -> None:
    places = StatusList.empty(40, bits=bits)
    plain = [0] * 40
    for index, value in data.draw(
        st.lists(st.tuples(st.integers(0, 39), st.integers(0, (1 << bits) - 1)), max_size=30)
    ):
        places.set(index, value)
        plain[index] = value
    assert [places.get(i) for i in range(40)] == plain
    assert dict(places.entries()) == {i: value for i, value in enumerate(plain) if value}
    assert sl.parse_status_list(sl.format_status_list(places)) == places


def test_our_list_has_131072_places_in_65536_bytes() -> None:
    places = StatusList.empty()
    assert (len(places), len(places.raw)) == (131_072, 65_536)
    for index, value in ((0, sl.WITHDRAWN), (1, sl.AFFIRMED), (131_071, sl.HELD)):
        places.set(index, value)
    assert places.raw[0] == 0xC1
    assert places.raw[-1] == 0xD0
    assert (sl.VALID, sl.WITHDRAWN, sl.SUSPENDED, sl.REPLACED, sl.AFFIRMED, sl.HELD) == (0, 1, 2, 3, 12, 13)


def test_a_place_or_a_value_outside_the_list_is_refused() -> None:
    places = StatusList.empty(8, bits=2)
    for index in (-1, 8, 10**9):
        with pytest.raises(MalformedError):
            places.get(index)
        with pytest.raises(MalformedError):
            places.set(index, 0)
    for value in (-1, 4):
        with pytest.raises(ValueError, match="fit"):
            places.set(0, value)
    with pytest.raises(ValueError, match="bits"):
        StatusList(3, b"")


def test_a_bomb_is_too_large_and_is_never_unpacked() -> None:
    bomb = zlib.compress(bytes(200_000_000), 9)
    assert len(bomb) < 200_000
    with pytest.raises(MalformedError) as caught:
        sl.decompress_list(bomb, max_size=sl.RAW_BYTES)
    assert caught.value.code == "too_large"
    exact = zlib.compress(bytes(sl.RAW_BYTES))
    assert len(sl.decompress_list(exact, max_size=sl.RAW_BYTES)) == sl.RAW_BYTES
    with pytest.raises(MalformedError) as caught:
        sl.decompress_list(zlib.compress(bytes(sl.RAW_BYTES + 1)), max_size=sl.RAW_BYTES)
    assert caught.value.code == "too_large"


def test_a_stream_that_is_cut_followed_or_changed_is_malformed() -> None:
    good = sl.compress_list(b"\xb9\xa3")
    for bad in (
        b"",
        good[:-1],
        good[:4],
        good + b"\x00",
        good[:-1] + b"\x00",
        b"abc",
        zlib.compress(b"x")[2:],
    ):
        with pytest.raises(MalformedError) as caught:
            sl.decompress_list(bad, max_size=9)
        assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    "value",
    [None, {}, {"bits": 1}, {"bits": 3, "lst": sl.compress_list(b"")}, {"bits": True, "lst": sl.compress_list(b"")},
     {"bits": 1, "lst": "text"}, {"bits": 1, "lst": sl.compress_list(b""), "more": 1},
     {"bits": 1, "lst": sl.compress_list(b""), "aggregation_uri": 1}],
)  # fmt: skip
def test_a_list_of_another_shape_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError):
        sl.parse_status_list(value)


@pytest.mark.parametrize(
    "value",
    [None, {}, {"status_list": {}}, {"status_list": {"idx": -1, "uri": "sc:1"}}, {"status_list": {"idx": 1, "uri": ""}},
     {"status_list": {"idx": True, "uri": "sc:1"}}, {"status_list": {"idx": 1, "uri": 1}},
     {"status_list": {"idx": 1, "uri": "sc:1"}, "x": 1}, {"status_list": {"idx": 1, "uri": "sc:1", "x": 1}}],
)  # fmt: skip
def test_a_reference_of_another_shape_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError):
        sl.parse_status_reference(value)


def made(**change: Any) -> StatusListToken:
    places = StatusList.empty(16)
    places.set(3, sl.SUSPENDED)
    fields: dict[str, Any] = {
        "uri": "sc:1/0",
        "iat_s": NOW,
        "exp_s": NOW + 100,
        "ttl_s": 60,
        "places": places,
    }
    return StatusListToken(**{**fields, **change})


def test_a_token_comes_back_as_it_was_signed() -> None:
    for token in (made(), made(exp_s=None, ttl_s=None)):
        data = sl.sign_status_list_token(token, SIGNER)
        assert sl.check_status_list_token(data, SIGNER.public_key, uri="sc:1/0", now_s=NOW) == token
        assert cose.format_sign1(sl.parse_status_list_token(data)[1]) == data


@pytest.mark.parametrize(
    ("now_s", "uri", "code"),
    [
        (NOW + 100, "sc:1/0", "stale"),
        (NOW - 301, "sc:1/0", "bundle_invalid"),
        (NOW, "sc:1/1", "bundle_invalid"),
    ],
)
def test_a_token_of_another_list_or_time_is_refused(now_s: int, uri: str, code: str) -> None:
    data = sl.sign_status_list_token(made(), SIGNER)
    with pytest.raises(CredentialError) as caught:
        sl.check_status_list_token(data, SIGNER.public_key, uri=uri, now_s=now_s)
    assert caught.value.code == code


def test_a_token_by_another_key_has_a_bad_signature() -> None:
    data = sl.sign_status_list_token(made(), SIGNER)
    other = SoftwareSigner.from_seed("ed25519", b"\x01" * 32).public_key
    with pytest.raises(VerificationError) as caught:
        sl.check_status_list_token(data, other, uri="sc:1/0", now_s=NOW)
    assert caught.value.code == "bad_signature"


def test_every_changed_bit_of_a_token_is_refused_with_a_code() -> None:
    data = sl.sign_status_list_token(made(), SIGNER)
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodedError):
            sl.check_status_list_token(bytes(changed), SIGNER.public_key, uri="sc:1/0", now_s=NOW)


@pytest.mark.parametrize(
    "change", [{2: None}, {2: 7}, {6: None}, {6: "x"}, {4: "x"}, {65534: 0}, {65534: -1}, {65533: None}]
)
def test_claims_that_are_missing_or_of_another_type_are_malformed(change: dict[int, Any]) -> None:
    claims = {2: "sc:1", 6: NOW, 65533: sl.format_status_list(StatusList.empty(16)), **change}
    payload = cbor.encode({key: value for key, value in claims.items() if value is not None})
    for typ in (sl.TYP, 293):
        data = cose.format_sign1(cose.sign({16: typ}, payload, SIGNER))
        with pytest.raises(MalformedError) as caught:
            sl.parse_status_list_token(data)
        assert caught.value.code == ("malformed" if typ == sl.TYP else "unsupported")


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_with_a_code(data: bytes) -> None:
    with pytest.raises(MalformedError):
        sl.parse_status_list_token(data)
    with pytest.raises(MalformedError):
        sl.parse_status_list({"bits": 1, "lst": b"\x78\xda" + data + b"."})
