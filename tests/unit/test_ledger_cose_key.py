"""COSE keys: thumbprints, strict verification, deterministic signing, and the parser of keys."""

from __future__ import annotations

import copy
import hashlib
import pickle
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core import cbor, cose_key
from ledger.core.cose_key import (
    ED25519,
    EDDSA,
    ES256,
    ESP256,
    Kind,
    PublicKey,
    SoftwareSigner,
    format_cose_key,
    from_cryptography,
    parse_cose_key,
)
from ledger.errors import CodedError, LedgerError, MalformedError, VerificationError

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
ED25519_PRIME = 2**255 - 19
KINDS: list[Kind] = ["p256", "ed25519"]
MESSAGE = b"a message"


def signer_of(kind: Kind, seed: int = 7, alg: int | None = None) -> SoftwareSigner:
    return SoftwareSigner.from_seed(kind, bytes([seed]) * 32, alg=alg)


def code_of(key: PublicKey, alg: int, signature: bytes, message: bytes = MESSAGE) -> str:
    with pytest.raises(LedgerError) as caught:
        key.verify(alg, message, signature)
    return caught.value.code


# --- keys ---


def test_the_thumbprint_of_rfc_9679_comes_out() -> None:
    key = PublicKey(
        "p256",
        bytes.fromhex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"),
        bytes.fromhex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"),
    )
    expected = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    assert key.thumbprint().hex() == expected
    assert key.kid.hex() == expected[:16]


def test_the_thumbprint_of_the_published_holder_key_comes_out() -> None:
    """draft-ietf-spice-sd-cwt, appendix on keys: the holder's."""
    key = PublicKey(
        "p256",
        bytes.fromhex("8554eb275dcd6fbd1c7ac641aa2c90d92022fd0d3024b5af18c7cc61ad527a2d"),
        bytes.fromhex("4dc7ae2c677e96d0cc82597655ce92d5503f54293d87875d1e79ce4770194343"),
    )
    assert key.thumbprint().hex() == "8343d73cdfcb81f2c7cd11a5f317be8eb34e4807ec8c9ceb282495cffdf037e0"


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.binary(min_size=32, max_size=32))
@settings(max_examples=20)
def test_a_key_comes_back_from_its_map_and_hashes_to_its_thumbprint(kind: Kind, seed: bytes) -> None:
    key = SoftwareSigner.from_seed(kind, seed).public_key
    value = format_cose_key(key)
    assert parse_cose_key(value) == key
    assert parse_cose_key(cbor.decode(cbor.encode(value), max_size=128)) == key
    assert hashlib.sha256(cbor.encode(value)).digest() == key.thumbprint()
    assert len(key.kid) == 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_can_be_copied_pickled_and_hashed(kind: Kind) -> None:
    key = signer_of(kind).public_key
    for twin in (copy.deepcopy(key), pickle.loads(pickle.dumps(key)), PublicKey(key.kind, key.x, key.y)):
        assert twin == key
        assert hash(twin) == hash(key)
        twin.verify(ED25519 if kind == "ed25519" else ESP256, MESSAGE, signer_of(kind).sign(MESSAGE))
    assert key != signer_of(kind, 8).public_key


