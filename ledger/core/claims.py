"""The claims of a credential, as the ledger sees them. docs/protocol.md section 6, docs/safeconduct.cddl.

An attestation has exactly these claims in clear; everything about the person is behind digests. The
ledger refuses unexpected fields, so this module knows one form and no other.

Two ways lead from bytes to claims. `parse_claims` decodes and checks field by field, and says what is
wrong. `match_credential` compares the bytes of a whole entry with the one form as a pattern: every byte
of the form is either literal or inside a group that is checked, so what matches is canonical by
construction. The second is several times faster and is tried first (a replay spends its time here and in
signatures); what it does not match goes the first way.
"""

from __future__ import annotations

import re
import struct
from operator import lt
from typing import Any, Final, NamedTuple

from ledger.core import cbor
from ledger.core.fields import (
    PLACES,
    parse_array,
    parse_bytes,
    parse_list_uri,
    parse_map,
    parse_party,
    parse_subject,
    parse_text,
    parse_uint,
)
from ledger.errors import MalformedError

CLAIM_ISS: Final = 1
CLAIM_SUB: Final = 2
CLAIM_EXP: Final = 4
CLAIM_IAT: Final = 6
CLAIM_CNF: Final = 8
CLAIM_VCT: Final = 11
CLAIM_STATUS: Final = 65535
MAX_CREDENTIAL_BYTES: Final = 4096
MAX_DIGESTS: Final = 32


class CredentialClaims(NamedTuple):
    """Payload of a credential; a named tuple, because one is made for every card and entry.

    Attributes:
        iss: issuer id.
        sub: 16 characters, random.
        iat: seconds, start of the day of issue.
        exp: seconds, a quarter day.
        cnf: the holder's raw Ed25519 public key, 32 bytes.
        vct: credential type.
        uri, idx: status place.
        digests: of the disclosures, rising bytewise.
    """

    iss: str
    sub: str
    iat: int
    exp: int
    cnf: bytes
    vct: str
    uri: str
    idx: int
    digests: tuple[bytes, ...]


class CredentialFacts(NamedTuple):
    """What the rules of the registry look at in a credential; small enough to travel between processes."""

    iss: str
    kid: bytes
    statement_id: bytes
    iat: int
    exp: int
    vct: str
    uri: str
    idx: int
    digest_count: int


class MatchedCredential(NamedTuple):
    """What `match_credential` reads from an entry: header, claims, and what is signed (Sig_structure)."""

    alg: int
    kid: bytes
    claims: CredentialClaims
    message: bytes


def parse_claims(value: Any) -> CredentialClaims:
    """Return the claims of a decoded payload.

    Raises:
        MalformedError: a claim is missing, unexpected or not of its form, or the digests do not rise.
    """
    if not isinstance(value, dict):
        raise MalformedError("not a map", field="claims")
    redacted = value.get(cbor.REDACTED_KEYS)
    plain = {key: item for key, item in value.items() if type(key) is int}
    if set(plain) != {1, 2, 4, 6, 8, 11, CLAIM_STATUS} or len(value) != 8 or not isinstance(redacted, list):
        raise MalformedError("claims missing or unexpected", field="claims")
    digests = tuple(
        parse_bytes(item, 32, field="claims.digests")
        for item in parse_array(redacted, field="claims.digests", low=1, high=MAX_DIGESTS)
    )
    if any(first >= second for first, second in zip(digests, digests[1:], strict=False)):
        raise MalformedError("digests do not rise", field="claims.digests")
    uri, idx = _parse_status(plain[CLAIM_STATUS])
    return CredentialClaims(
        iss=parse_party(plain[1], field="claims.iss"),
        sub=parse_subject(plain[2], field="claims.sub"),
        iat=parse_uint(plain[6], field="claims.iat"),
        exp=parse_uint(plain[4], field="claims.exp"),
        cnf=_parse_cnf(plain[8]),
        vct=parse_text(plain[11], field="claims.vct", max_bytes=64),
        uri=uri,
        idx=idx,
        digests=digests,
    )


def format_claims(claims: CredentialClaims) -> dict[Any, Any]:
    """Return the payload of a credential, ready to be encoded."""
    return {
        CLAIM_ISS: claims.iss,
        CLAIM_SUB: claims.sub,
        CLAIM_EXP: claims.exp,
        CLAIM_IAT: claims.iat,
        CLAIM_CNF: {1: {1: 1, -1: 6, -2: claims.cnf}},
        CLAIM_VCT: claims.vct,
        CLAIM_STATUS: {"status_list": {"idx": claims.idx, "uri": claims.uri}},
        cbor.REDACTED_KEYS: list(claims.digests),
    }


def _parse_status(value: Any) -> tuple[str, int]:
    if not isinstance(value, dict) or set(value) != {"status_list"}:
        raise MalformedError("not a status list reference", field="claims.status")
    place = value["status_list"]
    if not isinstance(place, dict) or set(place) != {"idx", "uri"}:
        raise MalformedError("not a status list reference", field="claims.status")
    parse_list_uri(place["uri"], field="claims.status.uri")
    return place["uri"], parse_uint(place["idx"], field="claims.status.idx", high=PLACES - 1)


