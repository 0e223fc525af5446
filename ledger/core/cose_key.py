"""COSE keys: public keys with their thumbprints, strict verification, and the signer.

Implements the two key types that docs/protocol.md section 3 accepts: EC2 P-256 (RFC 9053 section 7.1.1)
and OKP Ed25519 (section 7.2), the algorithms ESP256, ES256, Ed25519 and EdDSA (RFC 9864, RFC 9053), and
key thumbprints (RFC 9679). One signature has one accepted encoding: P-256 with s at most n/2, Ed25519
with S below the group order and R reduced, so that nobody can make a second signature from a first.

>>> signer = SoftwareSigner.from_seed("ed25519", bytes(32))
>>> signer.public_key.verify(ED25519, b"message", signer.sign(b"message"))
>>> signer.public_key.kid.hex()
'6f7deef65d54a699'
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from ledger.errors import MalformedError, VerificationError

ESP256: Final = -9
"""ECDSA with P-256 and SHA-256, fully specified (RFC 9864). The default."""
ES256: Final = -7
ED25519: Final = -19
"""Ed25519, fully specified (RFC 9864)."""
EDDSA: Final = -8
"""EdDSA (RFC 9053); accepted with an Ed25519 key only."""

Kind = Literal["p256", "ed25519"]
KINDS: Final[dict[int, Kind]] = {ESP256: "p256", ES256: "p256", ED25519: "ed25519", EDDSA: "ed25519"}
"""Accepted algorithm -> kind of key that it needs."""
DEFAULT_ALGS: Final[dict[Kind, int]] = {"p256": ESP256, "ed25519": ED25519}

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ZERO: Final = bytes(32)
_ORDER_BYTES: Final = _P256_ORDER.to_bytes(32)
_HALF_ORDER_BYTES: Final = (_P256_ORDER // 2).to_bytes(32)
_ED25519_PRIME: Final = 2**255 - 19
_ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_SIGN_BIT: Final = 1 << 255
# The eight points whose order divides 8 have five values of y: 0, 1, -1, and for order 8 one value and
# its negative. Under such a key one signature is valid for many messages.
_ORDER_EIGHT_Y: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y: Final = frozenset((0, 1, _ED25519_PRIME - 1, _ORDER_EIGHT_Y, _ED25519_PRIME - _ORDER_EIGHT_Y))
# The map heads and fixed members of the two key types, up to where x and y go.
_P256_PREFIX: Final = bytes.fromhex("a40102200121") + b"\x58\x20"
_P256_MIDDLE: Final = b"\x22\x58\x20"
_ED25519_PREFIX: Final = bytes.fromhex("a30101200621") + b"\x58\x20"
_ECDSA: Final = ec.ECDSA(hashes.SHA256())
_ECDSA_PREHASHED: Final = ec.ECDSA(Prehashed(hashes.SHA256()))
_ECDSA_RFC6979: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that can verify; two are equal when their points are.

    Attributes:
        kind: "p256" or "ed25519".
        x: 32 bytes: the x coordinate, big-endian (P-256), or the encoded point (Ed25519, RFC 8032).
        y: 32 bytes, big-endian, or empty for Ed25519.

    Raises:
        MalformedError: a coordinate of the wrong length, a point not on P-256, an Ed25519 point that is
            not reduced or is of small order. (An Ed25519 point off the curve is not looked for, as that
            costs more than a verification: such a key verifies nothing.)
    """

    kind: Kind
    x: bytes
    y: bytes = b""
    _key: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.x) != 32 or len(self.y) != (32 if self.kind == "p256" else 0):
            raise MalformedError("a coordinate has the wrong length", field="cose_key")
        key = _p256_point(self.x, self.y) if self.kind == "p256" else _ed25519_point(self.x)
        object.__setattr__(self, "_key", key)

    def __reduce__(self) -> tuple[type[PublicKey], tuple[Kind, bytes, bytes]]:
        """Copy and pickle without the library's key object, which can do neither."""
        return PublicKey, (self.kind, self.x, self.y)

    def thumbprint(self) -> bytes:
        """Return the 32 bytes of the SHA-256 COSE key thumbprint (RFC 9679 section 3)."""
        if self.kind == "p256":
            return hashlib.sha256(_P256_PREFIX + self.x + _P256_MIDDLE + self.y).digest()
        return hashlib.sha256(_ED25519_PREFIX + self.x).digest()

    @property
    def kid(self) -> bytes:
        """The key identifier of docs/protocol.md section 3: the first 8 bytes of the thumbprint."""
        return self.thumbprint()[:8]

    def verify(self, alg: int, message: bytes, signature: bytes, *, digest: bytes | None = None) -> None:
        """Return if `signature` (64 bytes) over `message` is valid under this key.

        `digest` is the SHA-256 of `message`, where the caller has it: ECDSA need not hash again then.

        Raises:
            MalformedError: code unsupported if `alg` is not accepted or not for this kind of key; code
                malformed if the signature is not the one encoding of a signature (module text).
            VerificationError: code bad_signature if it does not verify.

        Source: RFC 9053 sections 2.1 and 2.2, RFC 8032 section 5.1.7.
        """
        if type(alg) is not int or KINDS.get(alg) != self.kind:
            raise MalformedError("algorithm not accepted with this key", field="alg", code="unsupported")
        if len(signature) != 64:
            raise MalformedError("the signature is not 64 bytes", field="signature")
        try:
            if self.kind == "p256":
                der = _der_signature(signature)
                if digest is None:
                    self._key.verify(der, message, _ECDSA)
                else:
                    self._key.verify(der, digest, _ECDSA_PREHASHED)
            else:
                _check_ed25519_signature(signature)
                self._key.verify(signature, message)
        except InvalidSignature:
            raise VerificationError(
                "bad_signature", "the signature does not verify", field="signature"
            ) from None


