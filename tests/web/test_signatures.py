"""Corners of signature schemes that a signer can reach on purpose: both readers give one answer in each.

Libraries differ there: whether an Ed25519 check multiplies by the cofactor, whether R or the key may have a second
spelling, whether s may be the higher one of ECDSA.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any, Final

import pytest

from ledger.core.cose_key import ED25519, ESP256
from tests.support.ledgers import signer
from tests.support.phone_page import PhonePage, ask_python

PRIME: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_D: Final = -121665 * pow(121666, -1, PRIME) % PRIME
_ROOT_OF_MINUS_1: Final = pow(2, (PRIME - 1) // 4, PRIME)

Point = tuple[int, int]


def add(one: Point, other: Point) -> Point:
    """The addition of RFC 8032 section 5.1.4, in affine coordinates."""
    product = _D * one[0] * other[0] * one[1] * other[1]
    x = (one[0] * other[1] + other[0] * one[1]) * pow(1 + product, -1, PRIME)
    y = (one[1] * other[1] + one[0] * other[0]) * pow(1 - product, -1, PRIME)
    return x % PRIME, y % PRIME


def times(scalar: int, point: Point) -> Point:
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def decode_point(data: bytes) -> Point:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(_D * y * y + 1, -1, PRIME)
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * _ROOT_OF_MINUS_1 % PRIME
    return (PRIME - x if x & 1 != sign else x), y


def encode_point(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


BASE: Final = decode_point(bytes.fromhex("58" + "66" * 31))
ORDER_EIGHT: Final = decode_point(
    (0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826).to_bytes(32, "little")
)


def signed(rng: random.Random, torsion: int, *, torsion_of_r: int = 0) -> dict[str, Any]:
    """A signature that verifies with the cofactor always, and without it where the torsions cancel out."""
    secret, nonce = rng.randrange(ORDER), rng.randrange(ORDER)
    key = encode_point(add(times(secret, BASE), times(torsion, ORDER_EIGHT)))
    r = encode_point(add(times(nonce, BASE), times(torsion_of_r, ORDER_EIGHT)))
    message = rng.randbytes(8)
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % ORDER
    s = (nonce + k * secret) % ORDER
    return question(key, message, r + s.to_bytes(32, "little"))


def question(key: bytes, message: bytes, signature: bytes) -> dict[str, Any]:
    return {
        "kind": "ed25519",
        "alg": ED25519,
        "x": key.hex(),
        "y": "",
        "message": message.hex(),
        "signature": signature.hex(),
    }


def agreed(page: PhonePage, given: dict[str, Any]) -> str:
    wanted, found = ask_python("signature", given), page.ask("signature", given)
    assert (found.outcome, found.result, found.field) == (wanted.outcome, wanted.result, wanted.field), given
    return wanted.outcome


def test_no_reader_multiplies_by_the_cofactor(page: PhonePage) -> None:
    rng = random.Random("cofactor")
    outcomes = [agreed(page, signed(rng, torsion)) for torsion in range(8) for _ in range(8)]
    assert set(outcomes[:8]) == {"ok"}
    # With a key of order 8 n one message in eight has a hash that the torsion does not change.
    assert 0 < outcomes[8:].count("ok") < len(outcomes[8:]) // 2
    assert set(outcomes) == {"ok", "bad_signature"}
    assert {agreed(page, signed(rng, 0, torsion_of_r=torsion)) for torsion in range(1, 8)} == {
        "bad_signature"
    }


def test_s_below_the_order_and_points_that_are_reduced(page: PhonePage) -> None:
    good = signed(random.Random("good"), 0)
    key, message = bytes.fromhex(good["x"]), bytes.fromhex(good["message"])
    signature = bytes.fromhex(good["signature"])
    s = int.from_bytes(signature[32:], "little")
    assert (
        agreed(page, question(key, message, signature[:32] + (s + ORDER).to_bytes(32, "little")))
        == "malformed"
    )
    for y in (PRIME, PRIME + 1, 2**255 - 1):
        point = y.to_bytes(32, "little")
        assert agreed(page, question(key, message, point + signature[32:])) == "malformed"
        assert agreed(page, question(point, message, signature)) == "malformed"
    for torsion in range(8):
        small = encode_point(times(torsion, ORDER_EIGHT))
        assert agreed(page, question(small, message, signature)) == "malformed"
        assert agreed(page, question(key, message, small + bytes(32))) in ("bad_signature", "malformed")
    for size in (0, 63, 65):
        assert agreed(page, question(key, message, signature.ljust(size, b"\0")[:size])) == "malformed"


def test_a_key_that_is_no_point_verifies_nothing(page: PhonePage) -> None:
    rng = random.Random("points")
    good = signed(rng, 0)
    outcomes = set()
    for _ in range(60):
        key = rng.randbytes(31) + bytes([rng.randrange(127)])
        outcomes.add(agreed(page, good | {"x": key.hex()}))
    assert outcomes == {"bad_signature"}


@pytest.mark.parametrize("part", ["r", "s"])
def test_the_bounds_of_ecdsa(page: PhonePage, part: str) -> None:
    own = signer("bounds")
    message = b"message"
    signature = own.sign(message)
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    half = P256_ORDER // 2
    numbers = (0, 1, half - 1, half, half + 1, P256_ORDER - s, P256_ORDER - 1, P256_ORDER, 2**256 - 1)
    given: dict[str, Any] = {
        "kind": "p256",
        "alg": ESP256,
        "x": own.public_key.x.hex(),
        "y": own.public_key.y.hex(),
        "message": message.hex(),
        "signature": signature.hex(),
    }
    assert agreed(page, given) == "ok"
    outcomes = set()
    for number in numbers:
        pair = (number, s) if part == "r" else (r, number)
        changed = b"".join(value.to_bytes(32) for value in pair)
        outcomes.add(agreed(page, given | {"signature": changed.hex()}))
    assert outcomes == {"malformed", "bad_signature"}
    assert agreed(page, given | {"x": given["y"]}) == "malformed"
    assert agreed(page, given | {"alg": ED25519}) == "unsupported"
