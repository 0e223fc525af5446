r"""Token Status Lists: one small number for every credential that points to the list.

Implements draft-ietf-oauth-status-list (read: -20): entry i takes `bits` bits, least significant first,
at byte `i * bits // 8`; the list travels as zlib; a Status List Token is a CWT that signs it. Ours has 4
bits and 131,072 places, 65,536 bytes (docs/protocol.md, section 7).

>>> places = StatusList.empty(16, bits=1)
>>> for i in (0, 3, 4, 5, 7, 8, 9, 13, 15):
...     places.set(i, 1)
>>> format_status_list(places)
{'bits': 1, 'lst': b'x\xda\xdb\xb9\x18\x00\x02\x17\x01]'}
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from credential.errors import CredentialError
from ledger.core import cbor, cose
from ledger.core.cose_key import PublicKey, Signer
from ledger.core.status_change import AFFIRMED, HELD, REPLACED, SUSPENDED, VALID, WITHDRAWN
from ledger.errors import MalformedError

__all__ = [
    "AFFIRMED", "HELD", "PLACES", "RAW_BYTES", "REPLACED", "SUSPENDED", "VALID", "WITHDRAWN",
    "StatusList", "StatusListToken", "StatusReference", "check_status_list_token", "compress_list",
    "decompress_list", "format_status_list", "format_status_reference", "parse_status_list",
    "parse_status_list_token", "parse_status_reference", "sign_status_list_token",
]  # fmt: skip

BITS: Final = 4
PLACES: Final = 131_072
RAW_BYTES: Final = PLACES * BITS // 8
FOREIGN_RAW_MAX_BYTES: Final = 1 << 20
TOKEN_MAX_BYTES: Final = 1 << 21
URI_MAX_BYTES: Final = 255
TYP: Final = "application/statuslist+cwt"
CLAIM_STATUS: Final = 65_535
CLAIM_TTL: Final = 65_534
CLAIM_STATUS_LIST: Final = 65_533
_SUB, _EXP, _IAT = 2, 4, 6
_CLOCK_SKEW_S: Final = 300


class StatusList:
    """A list of small numbers, packed; the one mutable value of this package.

    Attributes:
        bits: bits of each entry: 1, 2, 4 or 8.
        raw: the packed entries.
    """

    __slots__ = ("bits", "raw")

    def __init__(self, bits: int, raw: bytes | bytearray) -> None:
        """Take over a copy of `raw`.

        Raises:
            ValueError: `bits` is none of 1, 2, 4, 8.
        """
        if bits not in (1, 2, 4, 8):
            raise ValueError("an entry has 1, 2, 4 or 8 bits")
        self.bits = bits
        self.raw = bytearray(raw)

    @classmethod
    def empty(cls, places: int = PLACES, *, bits: int = BITS) -> StatusList:
        """Return a list whose entries are all 0 (valid); `places` is rounded up to whole bytes."""
        return cls(bits, bytes((places * bits + 7) // 8))

    def __len__(self) -> int:
        """Return the number of places."""
        return len(self.raw) * 8 // self.bits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StatusList) and (self.bits, self.raw) == (other.bits, other.raw)

    __hash__ = None  # type: ignore[assignment]

    def get(self, index: int) -> int:
        """Return the entry at `index`.

        Raises:
            MalformedError: the list has no such place (the draft, "Validation Rules": reject).
        """
        byte, shift = self._place(index)
        return self.raw[byte] >> shift & ((1 << self.bits) - 1)

    def set(self, index: int, value: int) -> None:
        """Write the entry at `index`.

        Raises:
            MalformedError: the list has no such place.
            ValueError: the value does not fit into `bits`.
        """
        byte, shift = self._place(index)
        mask = (1 << self.bits) - 1
        if not 0 <= value <= mask:
            raise ValueError("the value does not fit")
        self.raw[byte] = self.raw[byte] & ~(mask << shift) | value << shift

    def entries(self) -> Iterator[tuple[int, int]]:
        """Yield `(index, value)` of every entry that is not 0, in order."""
        per_byte, mask = 8 // self.bits, (1 << self.bits) - 1
        for position, byte in enumerate(self.raw):
            if byte:
                for slot in range(per_byte):
                    value = byte >> slot * self.bits & mask
                    if value:
                        yield position * per_byte + slot, value

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise MalformedError("the list has no such place", field="status.idx")
        bit = index * self.bits
        return bit >> 3, bit & 7


@dataclass(frozen=True, slots=True)
class StatusReference:
    """Where a credential's status stands: the list's URI and the place in it."""

    uri: str
    idx: int


@dataclass(frozen=True, slots=True)
class StatusListToken:
    """A Status List Token.

    Attributes:
        uri: which list this is (claim sub).
        iat_s: when it was signed, epoch seconds.
        exp_s: when it ends, or None.
        ttl_s: how long a copy may be kept before a fresh one should be fetched, or None.
        places: the list.
    """

    uri: str
    iat_s: int
    exp_s: int | None
    ttl_s: int | None
    places: StatusList


def compress_list(raw: bytes | bytearray) -> bytes:
    """Return `raw` as a zlib stream of the highest level, as the published tokens have it."""
    return zlib.compress(raw, 9)


def decompress_list(data: bytes, *, max_size: int) -> bytes:
    """Return the bytes of a zlib stream, never more than `max_size`.

    Raises:
        MalformedError: it would be longer (code too_large); not one whole zlib stream and nothing else.
    """
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data, max_size + 1)
    except zlib.error:
        raise MalformedError("not a zlib stream", field="status_list.lst") from None
    if len(raw) > max_size:
        raise MalformedError("the list is too long", field="status_list.lst", code="too_large")
    if not stream.eof or stream.unused_data:
        raise MalformedError("a zlib stream is cut or followed by bytes", field="status_list.lst")
    return raw


def format_status_list(places: StatusList) -> dict[str, Any]:
    """Return the map `{"bits", "lst"}` of a list, ready for CBOR."""
    return {"bits": places.bits, "lst": compress_list(places.raw)}


def parse_status_list(value: object, *, max_size: int = RAW_BYTES) -> StatusList:
    """Return the list of a map `{"bits", "lst"}`; an "aggregation_uri" is let through and ignored.

    Args:
        value: decoded CBOR.
        max_size: most bytes of the unpacked list.

    Raises:
        MalformedError: another shape, bits other than 1, 2, 4, 8, or as `decompress_list`.
    """
    if type(value) is not dict or not {"bits", "lst"} <= value.keys() <= {"bits", "lst", "aggregation_uri"}:
        raise MalformedError("a status list has bits and lst", field="status_list")
    bits, data = value["bits"], value["lst"]
    if type(bits) is not int or bits not in (1, 2, 4, 8):
        raise MalformedError("an entry has 1, 2, 4 or 8 bits", field="status_list.bits")
    if type(data) is not bytes or type(value.get("aggregation_uri", "")) is not str:
        raise MalformedError("a part of the status list has the wrong type", field="status_list")
    return StatusList(bits, decompress_list(data, max_size=max_size))


def format_status_reference(reference: StatusReference) -> dict[str, Any]:
    """Return the value of claim 65535."""
    return {"status_list": {"idx": reference.idx, "uri": reference.uri}}


def parse_status_reference(value: object) -> StatusReference:
    """Return the place that claim 65535 names.

    Raises:
        MalformedError: not exactly `{"status_list": {"idx": uint, "uri": text}}`.
    """
    inner = value.get("status_list") if type(value) is dict and len(value) == 1 else None
    if type(inner) is not dict or inner.keys() != {"idx", "uri"}:
        raise MalformedError("a status names a list and a place", field="status")
    idx, uri = inner["idx"], inner["uri"]
    if type(idx) is not int or idx < 0 or not _is_uri(uri):
        raise MalformedError("a status names a list and a place", field="status")
    return StatusReference(uri, idx)


def sign_status_list_token(token: StatusListToken, signer: Signer) -> bytes:
    """Return the signed token, a tagged COSE_Sign1 with the signer's kid."""
    claims: dict[int, Any] = {
        _SUB: token.uri,
        _IAT: token.iat_s,
        CLAIM_STATUS_LIST: format_status_list(token.places),
    }
    if token.exp_s is not None:
        claims[_EXP] = token.exp_s
    if token.ttl_s is not None:
        claims[CLAIM_TTL] = token.ttl_s
    header = {cose.KID: signer.public_key.kid, cose.TYP: TYP}
    return cose.format_sign1(cose.sign(header, cbor.encode(claims), signer))


