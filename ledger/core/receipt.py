"""Receipts: COSE-signed Merkle proofs, and statements that carry them.

Implements RFC 9942 (COSE receipts) for verifiable data structure 1, RFC9162_SHA256, and the transparent
statement of RFC 9943. A receipt is a tagged COSE_Sign1 over a tree root that is left out of it; the proof
stands in the unprotected header 396. Our protected header is `{1: -7, 4: kid, 15: {1: origin, 2: origin},
395: 1}`, the same for every receipt of a tree: one signature serves a whole epoch.

The signature covers the root only. Tree size and index are what the proof was made for, no more; whoever
needs the size bound takes it from a checkpoint.

>>> from ledger.core.cose_key import SoftwareSigner
>>> from ledger.core.merkle import leaf_hash
>>> signer = SoftwareSigner.from_seed("p256", bytes(32), alg=ES256)
>>> leaf = leaf_hash(b"entry")
>>> receipt = format_inclusion_receipt(sign_root(leaf, signer, "example.com/log"), 1, 0, [])
>>> check_inclusion_receipt(receipt, leaf, signer.public_key)[:2]
(1, 0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ledger.core import cbor
from ledger.core.cose import (
    ALG,
    CWT_CLAIMS,
    KID,
    RECEIPTS,
    VDP,
    VDS,
    Sign1,
    check_signature,
    format_sign1,
    parse_sign1,
    sign,
)
from ledger.core.cose_key import ES256, ESP256, PublicKey, Signer
from ledger.core.merkle import (
    HASH_SIZE,
    MAX_TREE_SIZE,
    root_from_inclusion_path,
    roots_from_consistency_path,
)
from ledger.errors import MalformedError, VerificationError

RFC9162_SHA256: Final = 1
"""The one verifiable data structure (header 395) that is read here."""
INCLUSION: Final = -1
CONSISTENCY: Final = -2
MAX_RECEIPT_SIZE: Final = 16 * 1024
MAX_RECEIPTS: Final = 16
MAX_STATEMENT_SIZE: Final = 65_535
_MAX_TRANSPARENT_SIZE: Final = MAX_STATEMENT_SIZE + MAX_RECEIPTS * (MAX_RECEIPT_SIZE + 3) + 16
_ISS: Final = 1
_SUB: Final = 2
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class RootSignature:
    """The signed part of every receipt of one tree: protected header, root, signature."""

    protected_bytes: bytes
    root: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class InclusionReceipt:
    """A parsed inclusion receipt; nothing is checked but its form.

    Attributes:
        sign1: the COSE message.
        issuer: `iss` of the protected header, None where a foreign receipt has none.
        tree_size: leaves of the tree that the proof was made for.
        leaf_index: index of the proven leaf.
        path: sibling hashes of 32 bytes, the leaf's sibling first.
    """

    sign1: Sign1
    issuer: str | None
    tree_size: int
    leaf_index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ConsistencyReceipt:
    """A parsed consistency receipt from `tree_size_1` to `tree_size_2` leaves; only its form is checked."""

    sign1: Sign1
    issuer: str | None
    tree_size_1: int
    tree_size_2: int
    path: tuple[bytes, ...]


def sign_root(root: bytes, signer: Signer, origin: str) -> RootSignature:
    """Sign a tree root once for all receipts of that tree.

    Args:
        root: 32 bytes.
        signer: the ledger's receipts key, ES256 (-7), which published tools verify.
        origin: the ledger's origin, as `iss` and `sub`.

    Raises:
        MalformedError: the root is not 32 bytes; code `unsupported`, the signer's algorithm is not ES256.
    Source: RFC 9942, "Signed Inclusion Proof"; docs/protocol.md, section 8.
    """
    if signer.alg != ES256:
        raise MalformedError("receipts are signed with ES256", field="alg", code="unsupported")
    if len(root) != HASH_SIZE:
        raise MalformedError("a root has 32 bytes", field="root_hash")
    signed = sign(_protected(signer.public_key.kid, origin), root, signer)
    return RootSignature(signed.protected_bytes, root, signed.signature)


def format_inclusion_receipt(signed: RootSignature, size: int, index: int, path: Sequence[bytes]) -> bytes:
    """Return the receipt that leaf `index` is in the signed tree of `size` leaves.

    The caller has the path from `merkle.prove_inclusion`; it is not checked against the root here.
    """
    return _format(signed, INCLUSION, [size, index, list(path)])


def parse_inclusion_receipt(data: bytes, *, deterministic: bool = True) -> InclusionReceipt:
    """Read an inclusion receipt without checking its proof or signature.

    Args:
        data: a tagged COSE_Sign1.
        deterministic: True for our own: the one encoding, exactly our headers. False for receipts of other
            services: other encodings, no or further headers, other algorithms that `cose_key` knows.

    Raises:
        MalformedError: code `too_large` above 16 KiB; code `unsupported` where the *protected* header does
            not say RFC9162_SHA256, or for more than one proof; otherwise the payload is attached or the
            headers or the proof are not of the form of RFC 9942 (an empty path only for one leaf).
    """
    sign1, issuer, (size, index, path) = _parse(data, INCLUSION, deterministic)
    if not 0 <= index < size or (not path and size != 1):
        raise MalformedError("the inclusion proof is not of the right form", field="vdp")
    return InclusionReceipt(sign1, issuer, size, index, path)


def check_inclusion_receipt(
    data: bytes, leaf: bytes, key: PublicKey, *, deterministic: bool = True
) -> tuple[int, int, bytes]:
    """Check that the receipt proves this leaf hash, and return (tree size, leaf index, root).

    In the order of the RFC: the proof leads from the leaf to a root, then the signature covers that root.

    Args:
        data: the receipt.
        leaf: leaf hash of the entry (32 bytes). Some services log a hash of the statement as the entry; the
            leaf hash is then over that.
        key: the key of the service that `iss` and `kid` stand for; finding it is the caller's.
        deterministic: as `parse_inclusion_receipt`.

    Raises:
        MalformedError: as `parse_inclusion_receipt`, or the signature is not in its one encoding.
        VerificationError: `not_listed`, the path does not fit the place; `bad_signature`, the root that
            the path leads to is not the signed one, which is also what a wrong leaf or path gives.
    Source: RFC 9942, "Receipt of Inclusion".
    """
    receipt = parse_inclusion_receipt(data, deterministic=deterministic)
    root = root_from_inclusion_path(leaf, receipt.leaf_index, receipt.tree_size, receipt.path)
    _check_root(receipt.sign1, root, key, deterministic)
    return receipt.tree_size, receipt.leaf_index, root


def format_consistency_receipt(signed: RootSignature, size1: int, size2: int, path: Sequence[bytes]) -> bytes:
    """Return the receipt that the signed tree of `size2` leaves extends the one of `size1` leaves.

    The caller has the path from `merkle.prove_consistency`, with 0 < size1 < size2.
    """
    return _format(signed, CONSISTENCY, [size1, size2, list(path)])


def parse_consistency_receipt(data: bytes, *, deterministic: bool = True) -> ConsistencyReceipt:
    """Read a consistency receipt without checking its proof or signature.

    Args and errors are those of `parse_inclusion_receipt`; the sizes must be 0 < size1 < size2 and the path
    is never empty.
    """
    sign1, issuer, (size1, size2, path) = _parse(data, CONSISTENCY, deterministic)
    if not 0 < size1 < size2 or not path:
        raise MalformedError("the consistency proof is not of the right form", field="vdp")
    return ConsistencyReceipt(sign1, issuer, size1, size2, path)


def check_consistency_receipt(
    data: bytes, root1: bytes, key: PublicKey, *, deterministic: bool = True
) -> tuple[int, int, bytes]:
    """Check that the signed newer tree extends the tree with `root1`; return (size1, size2, newer root).

    In the order of the RFC: the signature over the newer root, which the path yields, then the older root.

    Raises:
        MalformedError: as `parse_consistency_receipt`, or root1 is not 32 bytes.
        VerificationError: `inconsistent`, the path has the wrong length or does not lead to `root1`;
            `bad_signature`, the newer root is not the signed one.
    Source: RFC 9942, "Receipt of Consistency".
    """
    receipt = parse_consistency_receipt(data, deterministic=deterministic)
    size1, size2 = receipt.tree_size_1, receipt.tree_size_2
    older, newer = roots_from_consistency_path(size1, root1, size2, receipt.path)
    _check_root(receipt.sign1, newer, key, deterministic)
    if older != root1:
        raise VerificationError("inconsistent", "the path does not lead to the older root", field="path")
    return size1, size2, newer


def transparent_statement(entry: bytes, receipts: Sequence[bytes]) -> bytes:
    """Return the statement with its receipts in header 394.

    Args:
        entry: the logged bytes: a tagged COSE_Sign1 with its payload and an empty unprotected header.
        receipts: 1 to 16 receipts, each a tagged COSE_Sign1.

    Raises:
        MalformedError: the entry or a receipt is not of that form, or there are too many.
    Source: RFC 9943, "Transparent Statements"; RFC 9942, header 394.
    """
    statement = parse_sign1(entry, max_size=MAX_STATEMENT_SIZE)
    if statement.unprotected or statement.payload is None:
        raise MalformedError("an entry has a payload and no unprotected header", field="entry")
    _check_receipts(list(receipts))
    return format_sign1(replace(statement, unprotected={RECEIPTS: list(receipts)}))


def split_transparent_statement(data: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """Return (logged bytes, receipts); the inverse of `transparent_statement`. Nothing is verified.

    Raises:
        MalformedError: not a tagged COSE_Sign1 with a payload and exactly header 394, or above the caps.
    """
    statement = parse_sign1(data, max_size=_MAX_TRANSPARENT_SIZE)
    if set(statement.unprotected) != {RECEIPTS} or statement.payload is None:
        raise MalformedError("a transparent statement carries receipts and no more", field="unprotected")
    receipts = _check_receipts(statement.unprotected[RECEIPTS])
    entry = format_sign1(replace(statement, unprotected={}))
    if len(entry) > MAX_STATEMENT_SIZE:
        raise MalformedError("the statement is too large", field="entry", code="too_large")
    return entry, receipts


def _protected(kid: object, origin: object) -> dict[int, Any]:
    return {ALG: ES256, KID: kid, CWT_CLAIMS: {_ISS: origin, _SUB: origin}, VDS: RFC9162_SHA256}


def _format(signed: RootSignature, kind: int, proof: list[Any]) -> bytes:
    unprotected = {VDP: {kind: [cbor.encode(proof)]}}
    return format_sign1(Sign1(signed.protected_bytes, {}, unprotected, None, signed.signature))


def _parse(
    data: bytes, kind: int, deterministic: bool
) -> tuple[Sign1, str | None, tuple[int, int, tuple[bytes, ...]]]:
    sign1 = parse_sign1(data, max_size=MAX_RECEIPT_SIZE, deterministic=deterministic)
    # Without this gate a receipt of another structure can verify by accident: its signature is valid.
    structure = sign1.protected.get(VDS)
    if type(structure) is not int or structure != RFC9162_SHA256:
        raise MalformedError("not a receipt of an RFC 9162 tree", field="vds", code="unsupported")
    if sign1.payload is not None:
        raise MalformedError("a receipt's root is detached", field="payload")
    claims = sign1.protected.get(CWT_CLAIMS)
    issuer = claims.get(_ISS) if isinstance(claims, Mapping) else None
    if deterministic:
        _check_own_headers(sign1, issuer)
    if issuer is not None and not isinstance(issuer, str):
        raise MalformedError("the issuer is text", field="iss")
    return sign1, issuer, _parse_proof(sign1.unprotected.get(VDP), kind, deterministic)


def _check_own_headers(sign1: Sign1, issuer: object) -> None:
    kid = sign1.protected.get(KID)
    if type(kid) is not bytes or len(kid) != 8 or type(issuer) is not str or not issuer:
        raise MalformedError("not the headers of this ledger's receipts", field="protected")
    if cbor.encode(_protected(kid, issuer)) != sign1.protected_bytes or set(sign1.unprotected) != {VDP}:
        raise MalformedError("not the headers of this ledger's receipts", field="protected")
    if len(sign1.unprotected[VDP] if isinstance(sign1.unprotected[VDP], Mapping) else ()) != 1:
        raise MalformedError("a receipt has one kind of proof", field="vdp")


def _parse_proof(proofs: object, kind: int, deterministic: bool) -> tuple[int, int, tuple[bytes, ...]]:
    encoded = proofs.get(kind) if isinstance(proofs, Mapping) else None
    if type(encoded) is not list or not encoded or any(type(item) is not bytes for item in encoded):
        raise MalformedError("the receipt has no such proof", field="vdp")
    if len(encoded) != 1:
        raise MalformedError("only receipts with one proof are read", field="vdp", code="unsupported")
    proof = cbor.decode(encoded[0], max_size=MAX_RECEIPT_SIZE, deterministic=deterministic, field="vdp")
    match proof:
        case [int(first), int(second), list(path)] if not any(isinstance(n, bool) for n in proof):
            if max(first, second) <= MAX_TREE_SIZE and all(_is_hash(item) for item in path):
                return first, second, tuple(path)
    raise MalformedError("the proof is not of the right form", field="vdp")


def _is_hash(item: object) -> bool:
    return type(item) is bytes and len(item) == HASH_SIZE


def _check_receipts(receipts: object) -> tuple[bytes, ...]:
    if type(receipts) is not list or not 1 <= len(receipts) <= MAX_RECEIPTS:
        raise MalformedError("a transparent statement has 1 to 16 receipts", field="receipts")
    for receipt in receipts:
        if type(receipt) is not bytes:
            raise MalformedError("a receipt is a byte string", field="receipts")
        parse_sign1(receipt, max_size=MAX_RECEIPT_SIZE, deterministic=False)
    return tuple(receipts)


def _check_root(sign1: Sign1, root: bytes, key: PublicKey, deterministic: bool) -> None:
    if not deterministic and sign1.protected.get(ALG) in (ES256, ESP256):
        sign1 = replace(sign1, signature=_lower_s(sign1.signature))
    check_signature(sign1, key, payload=root)


def _lower_s(signature: bytes) -> bytes:
    """Return the equivalent ECDSA signature with the lower s; others do not normalise theirs."""
    s = int.from_bytes(signature[32:])
    if len(signature) != 64 or not _P256_ORDER // 2 < s < _P256_ORDER:
        return signature
    return signature[:32] + (_P256_ORDER - s).to_bytes(32)