class Signer(Protocol):
    """Holds one private key, in software or in a device, and signs with one algorithm."""

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this signer signs."""
        ...

    @property
    def alg(self) -> int:
        """COSE algorithm, a key of `KINDS`."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature over `message`, in the one accepted encoding."""
        ...


@dataclass(frozen=True, slots=True)
class SoftwareSigner:
    """A signer whose private key is in memory. Signing is deterministic and needs no randomness."""

    public_key: PublicKey
    alg: int
    _private_key: Any = field(repr=False, compare=False)

    @classmethod
    def from_private_key(
        cls, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, *, alg: int | None = None
    ) -> Self:
        """Return a signer for a private key object of the cryptography library.

        Raises:
            MalformedError: code unsupported if the key is neither P-256 nor Ed25519, or `alg` (default:
                ESP256 or Ed25519) is not for this kind of key.
        """
        public_key = from_cryptography(key.public_key())
        alg = DEFAULT_ALGS[public_key.kind] if alg is None else alg
        if KINDS.get(alg) != public_key.kind:
            raise MalformedError("algorithm not accepted with this key", field="alg", code="unsupported")
        return cls(public_key, alg, key)

    @classmethod
    def from_seed(cls, kind: Kind, seed: bytes, *, alg: int | None = None) -> Self:
        """Return the signer that `seed` (32 bytes, uniformly random or derived) stands for.

        Ed25519 uses the seed as its private key (RFC 8032). P-256 uses the scalar
        `seed mod (n - 1) + 1`, seed read big-endian; n is so close to 2^256 that the bias is below 2^-32.

        Raises:
            ValueError: the seed is not 32 bytes.
            MalformedError: as `from_private_key`.
        """
        if len(seed) != 32:
            raise ValueError("a seed has 32 bytes")
        if kind == "ed25519":
            return cls.from_private_key(ed25519.Ed25519PrivateKey.from_private_bytes(seed), alg=alg)
        scalar = int.from_bytes(seed) % (_P256_ORDER - 1) + 1
        return cls.from_private_key(ec.derive_private_key(scalar, ec.SECP256R1()), alg=alg)

    def sign(self, message: bytes) -> bytes:
        """Return the signature (64 bytes): RFC 6979 with the lower s, or Ed25519 (RFC 8032)."""
        if self.public_key.kind == "ed25519":
            signature: bytes = self._private_key.sign(message)
            return signature
        r, s = decode_dss_signature(self._private_key.sign(message, _ECDSA_RFC6979))
        return r.to_bytes(32) + min(s, _P256_ORDER - s).to_bytes(32)


