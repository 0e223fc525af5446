"""COSE_Sign1: parse, format, sign, verify, and the identity of a statement.

Implements RFC 9052 sections 4.2 (COSE_Sign1) and 4.4 (Sig_structure) as docs/protocol.md section 3 uses
them: always tagged (18), the algorithm in the protected header, empty `external_aad`. An empty protected
header is the empty byte string, never an encoded empty map.

>>> from ledger.core.cose_key import SoftwareSigner
>>> signer = SoftwareSigner.from_seed("ed25519", bytes(32))
>>> sign1 = sign({KID: signer.public_key.kid}, b"payload", signer)
>>> check_signature(parse_sign1(format_sign1(sign1), max_size=4096), signer.public_key)
>>> sign1.protected_bytes.hex()
'a2013204486f7deef65d54a699'
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.core import cbor
from ledger.core.cbor import CBORTag
from ledger.core.cose_key import PublicKey, Signer
from ledger.errors import MalformedError

SIGN1_TAG: Final = 18

ALG: Final = 1
CRIT: Final = 2
CONTENT_TYPE: Final = 3
KID: Final = 4
KCWT: Final = 13
"""A CWT that carries the key (RFC 9528); the SD-CWT inside a key binding token."""
CWT_CLAIMS: Final = 15
"""CWT claims in a header (RFC 9597)."""
TYP: Final = 16
"""Type of the whole message (RFC 9596)."""
SD_CLAIMS: Final = 17
SD_ALG: Final = 170
SD_AEAD_ENCRYPTED: Final = 171
SD_AEAD: Final = 172
"""Labels 17 and 170 to 172: draft-ietf-spice-sd-cwt."""
RECEIPTS: Final = 394
VDS: Final = 395
VDP: Final = 396
"""Labels 394 to 396: receipts and verifiable data structures (RFC 9942)."""
LEDGER_POSITION: Final = -65537
"""Private label: where a printed credential stands in the ledger (docs/protocol.md, section 6)."""

# The array of four and "Signature1", with which every Sig_structure of a COSE_Sign1 begins.
_SIG_STRUCTURE_PREFIX: Final = b"\x84\x6aSignature1"


@dataclass(frozen=True, slots=True)
class Sign1:
    """One COSE_Sign1.

    Attributes:
        protected_bytes: the protected header as signed: an encoded map, or empty.
        protected: the same, decoded. Labels are int or str.
        unprotected: the unprotected header; not covered by the signature.
        payload: the signed bytes, or None where they are detached.
        signature: as found or made; only `check_signature` judges it.
    """

    protected_bytes: bytes
    protected: Mapping[Any, Any]
    unprotected: Mapping[Any, Any]
    payload: bytes | None
    signature: bytes


def parse_sign1(data: bytes, *, max_size: int, deterministic: bool = True) -> Sign1:
    """Parse one tagged COSE_Sign1 that fills `data`.

    Args:
        data: the encoded message.
        max_size: the most bytes accepted.
        deterministic: as for `cbor.decode`; covers the protected header too, and then
            `format_sign1` gives back the same bytes.

    Raises:
        MalformedError: code too_large as `cbor.decode`; code unsupported if header 2 (crit) is present,
            as no extension is understood; code malformed for other CBOR than that of a tagged
            COSE_Sign1, or a label that is not int or str or stands in both headers.

    Source: RFC 9052 sections 3, 3.1 and 4.2.
    """
    message = cbor.decode(data, max_size=max_size, deterministic=deterministic, field="cose_sign1")
    if type(message) is not CBORTag or message.tag != SIGN1_TAG:
        raise MalformedError("not tagged as COSE_Sign1", field="cose_sign1")
    parts = message.value
    if type(parts) is not list or len(parts) != 4:
        raise MalformedError("a COSE_Sign1 is an array of four", field="cose_sign1")
    protected_bytes, unprotected, payload, signature = parts
    if type(protected_bytes) is not bytes:
        raise MalformedError("the protected header is not a byte string", field="protected")
    if type(unprotected) is not dict:
        raise MalformedError("the unprotected header is not a map", field="unprotected")
    if payload is not None and type(payload) is not bytes:
        raise MalformedError("the payload is neither a byte string nor null", field="payload")
    if type(signature) is not bytes:
        raise MalformedError("the signature is not a byte string", field="signature")
    protected = _parse_protected(protected_bytes, deterministic)
    _check_labels(protected, unprotected)
    return Sign1(protected_bytes, protected, unprotected, payload, signature)


def format_sign1(sign1: Sign1) -> bytes:
    """Return the tagged COSE_Sign1, with the protected header as signed.

    Raises:
        ValueError: a value in the unprotected header that `cbor.encode` refuses.
    """
    parts = [sign1.protected_bytes, sign1.unprotected, sign1.payload, sign1.signature]
    return cbor.encode(CBORTag(SIGN1_TAG, parts))


def sig_structure(protected_bytes: bytes, payload: bytes, external_aad: bytes = b"") -> bytes:
    """Return the bytes that the signature of a COSE_Sign1 covers (RFC 9052 section 4.4)."""
    encode = cbor.encode
    return _SIG_STRUCTURE_PREFIX + encode(protected_bytes) + encode(external_aad) + encode(payload)


def statement_id(sign1: Sign1) -> bytes:
    """Return the identity of a statement: the SHA-256 (32 bytes) of its Sig_structure.

    Neither the signature nor the unprotected header changes it.

    Raises:
        MalformedError: the payload is detached.

    Source: docs/protocol.md section 3.
    """
    if sign1.payload is None:
        raise MalformedError("a statement carries its payload", field="payload")
    return hashlib.sha256(sig_structure(sign1.protected_bytes, sign1.payload)).digest()


def sign(
    protected: Mapping[Any, Any],
    payload: bytes,
    signer: Signer,
    unprotected: Mapping[Any, Any] | None = None,
) -> Sign1:
    """Sign `payload` and return the message.

    Args:
        protected: the protected header; label 1 is added from the signer, or must equal its algorithm.
        payload: any bytes.
        signer: makes the signature.
        unprotected: the unprotected header; None is empty.

    Raises:
        ValueError: label 1 is not the signer's algorithm, or `cbor.encode` refuses a header.
        MalformedError: as `parse_sign1` for the labels.
    """
    header = {ALG: signer.alg, **protected}
    if header[ALG] != signer.alg:
        raise ValueError("the protected header names another algorithm than the signer's")
    open_header = dict(unprotected or {})
    _check_labels(header, open_header)
    protected_bytes = cbor.encode(header)
    signature = signer.sign(sig_structure(protected_bytes, payload))
    return Sign1(protected_bytes, header, open_header, payload, signature)


def check_signature(sign1: Sign1, key: PublicKey, *, payload: bytes | None = None) -> None:
    """Return if the signature of `sign1` is valid under `key`.

    Args:
        sign1: a parsed message; its algorithm is label 1 of the protected header, nowhere else.
        key: the signer's public key.
        payload: the detached payload, given exactly where `sign1.payload` is None.

    Raises:
        MalformedError: code unsupported if the algorithm is missing, not accepted or not for this key;
            code malformed if the payload is missing or given twice, or the signature is not in its one
            accepted encoding.
        VerificationError: code bad_signature.

    Source: RFC 9052 section 4.4.
    """
    signed = sign1.payload if payload is None else payload
    if signed is None or (payload is not None and sign1.payload is not None):
        raise MalformedError("the payload is either attached or given", field="payload")
    alg = sign1.protected.get(ALG)
    if type(alg) is not int:
        raise MalformedError("no algorithm in the protected header", field="alg", code="unsupported")
    key.verify(alg, sig_structure(sign1.protected_bytes, signed), sign1.signature)


def _parse_protected(protected_bytes: bytes, deterministic: bool) -> Mapping[Any, Any]:
    if not protected_bytes:
        return {}
    protected = cbor.decode(
        protected_bytes, max_size=len(protected_bytes), deterministic=deterministic, field="protected"
    )
    if type(protected) is not dict:
        raise MalformedError("the protected header is not a map", field="protected")
    if deterministic and not protected:
        raise MalformedError("an empty protected header is the empty byte string", field="protected")
    return protected


def _check_labels(protected: Mapping[Any, Any], unprotected: Mapping[Any, Any]) -> None:
    for header, name in ((protected, "protected"), (unprotected, "unprotected")):
        for label in header:
            if type(label) is not int and type(label) is not str:
                raise MalformedError("a header label is neither an integer nor text", field=name)
    if not protected.keys().isdisjoint(unprotected):
        raise MalformedError("a label stands in both headers", field="unprotected")
    if CRIT in protected or CRIT in unprotected:
        raise MalformedError("an extension that must be understood is not", field="crit", code="unsupported")