def _parse_cnf(value: Any) -> bytes:
    key = parse_map(parse_map(value, (1,), field="claims.cnf")[1], (1, -1, -2), field="claims.cnf")
    if any(type(key[label]) is not int for label in (1, -1)) or (key[1], key[-1]) != (1, 6):
        raise MalformedError("not exactly one Ed25519 key", field="claims.cnf")
    return parse_bytes(key[-2], 32, field="claims.cnf")


# One regular expression for the whole entry. Heads of variable length (text strings, the two wrapped
# byte strings, the digest array) are captured and compared with the lengths found, in match_credential.
_PARTY_BYTES = rb"[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?"
_ENTRY = re.compile(
    rb"\xd2\x84\x58(.)"  # 1: length of the protected header
    rb"(\xa6\x01([\x28\x26\x32\x27])\x04\x48(.{8})\x0f\xa2\x01"  # 2: protected, 3: alg, 4: kid
    rb"([\x61-\x77]|\x78[\x18-\x20])(" + _PARTY_BYTES + rb")"  # 5: head of iss, 6: iss
    rb"\x02\x70([A-Za-z0-9_-]{16})\x10\x19\x01\x25\x18\xaa\x2f\x18\xac\x02)"  # 7: sub
    rb"\xa0(\x58.|\x59..)"  # 8: head of the payload
    rb"(\xa8\x01\5\6\x02\x70\7\x04\x1a(.{4})\x06\x1a(.{4})"  # 9: payload, 10: exp, 11: iat
    rb"\x08\xa1\x01\xa3\x01\x01\x20\x06\x21\x58\x20(.{32})"  # 12: cnf
    rb"\x0b([\x61-\x77])([ -~]{1,23})"  # 13: head of vct, 14: vct
    rb"\x19\xff\xff\xa1\x6bstatus_list\xa2\x63idx"
    rb"([\x00-\x17]|\x18[\x18-\xff]|\x19(?!\x00)..|\x1a\x00\x01..)"  # 15: idx
    rb"\x63uri([\x66-\x73])(sc:[1-9][0-9]{0,6}/(?:0|[1-9][0-9]{0,6}))"  # 16: head of uri, 17: uri
    rb"\xf8\x3b([\x81-\x97])((?:\x58\x20.{32})+))"  # 18: head of the digests, 19: digests
    rb"\x58\x40(?:.{64})",
    re.DOTALL,
)
_ALGS: Final = {b"\x28": -9, b"\x26": -7, b"\x32": -19, b"\x27": -8}
_TEXT_HEADS: Final = tuple(bytes([0x60 + size] if size < 24 else [0x78, size]) for size in range(33))
"""Head of a text string by its size."""
_DIGEST_ROWS: Final = {bytes([0x80 + count]): struct.Struct("2x32s" * count) for count in range(1, 24)}
"""Digests after the head of their array."""
_SIG_STRUCTURE: Final = b"\x84\x6aSignature1"
_NO_AAD: Final = b"\x40"


def match_credential(entry: bytes) -> MatchedCredential | None:
    """Return what a credential entry in its one form holds, or None if the bytes are not in it.

    None means only "decide it the other way": rare but valid forms (a name of a profile over 23 bytes,
    a time beyond the year 2106) are left to `parse_claims` too.
    """
    parts = match_parts(entry)
    if parts is None:
        return None
    return MatchedCredential(parts[0], parts[1], CredentialClaims._make(parts[3:]), parts[2])


def match_parts(entry: bytes) -> tuple[Any, ...] | None:
    """Return alg, kid, Sig_structure and the fields of `CredentialClaims`, or None as `match_credential`."""
    match = _ENTRY.fullmatch(entry)
    if match is None:
        return None
    (_, protected, alg, kid, iss_head, iss, sub, payload_head, payload, exp, iat, cnf, vct_head, vct, idx, uri_head,
     uri, digest_head, digests) = match.groups()  # fmt: skip
    iat_s, exp_s, rows = int.from_bytes(iat), int.from_bytes(exp), _DIGEST_ROWS[digest_head]
    size = len(payload)
    if (
        entry[3] != len(protected)
        or iss_head != _TEXT_HEADS[len(iss)]
        or vct_head != _TEXT_HEADS[len(vct)]
        or uri_head != _TEXT_HEADS[len(uri)]
        or rows.size != len(digests)
        or payload_head != (b"\x58%c" % size if size < 256 else b"\x59%c%c" % (size >> 8, size & 255))
        or exp_s < 65_536
        or iat_s < 65_536
    ):
        return None
    items = rows.unpack(digests)
    if not all(map(lt, items, items[1:])):
        return None
    # Both byte strings stand in the entry exactly as they stand in what is signed.
    message = _SIG_STRUCTURE + entry[2 : match.end(2)] + _NO_AAD + payload_head + payload
    return (
        _ALGS[alg], kid, message,
        iss.decode(), sub.decode(), iat_s, exp_s, cnf, vct.decode(), uri.decode(),
        int.from_bytes(idx[1:]) if len(idx) > 1 else idx[0], items,
    )  # fmt: skip