P256 = format_cose_key(signer_of("p256").public_key)
OKP = format_cose_key(signer_of("ed25519").public_key)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "malformed"),
        ([], "malformed"),
        ({}, "malformed"),
        ({**OKP, 2: b"kid"}, "malformed"),
        ({**OKP, 3: -19}, "malformed"),
        ({**OKP, -4: bytes(32)}, "malformed"),
        ({**OKP, -3: bytes(32)}, "malformed"),
        ({**OKP, -2: OKP[-2][:31]}, "malformed"),
        ({**OKP, -2: OKP[-2] + b"\x00"}, "malformed"),
        ({**OKP, -2: "x" * 32}, "malformed"),
        ({**OKP, 1: True}, "malformed"),
        ({**OKP, 1: "OKP"}, "malformed"),
        ({**OKP, -1: 4}, "unsupported"),  # X25519
        ({**OKP, -1: 7}, "unsupported"),  # Ed448
        ({**OKP, 1: 2}, "unsupported"),
        ({1: 1, -1: 6}, "malformed"),
        ({**P256, -3: True}, "malformed"),  # compressed
        ({**P256, -3: P256[-3][:31]}, "malformed"),
        ({**P256, -3: P256[-2]}, "malformed"),  # off the curve
        ({**P256, -2: bytes(32), -3: bytes(32)}, "malformed"),
        ({**P256, -2: b"\xff" * 32}, "malformed"),
        ({**P256, 2: b"kid"}, "malformed"),
        ({**P256, -1: 2}, "unsupported"),  # P-384
        ({**P256, -1: 8}, "unsupported"),  # secp256k1
        ({1: 2, -1: 1, -2: P256[-2]}, "malformed"),
        ({1: 4, -1: 1, -2: bytes(32)}, "unsupported"),
    ],
)
def test_any_other_map_is_no_key(value: Any, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_cose_key(value)
    assert caught.value.code == code


@given(
    st.dictionaries(
        st.sampled_from((1, -1, -2, -3, 2)),
        st.sampled_from((1, 2, 6, True, b"", OKP[-2], P256[-2], P256[-3], "a", None)),
    )
)
def test_any_map_is_refused_with_a_code_or_is_the_map_of_its_key(value: dict[int, Any]) -> None:
    try:
        key = parse_cose_key(value)
    except MalformedError:
        return
    assert format_cose_key(key) == value


def small_order_ordinates() -> set[int]:
    """Return y of every point whose order divides 8, found by adding points up group-order times."""
    prime = ED25519_PRIME
    d = -121665 * pow(121666, -1, prime) % prime

    def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        (x1, y1), (x2, y2) = a, b
        k = d * x1 * x2 * y1 * y2 % prime
        return (
            (x1 * y2 + x2 * y1) * pow(1 + k, -1, prime) % prime,
            (y1 * y2 + x1 * x2) * pow(1 - k, -1, prime) % prime,
        )

    def times(n: int, point: tuple[int, int]) -> tuple[int, int]:
        total = (0, 1)
        for bit in bin(n)[2:]:
            total = add(total, total)
            if bit == "1":
                total = add(total, point)
        return total

    found: set[int] = set()
    for y in range(2, 200):
        square = (y * y - 1) * pow(d * y * y + 1, -1, prime) % prime
        x = pow(square, (prime + 3) // 8, prime)
        if (x * x - square) % prime:
            x = x * pow(2, (prime - 1) // 4, prime) % prime
        if (x * x - square) % prime == 0:
            found.add(times(ED25519_ORDER, (x, y))[1])
        if len(found) == 5:
            break
    return found


def test_an_ed25519_point_of_small_order_or_not_reduced_is_no_key() -> None:
    small = small_order_ordinates()
    assert len(small) == 5
    for y in (*small, ED25519_PRIME, ED25519_PRIME + 1, 2**255 - 1):
        for sign_bit in (0, 1 << 255):
            with pytest.raises(MalformedError):
                PublicKey("ed25519", (y | sign_bit).to_bytes(32, "little"))


def test_a_small_order_key_would_have_verified_a_signature_that_nobody_made() -> None:
    weak = ed25519.Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))
    forged = (1).to_bytes(32, "little") + bytes(32)
    weak.verify(forged, b"one message")
    weak.verify(forged, b"another message")


# --- signing and verifying ---


@pytest.mark.parametrize(
    ("kind", "alg"), [("p256", ESP256), ("p256", ES256), ("ed25519", ED25519), ("ed25519", EDDSA)]
)
@given(message=st.binary(max_size=80), seed=st.binary(min_size=32, max_size=32))
@settings(max_examples=25)
def test_what_a_signer_signs_verifies_and_is_the_same_every_time(
    kind: Kind, alg: int, message: bytes, seed: bytes
) -> None:
    signer = SoftwareSigner.from_seed(kind, seed, alg=alg)
    signature = signer.sign(message)
    assert signer.alg == alg
    signer.public_key.verify(alg, message, signature)
    assert signature == SoftwareSigner.from_seed(kind, seed).sign(message)
    assert code_of(signer.public_key, alg, signature, message + b"x") == "bad_signature"


def test_the_default_algorithms_are_the_fully_specified_ones() -> None:
    assert (signer_of("p256").alg, signer_of("ed25519").alg) == (ESP256, ED25519)


def test_the_signature_of_rfc_8032_comes_out() -> None:
    signer = SoftwareSigner.from_seed(
        "ed25519", bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    )
    assert signer.public_key.x.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert signer.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_the_signature_of_rfc_6979_comes_out_with_the_lower_s() -> None:
    scalar = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    signer = SoftwareSigner.from_private_key(ec.derive_private_key(scalar, ec.SECP256R1()))
    published_s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    signature = signer.sign(b"sample")
    assert signature[:32].hex() == "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    assert int.from_bytes(signature[32:]) == P256_ORDER - published_s


def test_a_seed_gives_the_scalar_that_the_text_says() -> None:
    for seed, scalar in ((0, 1), (5, 6), (P256_ORDER - 2, P256_ORDER - 1), (P256_ORDER - 1, 1)):
        key = SoftwareSigner.from_seed("p256", seed.to_bytes(32)).public_key
        assert key == from_cryptography(ec.derive_private_key(scalar, ec.SECP256R1()).public_key())
    with pytest.raises(ValueError, match="32 bytes"):
        SoftwareSigner.from_seed("p256", bytes(31))


def test_the_private_key_is_not_shown() -> None:
    assert "private" not in repr(signer_of("p256"))


@pytest.mark.parametrize(
    ("kind", "alg"),
    [("p256", ED25519), ("p256", EDDSA), ("p256", -35), ("p256", 0), ("ed25519", ESP256), ("ed25519", ES256)],
)
def test_an_algorithm_that_is_not_for_the_key_is_unsupported(kind: Kind, alg: int) -> None:
    signer = signer_of(kind)
    assert code_of(signer.public_key, alg, signer.sign(MESSAGE)) == "unsupported"
    with pytest.raises(MalformedError) as caught:
        signer_of(kind, alg=alg)
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize(
    "key", [ec.derive_private_key(5, ec.SECP384R1()), ec.derive_private_key(5, ec.SECP256K1())]
)
def test_a_key_on_another_curve_is_unsupported(key: Any) -> None:
    with pytest.raises(MalformedError) as caught:
        SoftwareSigner.from_private_key(key)
    assert caught.value.code == "unsupported"
    with pytest.raises(MalformedError):
        from_cryptography(rsa.RSAPublicNumbers(65537, 2**2047 + 1).public_key())


@pytest.mark.parametrize("kind", KINDS)
def test_every_flipped_bit_of_a_signature_fails_with_a_code(kind: Kind) -> None:
    signer = signer_of(kind)
    signature = signer.sign(MESSAGE)
    codes = set()
    for bit in range(512):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        codes.add(code_of(signer.public_key, signer.alg, bytes(flipped)))
    assert codes == {"bad_signature", "malformed"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 1, 63, 65, 96])