def parse_status_list_token(
    data: bytes, *, max_size: int = RAW_BYTES, deterministic: bool = True
) -> tuple[StatusListToken, cose.Sign1]:
    """Return a token and its COSE message. The signature is not checked.

    Args:
        data: the tagged COSE_Sign1.
        max_size: most bytes of the unpacked list.
        deterministic: False only for tokens that others published.

    Raises:
        MalformedError: over 2 MiB (code too_large); another typ (code unsupported); claims that are
            missing or of the wrong type; as `parse_status_list`.
    """
    message = cose.parse_sign1(data, max_size=TOKEN_MAX_BYTES, deterministic=deterministic)
    if message.protected.get(cose.TYP) != TYP:
        raise MalformedError("not a status list token", field="typ", code="unsupported")
    payload = message.payload or b""
    claims = cbor.decode(payload, max_size=TOKEN_MAX_BYTES, deterministic=deterministic, field="claims")
    if type(claims) is not dict or not _is_uri(claims.get(_SUB)) or type(claims.get(_IAT)) is not int:
        raise MalformedError("a status list token has sub and iat", field="claims")
    exp, ttl = claims.get(_EXP), claims.get(CLAIM_TTL)
    if not (exp is None or type(exp) is int) or not (ttl is None or (type(ttl) is int and ttl > 0)):
        raise MalformedError("exp or ttl is not a positive number", field="claims")
    places = parse_status_list(claims.get(CLAIM_STATUS_LIST), max_size=max_size)
    return StatusListToken(claims[_SUB], claims[_IAT], exp, ttl, places), message


def check_status_list_token(
    data: bytes,
    key: PublicKey,
    *,
    uri: str,
    now_s: int,
    max_size: int = RAW_BYTES,
    deterministic: bool = True,
) -> StatusListToken:
    """Return the token if it is signed by `key`, is the list `uri` and is in force at `now_s`.

    Raises:
        MalformedError: as `parse_status_list_token` and `cose.check_signature`.
        VerificationError: the signature does not verify (code bad_signature).
        CredentialError: the list has another URI or is dated more than 5 minutes ahead (code
            bundle_invalid); it has ended (code stale).

    Source: draft-ietf-oauth-status-list, "Validation Rules".
    """
    token, message = parse_status_list_token(data, max_size=max_size, deterministic=deterministic)
    cose.check_signature(message, key)
    if token.uri != uri:
        raise CredentialError("bundle_invalid", "the token is another list", field="sub")
    if token.iat_s > now_s + _CLOCK_SKEW_S:
        raise CredentialError("bundle_invalid", "the token is dated ahead", field="iat")
    if token.exp_s is not None and token.exp_s <= now_s:
        raise CredentialError("stale", "the token has ended", field="exp")
    return token


def _is_uri(value: object) -> bool:
    return type(value) is str and 1 <= len(value.encode()) <= URI_MAX_BYTES
