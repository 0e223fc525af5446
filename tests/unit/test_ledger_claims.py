"""Claims of a credential, and the pattern that reads a whole entry: never more permissive than the parser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import cbor, statement
from ledger.core.claims import (
    CredentialClaims,
    format_claims,
    match_credential,
    parse_claims,
)
from ledger.core.cose_key import EDDSA, ES256, SoftwareSigner
from ledger.core.statement import Statement, parse_statement, sign_credential, verify_credential
from ledger.errors import LedgerError, MalformedError
from tests.support.ledgers import seed, signer
from tests.support.registry_world import World

P256 = signer("issuer")
SIGNERS = [
    P256,
    signer("issuer", "ed25519"),
    SoftwareSigner.from_seed("p256", seed("es256"), alg=ES256),
    SoftwareSigner.from_seed("ed25519", seed("eddsa"), alg=EDDSA),
]
BASE = CredentialClaims(
    iss="civil-1",
    sub="AAAAbbbbCCCC_-00",
    iat=1_794_700_800,
    exp=1_861_920_000,
    cnf=seed("holder"),
    vct="sc:identity",
    uri="sc:1/0",
    idx=4711,
    digests=tuple(sorted(seed(f"d{n}") for n in range(4))),
)


def generic(entry: bytes) -> Statement | None:
    """Parse by the slow way only."""
    try:
        return statement._parse_generic(entry, statement._KIND_OF_TYP)
    except MalformedError:
        return None


def assert_both_agree(entry: bytes, *, must_match: bool | None = None) -> None:
    matched = match_credential(entry)
    slow = generic(entry)
    if must_match is not None:
        assert (matched is not None) is must_match
    if matched is not None:
        assert slow is not None
        assert parse_statement(entry) == slow
        assert (matched.alg, matched.kid, matched.claims) == (slow.alg, slow.kid, slow.body)
    if slow is not None:
        # A parsed entry is the one encoding of what it means.
        assert cbor.encode(cbor.decode(entry, max_size=9999)) == entry


_PARTY = st.from_regex(re.compile(r"\A[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?\Z", re.ASCII))
_SUBJECT = st.text("ABCyz019_-", min_size=16, max_size=16)
_EDGES = [0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53 - 1]
_TIMES = st.sampled_from(_EDGES) | st.integers(0, 2**53 - 1) | st.integers(1_700_000_000, 2_000_000_000)
_CLAIMS = st.builds(
    CredentialClaims,
    iss=_PARTY,
    sub=_SUBJECT,
    iat=_TIMES,
    exp=_TIMES,
    cnf=st.binary(min_size=32, max_size=32),
    vct=st.text(min_size=1, max_size=16) | st.from_regex(r"\A[ -~]{1,64}\Z"),
    uri=st.builds("sc:{}/{}".format, st.integers(1, 9_999_999), st.integers(0, 9_999_999)),
    idx=st.sampled_from([0, 23, 24, 255, 256, 65_535, 65_536, 131_071]) | st.integers(0, 131_071),
    digests=st.sets(st.binary(min_size=32, max_size=32), min_size=1, max_size=32).map(
        lambda x: tuple(sorted(x))
    ),
)


@given(_CLAIMS, st.sampled_from(SIGNERS))
def test_pattern_and_parser_read_the_same(claims: CredentialClaims, key: SoftwareSigner) -> None:
    entry = sign_credential(claims, key)
    if len(claims.vct.encode()) > 64:
        return
    assert_both_agree(entry)
    parsed = parse_statement(entry)
    assert (parsed.body, parsed.iss, parsed.sub, parsed.alg) == (claims, claims.iss, claims.sub, key.alg)
    assert parsed.entry == entry
    parsed.check_signature(key.public_key)


@pytest.mark.parametrize("size", range(1, 33))
def test_names_of_every_length_match(size: int) -> None:
    entry = sign_credential(BASE._replace(iss="a" * size), P256)
    assert_both_agree(entry, must_match=True)


@pytest.mark.parametrize("size", range(1, 65))
def test_types_of_every_length_parse_and_short_ones_match(size: int) -> None:
    entry = sign_credential(BASE._replace(vct="x" * size), P256)
    assert_both_agree(entry, must_match=size <= 23)
    assert parse_statement(entry).body.vct == "x" * size


@pytest.mark.parametrize("count", range(1, 33))
def test_digests_of_every_number_parse_and_up_to_23_match(count: int) -> None:
    digests = tuple(sorted(seed(f"d{n}") for n in range(count)))
    entry = sign_credential(BASE._replace(digests=digests), P256)
    assert_both_agree(entry, must_match=count <= 23)
    assert parse_statement(entry).body.digests == digests


@pytest.mark.parametrize("idx", [0, 1, 23, 24, 255, 256, 65_535, 65_536, 131_071])
def test_places_of_every_size_match(idx: int) -> None:
    assert_both_agree(sign_credential(BASE._replace(idx=idx), P256), must_match=True)


@pytest.mark.parametrize("time", _EDGES)
def test_times_of_every_size_agree_and_those_of_four_bytes_match(time: int) -> None:
    four_bytes = 65_536 <= time < 2**32
    assert_both_agree(sign_credential(BASE._replace(iat=time), P256), must_match=four_bytes)
    assert_both_agree(sign_credential(BASE._replace(exp=time), P256), must_match=four_bytes)


@pytest.mark.parametrize("uri", ["sc:1/0", "sc:10/0", "sc:9999999/9999999", "sc:1/12345"])
def test_lists_of_every_size_match(uri: str) -> None:
    assert_both_agree(sign_credential(BASE._replace(uri=uri), P256), must_match=True)


@pytest.mark.parametrize("key", SIGNERS, ids=lambda key: str(key.alg))
def test_every_one_bit_change_reads_as_the_parser_reads_it_and_never_verifies(key: SoftwareSigner) -> None:
    entry = sign_credential(BASE, key)
    for at in range(len(entry)):
        for bit in range(8):
            changed = bytearray(entry)
            changed[at] ^= 1 << bit
            assert_both_agree(bytes(changed))
            try:
                parse_statement(bytes(changed)).check_signature(key.public_key)
            except Exception as error:
                assert getattr(error, "code", "") in (
                    "malformed",
                    "unsupported",
                    "bad_signature",
                    "too_large",
                )
            else:
                pytest.fail(f"bit {bit} of byte {at} changes nothing")


@given(st.data())
def test_bytes_left_out_doubled_or_swapped_agree(data: st.DataObject) -> None:
    entry = sign_credential(BASE._replace(idx=data.draw(st.integers(0, 131_071))), P256)
    start = data.draw(st.integers(0, len(entry) - 1))
    end = data.draw(st.integers(start, min(start + 40, len(entry))))
    part = data.draw(st.binary(max_size=40) | st.just(entry[start:end] * 2) | st.just(entry[end : end + 3]))
    assert_both_agree(entry[:start] + part + entry[end:])


IAT = f"{BASE.iat:08x}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1904d2", "1a000004d2"),  # idx 1234 in four bytes
        ("1904d2", "1900d2"),  # idx 210 in two bytes
        ("1904d2", "1812"),  # idx 18 in one byte too many
        ("1904d2", "1a00020000"),  # idx 131,072
        (f"061a{IAT}", f"061b00000000{IAT}"),  # iat in eight bytes
        (f"061a{IAT}", "061a0000ffff"),  # iat 65,535 in four bytes
        ("6663697669", "780663697669"),  # a text with a longer head
        ("5840", "590040"),  # the signature with a longer head
    ],
)
def test_another_encoding_of_the_same_value_is_refused_by_both(old: str, new: str) -> None:
    claims = BASE._replace(idx=1234, vct="civil!")
    entry = sign_credential(claims, P256).hex()
    assert old in entry
    at = entry.rindex(old) if old == "5840" else entry.index(old)
    changed = bytes.fromhex(entry[:at] + new + entry[at + len(old) :])
    if old.startswith(("19", "06")):
        # The payload's own head has to fit, or that alone would be refused.
        message = cbor.decode(bytes.fromhex(entry), max_size=9999).value
        payload = bytes.fromhex(message[2].hex().replace(old, new))
        changed = cbor.encode(cbor.CBORTag(18, [message[0], {}, payload, message[3]]))
    assert match_credential(changed) is None
    assert generic(changed) is None


@pytest.mark.parametrize(
    "digests", [BASE.digests[::-1], (BASE.digests[0],) * 2, (*BASE.digests[:2], BASE.digests[1])]
)
def test_digests_that_do_not_rise_are_refused_by_both(digests: tuple[bytes, ...]) -> None:
    entry = sign_credential(BASE._replace(digests=digests), P256)
    assert match_credential(entry) is None
    with pytest.raises(MalformedError):
        parse_statement(entry)


# -- clear claims -------------------------------------------------------------------------------------


def code_of(value: Any) -> str:
    try:
        parse_claims(value)
    except MalformedError as error:
        return error.code
    return "ok"


def test_claims_read_back() -> None:
    assert parse_claims(cbor.decode(cbor.encode(format_claims(BASE)), max_size=999)) == BASE


@pytest.mark.parametrize("label", [1, 2, 4, 6, 8, 11, 65535, cbor.REDACTED_KEYS], ids=str)
def test_a_claim_that_is_missing_or_of_another_type_is_malformed(label: Any) -> None:
    missing = format_claims(BASE)
    del missing[label]
    assert code_of(missing) == "malformed"
    wrongs: list[Any] = [None, True, -1, "", b"", [], {}, 2**53]
    for wrong in wrongs:
        assert code_of({**format_claims(BASE), label: wrong}) == "malformed"


@pytest.mark.parametrize(
    "label", [3, 5, 7, 501, -1, "names", "portrait", b"x", cbor.CBORSimpleValue(58)], ids=str
)
def test_any_further_claim_in_clear_is_malformed(label: Any) -> None:
    assert code_of({**format_claims(BASE), label: "x"}) == "malformed"


def test_digests_under_the_integer_59_are_no_digests() -> None:
    value = format_claims(BASE)
    digests = value.pop(cbor.REDACTED_KEYS)
    assert code_of({**value, 59: digests}) == "malformed"


@pytest.mark.parametrize(
    "cnf",
    [
        {},
        {1: {}},
        {3: b"kid"},
        {1: {1: 1, -1: 6, -2: bytes(31)}},
        {1: {1: 1, -1: 6, -2: bytes(32), 2: b"kid"}},
        {1: {1: 2, -1: 1, -2: bytes(32), -3: bytes(32)}},
        {1: {1: 1, -1: 4, -2: bytes(32)}},
        {1: {1: 2, -1: 6, -2: bytes(32)}},
        {1: {1: 1, -1: 6, -2: bytes(32)}, 3: b"kid"},
        {1: {1: True, -1: 6, -2: bytes(32)}},
        {cbor.CBORSimpleValue(1): {1: 1, -1: 6, -2: bytes(32)}},
        {1: {cbor.CBORSimpleValue(1): 1, -1: 6, -2: bytes(32)}},
    ],
    ids=str,
)
def test_a_confirmation_is_exactly_one_ed25519_key(cnf: Any) -> None:
    assert code_of({**format_claims(BASE), 8: cnf}) == "malformed"


@pytest.mark.parametrize(
    "place",
    [
        {"idx": 1},
        {"uri": "sc:1/0"},
        {"idx": -1, "uri": "sc:1/0"},
        {"idx": 131_072, "uri": "sc:1/0"},
        {"idx": True, "uri": "sc:1/0"},
        {"idx": 1, "uri": "sc:0/0"},
        {"idx": 1, "uri": "https://x/1"},
        {"idx": 1, "uri": "sc:1/0", "x": 1},
    ],
    ids=str,
)
def test_a_status_is_one_place_on_a_list_of_the_ledger(place: Any) -> None:
    assert code_of({**format_claims(BASE), 65535: {"status_list": place}}) == "malformed"
    assert (
        code_of({**format_claims(BASE), 65535: {"status_list": {"idx": 1, "uri": "sc:1/0"}, "x": 1}})
        == "malformed"
    )


def test_digests_have_32_bytes_and_number_1_to_32() -> None:
    def with_digests(*digests: Any) -> str:
        return code_of({**format_claims(BASE), cbor.REDACTED_KEYS: list(digests)})

    many = sorted(seed(f"d{n}") for n in range(33))
    assert [with_digests(*many[:n]) for n in (0, 1, 32, 33)] == ["malformed", "ok", "ok", "malformed"]
    assert with_digests(bytes(31)) == with_digests(bytes(33)) == with_digests("x" * 32) == "malformed"


def test_the_claims_of_a_world_are_those_of_an_entry() -> None:
    world = World()
    civil = world.admit("civil-1")
    assert world.credential(civil, 3).body == world.claims(civil, 3)


@pytest.mark.parametrize("key", SIGNERS, ids=lambda key: str(key.alg))
def test_the_short_way_to_facts_verifies_like_the_long_one(key: SoftwareSigner) -> None:
    entry = sign_credential(BASE, key)
    parsed = parse_statement(entry)
    keys = {(BASE.iss, key.public_key.kid): key.public_key}
    assert verify_credential(entry, keys) == parsed.facts()
    assert verify_credential(entry, {}) is None
    for bit in range(0, len(entry) * 8, 3):
        changed = bytearray(entry)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            assert verify_credential(bytes(changed), keys) is None, bit
        except LedgerError as error:
            assert error.code in ("bad_signature", "malformed", "unsupported")


def test_the_short_way_leaves_what_it_does_not_know_to_the_long_one() -> None:
    keys = {(BASE.iss, P256.public_key.kid): P256.public_key}
    for entry in (b"", b"\xf6", sign_credential(BASE._replace(vct="x" * 64), P256), bytes(5000)):
        assert verify_credential(entry, keys) is None