def test_a_signature_of_another_size_is_malformed(kind: Kind, size: int) -> None:
    signer = signer_of(kind)
    assert code_of(signer.public_key, signer.alg, (signer.sign(MESSAGE) + bytes(32))[:size]) == "malformed"


def test_the_other_half_of_s_is_malformed_though_the_mathematics_would_accept_it() -> None:
    signer = signer_of("p256")
    signature = signer.sign(MESSAGE)
    twin = signature[:32] + (P256_ORDER - int.from_bytes(signature[32:])).to_bytes(32)
    assert code_of(signer.public_key, ESP256, twin) == "malformed"


@pytest.mark.parametrize("r", [0, 1, P256_ORDER - 1, P256_ORDER, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, P256_ORDER // 2, P256_ORDER // 2 + 1, P256_ORDER, 2**256 - 1])
def test_r_and_s_out_of_range_are_malformed_and_the_edges_are_only_wrong(r: int, s: int) -> None:
    inside = 0 < r < P256_ORDER and 0 < s <= P256_ORDER // 2
    code = code_of(signer_of("p256").public_key, ESP256, r.to_bytes(32) + s.to_bytes(32))
    assert code == ("bad_signature" if inside else "malformed")


def test_an_ed25519_signature_with_s_not_below_the_order_is_malformed() -> None:
    signer = signer_of("ed25519")
    signature = signer.sign(MESSAGE)
    s = int.from_bytes(signature[32:], "little")
    for other in (s + ED25519_ORDER, ED25519_ORDER, 2**256 - 1):
        assert (
            code_of(signer.public_key, ED25519, signature[:32] + other.to_bytes(32, "little")) == "malformed"
        )
    below = (ED25519_ORDER - 1).to_bytes(32, "little")
    assert code_of(signer.public_key, ED25519, signature[:32] + below) == "bad_signature"


@pytest.mark.parametrize("y", [ED25519_PRIME, ED25519_PRIME + 1, 2**255 - 1, 2**256 - 1])
def test_an_ed25519_signature_with_r_not_reduced_is_malformed(y: int) -> None:
    signer = signer_of("ed25519")
    forged = y.to_bytes(32, "little") + signer.sign(MESSAGE)[32:]
    assert code_of(signer.public_key, ED25519, forged) == "malformed"
    reduced = (ED25519_PRIME - 1).to_bytes(32, "little") + forged[32:]
    assert code_of(signer.public_key, ED25519, reduced) == "bad_signature"


@pytest.mark.parametrize("kind", KINDS)
@given(signature=st.binary(min_size=60, max_size=70))
def test_no_other_bytes_are_a_signature(kind: Kind, signature: bytes) -> None:
    signer = signer_of(kind)
    with pytest.raises(CodedError):
        signer.public_key.verify(signer.alg, MESSAGE, signature)


def test_a_wrong_signature_is_a_verification_error_and_names_the_field() -> None:
    signer = signer_of("p256")
    with pytest.raises(VerificationError) as caught:
        signer.public_key.verify(ESP256, b"other", signer.sign(MESSAGE))
    assert (caught.value.code, caught.value.field) == ("bad_signature", "signature")


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1), st.integers(0, 255), st.integers(0, 255))
def test_der_of_any_length_is_what_the_library_encodes(r: int, s: int, r_cut: int, s_cut: int) -> None:
    r, s = r >> r_cut, s >> s_cut
    raw = r.to_bytes(32) + s.to_bytes(32)
    if 0 < r < P256_ORDER and 0 < s <= P256_ORDER // 2:
        assert cose_key._der_signature(raw) == encode_dss_signature(r, s)
    else:
        with pytest.raises(MalformedError):
            cose_key._der_signature(raw)