def from_cryptography(key: object) -> PublicKey:
    """Return the public key that an object of the cryptography library stands for.

    Raises:
        MalformedError: code unsupported if it is neither P-256 nor Ed25519; code malformed as `PublicKey`.
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        return PublicKey("ed25519", key.public_bytes_raw())
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        numbers = key.public_numbers()
        return PublicKey("p256", numbers.x.to_bytes(32), numbers.y.to_bytes(32))
    raise MalformedError("not a P-256 or Ed25519 key", field="cose_key", code="unsupported")


def parse_cose_key(value: object) -> PublicKey:
    """Return the public key of a COSE_Key map that has exactly the required members.

    Args:
        value: decoded CBOR: `{1: 2, -1: 1, -2: x, -3: y}` (P-256) or `{1: 1, -1: 6, -2: x}` (Ed25519);
            x and y are byte strings of 32 bytes.

    Raises:
        MalformedError: code unsupported for another kty or crv; code malformed for a missing, further
            or ill-typed member, or a point that `PublicKey` refuses.

    Source: RFC 9052 section 7, RFC 9053 sections 7.1.1 and 7.2.
    """
    # simple(1) equals 1 in Python, so a label is looked at before it is looked up.
    if not isinstance(value, Mapping) or any(type(label) is not int for label in value):
        raise MalformedError("a COSE key is a map with integer labels", field="cose_key")
    key_type, curve, x = value.get(1), value.get(-1), value.get(-2)
    if type(key_type) is not int or type(curve) is not int or type(x) is not bytes:
        raise MalformedError("a member is missing or of the wrong type", field="cose_key")
    if (key_type, curve) == (1, 6):
        if len(value) != 3:
            raise MalformedError("a member that does not belong there", field="cose_key")
        return PublicKey("ed25519", x)
    if (key_type, curve) == (2, 1):
        y = value.get(-3)
        if type(y) is not bytes or len(value) != 4:
            raise MalformedError("y is missing, compressed or not alone", field="cose_key")
        return PublicKey("p256", x, y)
    raise MalformedError("not a P-256 or Ed25519 key", field="cose_key", code="unsupported")


def format_cose_key(key: PublicKey) -> dict[int, Any]:
    """Return the COSE_Key map of a public key, the opposite of `parse_cose_key`."""
    if key.kind == "p256":
        return {1: 2, -1: 1, -2: key.x, -3: key.y}
    return {1: 1, -1: 6, -2: key.x}


def _p256_point(x: bytes, y: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + x + y)
    except ValueError as error:
        raise MalformedError("the point is not on P-256", field="cose_key") from error


def _ed25519_point(x: bytes) -> ed25519.Ed25519PublicKey:
    y = int.from_bytes(x, "little") & (_SIGN_BIT - 1)
    if y >= _ED25519_PRIME or y in _SMALL_ORDER_Y:
        raise MalformedError("the Ed25519 point is not reduced or of small order", field="cose_key")
    return ed25519.Ed25519PublicKey.from_public_bytes(x)


def _der_signature(signature: bytes) -> bytes:
    """Turn r || s into the DER that the library wants; by hand, as that is faster than its own way."""
    r, s = signature[:32], signature[32:]
    # Big-endian bytes of one length compare like the numbers that they are.
    if not _ZERO < r < _ORDER_BYTES or not _ZERO < s <= _HALF_ORDER_BYTES:
        raise MalformedError("r or s is out of range, or s is not the lower one", field="signature")
    # A zero byte before a set top bit keeps the DER integer positive. Most signatures have no zero byte of
    # their own in front, and the top bit of the lower s is never set then.
    if r[0] and s[0]:
        return (b"\x30\x45\x02\x21\x00" if r[0] & 0x80 else b"\x30\x44\x02\x20") + r + b"\x02\x20" + s
    r, s = r.lstrip(b"\x00"), s.lstrip(b"\x00")
    if r[0] & 0x80:
        r = b"\x00" + r
    if s[0] & 0x80:
        s = b"\x00" + s
    return b"\x30%c\x02%c%b\x02%c%b" % (4 + len(r) + len(s), len(r), r, len(s), s)


def _check_ed25519_signature(signature: bytes) -> None:
    if int.from_bytes(signature[32:], "little") >= _ED25519_ORDER:
        raise MalformedError("S is not below the group order", field="signature")
    if int.from_bytes(signature[:32], "little") & (_SIGN_BIT - 1) >= _ED25519_PRIME:
        raise MalformedError("R is not reduced", field="signature")
