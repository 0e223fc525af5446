"""Selective disclosure: the published tokens, a nested token of the draft's shape, and every refusal."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from credential.core import sd_cwt
from credential.core.sd_cwt import Decoy, Redacted, RedactedKey, SaltedValue
from credential.errors import DisclosureError, InputError, SecretError
from ledger.core import cbor, cose
from ledger.core.cbor import REDACTED_KEYS, CBORSimpleValue, CBORTag
from ledger.errors import MalformedError

Random = Callable[[int], bytes]


@pytest.fixture
def random_bytes() -> Random:
    counter = itertools.count()
    return lambda size: hashlib.sha256(b"%d" % next(counter)).digest()[:size]


def salts() -> Random:
    counter = itertools.count()
    return lambda size: hashlib.sha256(b"salt %d" % next(counter)).digest()[:size]


def contents(redaction: sd_cwt.Redaction) -> list[bytes]:
    return [issued.disclosure.content for issued in redaction.disclosures]


# --- Published tokens ---------------------------------------------------------------------------------


def published(vectors_dir: Path, name: str) -> cose.Sign1:
    return cose.parse_sign1((vectors_dir / "sd-cwt" / name).read_bytes(), max_size=4096)


def check_es384(vectors_dir: Path, message: cose.Sign1) -> None:
    private = load_pem_private_key((vectors_dir / "sd-cwt" / "issuer_privkey.pem").read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    r, s = int.from_bytes(message.signature[:48], "big"), int.from_bytes(message.signature[48:], "big")
    signed = cose.sig_structure(message.protected_bytes, message.payload or b"")
    private.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA384()))


def test_the_first_published_disclosure_has_the_digest_of_its_wrapped_form(vectors_dir: Path) -> None:
    content = (vectors_dir / "sd-cwt" / "first-disclosure.cborseq").read_bytes()
    if content[0] >> 5 == 2:  # the file may hold the byte string with or without its head
        content = cbor.decode(content, max_size=64)
    assert sd_cwt.disclosure_digest(content).hex().startswith("af375dc3fba1d082448642c00be7b2f7")
    in_the_text = (vectors_dir / "sd-cwt" / "first-blinded-hash.txt").read_text().strip()
    assert in_the_text.startswith("d9df03da")
    assert in_the_text == hashlib.sha256(content).hexdigest() != sd_cwt.disclosure_digest(content).hex()


def test_a_digest_of_the_unwrapped_form_is_refused(vectors_dir: Path) -> None:
    message = published(vectors_dir, "issuer_cwt.cbor")
    content = message.unprotected[17][0]
    payload = {1: "iss", REDACTED_KEYS: [hashlib.sha256(content).digest()]}
    with pytest.raises(DisclosureError):
        sd_cwt.apply_disclosures(payload, [content])


@pytest.mark.parametrize(("name", "count"), [("issuer_cwt.cbor", 5), ("decoy.cbor", 4)])
def test_every_disclosure_of_a_published_token_matches(vectors_dir: Path, name: str, count: int) -> None:
    message = published(vectors_dir, name)
    check_es384(vectors_dir, message)
    payload = cbor.decode(message.payload or b"", max_size=4096)
    disclosures = sd_cwt.parse_disclosure_list(message.unprotected[17])
    result = sd_cwt.apply_disclosures(payload, disclosures)
    assert len(result.used) == count == len(disclosures)
    assert result.undisclosed == ()
    if name == "issuer_cwt.cbor":
        assert result.claims[501] == "ABCD-123456"
        assert result.claims[502] == [1549560720, 1612560720, 1674004740]
        assert result.claims[503] == {"country": "us", "region": "ca", "postal_code": "94188"}
    else:
        assert result.claims[98] == ["fr"]
        assert result.claims[500] is True


def test_the_published_presentation_shows_three_and_deletes_the_rest(vectors_dir: Path) -> None:
    outer = published(vectors_dir, "kbt.cbor")
    inner = cose.parse_sign1(cbor.encode(outer.protected[13]), max_size=4096)
    check_es384(vectors_dir, inner)
    payload = cbor.decode(inner.payload or b"", max_size=4096)
    for order in itertools.permutations(sd_cwt.parse_disclosure_list(inner.unprotected[17])):
        result = sd_cwt.apply_disclosures(payload, order)
        assert result.used == tuple(map(sd_cwt.disclosure_digest, order))
        assert len(result.undisclosed) == 2
        assert result.claims[502] == [1549560720, 1674004740]
        assert result.claims[503] == {"country": "us", "region": "ca"}


@pytest.mark.parametrize(
    ("array", "digest"),
    [
        (["bae611067bb823486797da1ebbb52f83", "ABCD-123456", 501], "af375dc3"),
        (["ec615c3035d5a4ff2f5ae29ded683c8e", "ca", "region"], "0d4b8c61"),
        (["8de86a012b3043ae6e4457b9e1aaab80", 1549560720], "1b7fc8ec"),
    ],
)
def test_published_digests_hold_without_the_files(array: list[Any], digest: str) -> None:
    kind = "claim" if len(array) == 3 else "element"
    made = sd_cwt.format_disclosure(bytes.fromhex(array[0]), *array[1:], kind=kind)  # type: ignore[arg-type]
    assert made.digest.hex()[:8] == digest
    assert sd_cwt.parse_disclosure(made.content) == made


# --- A nested token of the shape of the draft's nested example ---------------------------------------


def inspection(when: int, inspector: str, region: str, postcode: str) -> Redacted:
    place: dict[Any, Any] = {1: "us", RedactedKey(2): region, RedactedKey(3): postcode}
    return Redacted({500: True, 502: when, RedactedKey(501): inspector, RedactedKey(503): place})


LOG = [
    inspection(1549560720, "DCBA-101777", "co", "80302"),
    inspection(1612560720, "EFGH-789012", "nv", "89155"),
    inspection(1674004740, "ABCD-123456", "ca", "94188"),
]
CLEAR: dict[Any, Any] = {
    1: "https://issuer.example",
    2: "https://device.example",
    4: 1725330600,
    6: 1725244200,
}


def test_a_nested_token_discloses_as_the_draft_describes(random_bytes: Random) -> None:
    made = sd_cwt.redact({**CLEAR, 504: LOG}, random_bytes)
    assert len(made.disclosures) == 15
    assert [type(item) for item in made.payload[504]] == [CBORTag] * 3
    payload = cbor.decode(cbor.encode(made.payload), max_size=4096)
    chosen = [
        made.disclosure_at(*path).content
        for path in [
            (504, 2),
            (504, 2, 501),
            (504, 2, 503),
            (504, 2, 503, 2),
            (504, 0),
            (504, 0, 501),
            (504, 0, 503),
        ]
    ]
    expected = {
        **CLEAR,
        504: [
            {500: True, 501: "DCBA-101777", 502: 1549560720, 503: {1: "us"}},
            {500: True, 501: "ABCD-123456", 502: 1674004740, 503: {1: "us", 2: "ca"}},
        ],
    }
    for order in (chosen, chosen[::-1], chosen[3:] + chosen[:3]):
        result = sd_cwt.apply_disclosures(payload, order)
        assert result.claims == expected
        assert len(result.undisclosed) == 4  # record 1, and three regions or postcodes


def test_a_child_without_its_parent_is_an_orphan(random_bytes: Random) -> None:
    made = sd_cwt.redact({**CLEAR, 504: LOG}, random_bytes)
    with pytest.raises(DisclosureError):
        sd_cwt.apply_disclosures(made.payload, [made.disclosure_at(504, 2, 501).content])


# --- Redaction ----------------------------------------------------------------------------------------


def test_the_digests_of_a_map_stand_in_bytewise_order(random_bytes: Random) -> None:
    marked: dict[Any, Any] = {
        1: "iss",
        **{RedactedKey(f"k{i}"): i for i in range(9)},
        **{Decoy(i): None for i in range(5)},
    }
    made = sd_cwt.redact(marked, random_bytes)
    digests = made.payload[REDACTED_KEYS]
    assert digests == sorted(digests) == sorted(issued.disclosure.digest for issued in made.disclosures)
    expected: dict[Any, Any] = {1: "iss", **{f"k{i}": i for i in range(9)}}
    assert sd_cwt.apply_disclosures(made.payload, contents(made)).claims == expected
    assert made.disclosure_at(3).kind == "decoy"


def test_a_value_may_depend_on_the_salt_of_its_own_disclosure(random_bytes: Random) -> None:
    made = sd_cwt.redact({RedactedKey("c"): SaltedValue(lambda salt: [salt[:4], 7])}, random_bytes)
    disclosure = made.disclosure_at("c")
    assert disclosure.value == [disclosure.salt[:4], 7]


KEYS = st.integers(100, 10_000) | st.text("abcdef", min_size=1, max_size=4)
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5) | st.binary(max_size=5)
)
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def mark(value: Any, choose: Callable[[], int], numbers: Any) -> Any:
    """Return `value` with some parts marked for redaction and some decoys added."""
    if isinstance(value, list):
        items = [Redacted(mark(v, choose, numbers)) if choose() else mark(v, choose, numbers) for v in value]
        return [*items, Decoy(next(numbers))] if choose() else items
    if isinstance(value, dict):
        marked = {(RedactedKey(k) if choose() else k): mark(v, choose, numbers) for k, v in value.items()}
        return {**marked, Decoy(next(numbers)): None} if choose() else marked
    return value


@given(st.dictionaries(KEYS, PLAIN, max_size=4), st.data())
def test_full_disclosure_gives_back_every_claim_and_none_leaves_no_digest(
    claims: dict[Any, Any], data: st.DataObject
) -> None:
    marked = mark(claims, lambda: data.draw(st.integers(0, 1)), itertools.count(1))
    made = sd_cwt.redact(marked, salts())
    payload = cbor.decode(cbor.encode(made.payload), max_size=65_536)
    everything = data.draw(st.permutations(contents(made)))
    if len(everything) <= 64:
        result = sd_cwt.apply_disclosures(payload, everything)
        assert result.claims == claims
        assert result.undisclosed == ()
    closed = sd_cwt.apply_disclosures(payload, []).claims
    assert REDACTED_KEYS not in closed
    assert not holds_redactions(closed)


@given(st.dictionaries(KEYS, PLAIN, max_size=4), st.data())
def test_the_fast_path_agrees_where_only_the_top_level_is_redacted(
    claims: dict[Any, Any], data: st.DataObject
) -> None:
    numbers = itertools.count(1)
    marked = {
        RedactedKey(k): mark(v, lambda: data.draw(st.integers(0, 1)), numbers) for k, v in claims.items()
    }
    made = sd_cwt.redact({1: "iss", **marked, Decoy(0): None}, salts())
    payload = cbor.decode(cbor.encode(made.payload), max_size=65_536)
    for chosen in (data.draw(st.permutations(contents(made))), []):
        expected = sd_cwt.apply_disclosures(payload, chosen).claims
        assert sd_cwt.disclose_top_level(payload, chosen) == expected


def holds_redactions(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(holds_redactions, value))
    if isinstance(value, dict):
        return any(type(k) is CBORSimpleValue or holds_redactions(v) for k, v in value.items())
    return isinstance(value, CBORTag)


@pytest.mark.parametrize(
    "marked",
    [
        {RedactedKey(6): 1},
        {RedactedKey("a"): 1, "a": 2},
        {RedactedKey("a"): 1, 59: 2},
        {Decoy(1): None, "x": [Decoy(1)]},
        {b"a": 1},
        {"": 1},
        {"a" * 256: 1},
        {RedactedKey(""): 1},
        {RedactedKey("a"): 1.5},
        {"a": Redacted(1)},
        {"a": SaltedValue(len)},
    ],
)
def test_marks_that_break_a_rule_are_bad_input(marked: dict[Any, Any]) -> None:
    with pytest.raises(InputError) as caught:
        sd_cwt.redact(marked, salts())
    assert caught.value.code == "bad_input"


def test_a_random_source_that_repeats_is_refused() -> None:
    with pytest.raises(InputError):
        sd_cwt.redact({RedactedKey("a"): 1, RedactedKey("b"): 2}, bytes)
    with pytest.raises(KeyError):
        sd_cwt.redact({}, bytes).disclosure_at("a")


# --- Refusals -----------------------------------------------------------------------------------------


def claim(key: Any, value: Any = 1, salt: int = 0) -> sd_cwt.Disclosure:
    return sd_cwt.format_disclosure(bytes((salt,)) * 16, value, key, kind="claim")


def element(value: Any, salt: int = 0) -> sd_cwt.Disclosure:
    return sd_cwt.format_disclosure(bytes((salt,)) * 16, value, kind="element")


def under_59(*parts: sd_cwt.Disclosure, **more: Any) -> dict[Any, Any]:
    return {1: "iss", **more, REDACTED_KEYS: [part.digest for part in parts]}


def refused(
    payload: dict[Any, Any], *parts: sd_cwt.Disclosure, error: type[Exception] = DisclosureError
) -> None:
    disclosures = [part.content for part in parts]
    with pytest.raises(error):
        sd_cwt.apply_disclosures(payload, disclosures)
    with pytest.raises(error):
        sd_cwt.disclose_top_level(payload, disclosures)


def test_a_disclosure_that_breaks_a_rule_is_bad_disclosure() -> None:
    a, b = claim("a"), claim("b", salt=1)
    refused(under_59(a), a, b)  # without a digest
    refused({1: "iss"}, a)  # nothing is redacted
    refused(under_59(a), a, a)  # twice
    refused(under_59(a, a=1), a)  # there already, in clear
    refused(under_59(a, claim("a", 2, salt=2)), a, claim("a", 2, salt=2))  # there already, disclosed
    refused(under_59(element(1)), element(1))  # an element for a claim
    refused({1: "iss", 9: [CBORTag(60, a.digest)]}, a)  # a claim for an element
    refused(under_59(claim(6)), claim(6))  # iat must stand in clear
    refused({1: "iss", 59: [a.digest]}, a)  # the integer 59 is not simple(59)


def test_a_claim_that_must_be_clear_at_the_top_may_be_redacted_below() -> None:
    part = claim(6)
    assert sd_cwt.apply_disclosures({9: under_59(part)}, [part.content]).claims == {9: {1: "iss", 6: 1}}


def test_the_fast_path_agrees_where_the_integer_59_is_a_claim() -> None:
    assert sd_cwt.disclose_top_level({1: "iss", 59: [b"x"]}, []) == {1: "iss", 59: [b"x"]}
    a = claim(59, "odd")
    assert sd_cwt.disclose_top_level(under_59(a), [a.content]) == {1: "iss", 59: "odd"}


def test_the_fast_path_gives_what_the_full_walk_gives(random_bytes: Random) -> None:
    marked: dict[Any, Any] = {
        **CLEAR,
        RedactedKey("a"): [[12, 1, 8104], [18, 2, 8110]],
        RedactedKey("n"): {"x": 1, "y": [True, None]},
        RedactedKey("m"): {"x": 1, RedactedKey("y"): 2},
        Decoy(1): None,
    }
    made = sd_cwt.redact(marked, random_bytes)
    payload = cbor.decode(cbor.encode(made.payload), max_size=4096)
    before = cbor.encode(payload)
    for size in range(6):
        for chosen in itertools.combinations(contents(made), size):
            try:
                expected = sd_cwt.apply_disclosures(payload, chosen).claims
            except DisclosureError:
                with pytest.raises(DisclosureError):
                    sd_cwt.disclose_top_level(payload, chosen)
            else:
                assert sd_cwt.disclose_top_level(payload, chosen) == expected
    assert cbor.encode(payload) == before


def test_claims_that_are_not_well_formed_are_malformed() -> None:
    a = claim("a")
    refused({b"k": 1}, error=MalformedError)
    refused({CBORSimpleValue(60): 1}, error=MalformedError)
    refused({"k" * 256: 1}, error=MalformedError)
    refused({REDACTED_KEYS: a.digest}, error=MalformedError)
    refused({9: {REDACTED_KEYS: [a.digest[:31]]}}, error=MalformedError)
    refused({9: [CBORTag(60, 1)]}, error=MalformedError)
    refused({9: CBORTag(60, a.digest)}, error=MalformedError)
    refused({9: CBORTag(58, 1)}, error=MalformedError)
    refused({9: [CBORTag(62, 1)]}, error=MalformedError)
    refused({8: {REDACTED_KEYS: [a.digest]}, 9: {REDACTED_KEYS: [a.digest]}}, error=MalformedError)
    for value in ({b"k": 1}, CBORTag(60, bytes(32)), {"x": CBORTag(60, bytes(32))}, {"x": {b"k": 1}}):
        part = claim("a", value)
        refused(under_59(part), part, error=MalformedError)


def nest(levels: int) -> Any:
    """Return claims whose innermost value stands at level `levels`, as the draft counts."""
    value: Any = "innermost"
    for _ in range(levels - 1):
        value = [value]
    return {100: value}


def test_sixteen_levels_are_accepted_and_seventeen_are_not() -> None:
    assert sd_cwt.apply_disclosures(nest(16), []).claims == nest(16)
    with pytest.raises(MalformedError):
        sd_cwt.apply_disclosures(nest(17), [])
    tagged: Any = {100: CBORTag(1, nest(14)[100])}
    assert sd_cwt.apply_disclosures(tagged, []).claims == tagged
    deep = nest(15)[100]
    with pytest.raises(MalformedError):
        sd_cwt.apply_disclosures({100: CBORTag(1, [deep])}, [])
    inner = element(nest(9)[100])
    outer = nest(9)
    innermost = outer[100]
    while innermost != ["innermost"]:
        innermost = innermost[0]
    innermost[0] = CBORTag(60, inner.digest)
    assert sd_cwt.apply_disclosures(outer, []).undisclosed == (inner.digest,)
    with pytest.raises(MalformedError):  # each part is shallow, together they are not
        sd_cwt.apply_disclosures(outer, [inner.content])


@pytest.mark.parametrize(
    "value",
    [[], [bytes(15)], [bytes(17), 1], [bytes(16), 1, b"k"], [bytes(16), 1, ""], [bytes(16), 1, 2, 3],
     [bytes(16), 1, True], ["a" * 16, 1], {1: 2}, bytes(16), [bytes(16), 1, "k" * 256]],
)  # fmt: skip
def test_a_disclosure_of_another_shape_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedError):
        sd_cwt.parse_disclosure(cbor.encode(value))


def test_a_disclosure_that_is_not_deterministic_is_malformed() -> None:
    for content in (
        b"\x9f\x50" + bytes(16) + b"\xff",
        b"\x82\x50" + bytes(16) + b"\x18\x01",
        b"\x81\x50" + bytes(17),
    ):
        with pytest.raises(MalformedError):
            sd_cwt.parse_disclosure(content)
    with pytest.raises(MalformedError) as caught:
        sd_cwt.parse_disclosure(cbor.encode([bytes(16), bytes(4096)]))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 4095, 65_535, 65_536])
def test_wrapping_is_the_encoding_of_a_byte_string(size: int) -> None:
    assert sd_cwt.wrap_disclosure(bytes(size)) == cbor.encode(bytes(size))


@pytest.mark.parametrize("value", [None, [], {}, [1], [b"a", "b"], [b"a"] * 65])
def test_a_list_of_disclosures_of_another_shape_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError):
        sd_cwt.parse_disclosure_list(value)


def test_an_empty_list_is_left_out_and_others_come_back() -> None:
    parts = [claim("a"), element(2)]
    listed = sd_cwt.format_disclosure_list(parts)
    assert [sd_cwt.parse_disclosure(content) for content in sd_cwt.parse_disclosure_list(listed)] == parts
    with pytest.raises(ValueError, match="left out"):
        sd_cwt.format_disclosure_list([])


def test_every_changed_bit_of_a_disclosure_is_refused() -> None:
    part = claim("a", ["value", 7])
    payload = under_59(part)
    for bit in range(len(part.content) * 8):
        changed = bytearray(part.content)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DisclosureError, MalformedError)):
            sd_cwt.apply_disclosures(payload, [bytes(changed)])
        with pytest.raises((DisclosureError, MalformedError)):
            sd_cwt.disclose_top_level(payload, [bytes(changed)])


@given(st.binary(max_size=60))
def test_any_bytes_are_a_disclosure_or_malformed(data: bytes) -> None:
    for content in (data, b"\x83\x50" + bytes(16) + data, b"\x82\x50" + bytes(16) + data):
        try:
            part = sd_cwt.parse_disclosure(content)
        except MalformedError as error:
            assert error.code == "malformed"
        else:
            made = sd_cwt.format_disclosure(part.salt, part.value, part.key, kind=part.kind)
            assert made.content == content


# --- Sealed disclosures -------------------------------------------------------------------------------

KEY, NONCE = bytes(range(32)), bytes(range(12))


@given(st.binary(max_size=300), st.binary(min_size=32, max_size=32), st.binary(min_size=12, max_size=12))
def test_a_sealed_disclosure_opens_to_what_was_sealed(content: bytes, key: bytes, nonce: bytes) -> None:
    sealed = sd_cwt.seal_disclosure(content, key, nonce)
    assert sd_cwt.open_sealed(sealed, key) == content
    assert sd_cwt.parse_sealed_list(sd_cwt.format_sealed_list([sealed])) == (sealed,)
    assert len(sealed.ciphertext) == len(sd_cwt.wrap_disclosure(content))


def test_the_plaintext_is_the_wrapped_disclosure_without_associated_data() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    content = claim("a").content
    sealed = sd_cwt.seal_disclosure(content, KEY, NONCE)
    plain = AESGCM(KEY).decrypt(NONCE, sealed.ciphertext + sealed.tag, None)
    assert hashlib.sha256(plain).digest() == sd_cwt.disclosure_digest(content)


def test_a_wrong_key_and_every_changed_bit_are_the_wrong_secret() -> None:
    sealed = sd_cwt.seal_disclosure(claim("a").content, KEY, NONCE)
    for key in (KEY[::-1], KEY[:31], b""):
        with pytest.raises(SecretError) as caught:
            sd_cwt.open_sealed(sealed, key)
        assert caught.value.code == "wrong_secret"
    [[nonce, ciphertext, tag]] = sd_cwt.format_sealed_list([sealed])
    whole = nonce + ciphertext + tag
    for bit in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        parts = [bytes(changed[:12]), bytes(changed[12:-16]), bytes(changed[-16:])]
        with pytest.raises(SecretError):
            sd_cwt.open_sealed(sd_cwt.parse_sealed_list([parts])[0], KEY)


def test_a_sealed_part_of_another_card_is_bad_disclosure_once_open() -> None:
    content = sd_cwt.open_sealed(sd_cwt.seal_disclosure(claim("a").content, KEY, NONCE), KEY)
    with pytest.raises(DisclosureError) as caught:
        sd_cwt.apply_disclosures(under_59(claim("a", salt=9)), [content])
    assert caught.value.code == "bad_disclosure"


def test_a_sealed_part_that_is_no_byte_string_is_malformed() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    for plain in (b"\x01", b"\x42a", b"\x58\x01a", b"\x41ab"):
        out = AESGCM(KEY).encrypt(NONCE, plain, None)
        sealed = sd_cwt.SealedDisclosure(NONCE, out[:-16], out[-16:])
        with pytest.raises(MalformedError):
            sd_cwt.open_sealed(sealed, KEY)


@pytest.mark.parametrize(
    "value",
    [None, [], [[]], [[bytes(12), b"x"]], [[bytes(11), b"x", bytes(16)]], [[bytes(12), b"", bytes(16)]],
     [[bytes(12), b"x", bytes(15)]], [[bytes(12), "x", bytes(16)]], [[bytes(12), bytes(4100), bytes(16)]],
     [[bytes(12), b"x", bytes(16)]] * 65, {1: 2}],
)  # fmt: skip
def test_a_sealed_list_of_another_shape_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError):
        sd_cwt.parse_sealed_list(value)


def test_lengths_that_cannot_be_sealed_are_refused() -> None:
    for content, key, nonce in ((b"", KEY[:16], NONCE), (b"", KEY, NONCE + b"x"), (bytes(4097), KEY, NONCE)):
        with pytest.raises(ValueError, match="key is 32"):
            sd_cwt.seal_disclosure(content, key, nonce)
    with pytest.raises(ValueError, match="left out"):
        sd_cwt.format_sealed_list([])
