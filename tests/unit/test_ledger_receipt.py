"""Receipts: ours in one form, those of others as published, and no proof without its signature."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.cose import CWT_CLAIMS, RECEIPTS, VDP, VDS, format_sign1, parse_sign1, sign
from ledger.core.cose_key import EDDSA, ES256, PublicKey, SoftwareSigner, from_cryptography
from ledger.core.merkle import (
    Frontier,
    check_inclusion,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    root_at,
    root_from_inclusion_path,
    roots_from_consistency_path,
)
from ledger.core.receipt import (
    RootSignature,
    check_consistency_receipt,
    check_inclusion_receipt,
    format_consistency_receipt,
    format_inclusion_receipt,
    parse_consistency_receipt,
    parse_inclusion_receipt,
    sign_root,
    split_transparent_statement,
    transparent_statement,
)
from ledger.errors import LedgerError, MalformedError, VerificationError

ORIGIN = "ledger.example/one"
SIGNER = SoftwareSigner.from_seed("p256", bytes(range(32)), alg=ES256)
KEY = SIGNER.public_key
LEAVES = [leaf_hash(b"entry-%d" % i) for i in range(40)]
LEVELS = Frontier().extend_nodes(LEAVES)
SIZE = 37
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def node(level: int, index: int) -> bytes:
    return LEVELS[level][index]


ROOT = root_at(SIZE, node)
SIGNED = sign_root(ROOT, SIGNER, ORIGIN)
RECEIPT = format_inclusion_receipt(SIGNED, SIZE, 21, prove_inclusion(21, SIZE, node))
EXTENSION = format_consistency_receipt(SIGNED, 12, SIZE, prove_consistency(12, SIZE, node))
ENTRY = format_sign1(sign({CWT_CLAIMS: {1: "issuer", 2: "subject"}}, b"payload", SIGNER))


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def rebuilt(
    proof: Any = None, protected: dict[Any, Any] | None = None, unprotected: dict[Any, Any] | None = None
) -> bytes:
    """A receipt with other parts and a valid signature over the root."""
    parts = parse_sign1(RECEIPT, max_size=4096)
    header = {**parts.protected, **(protected or {})}
    open_header = {VDP: {-1: [cbor.encode(proof)]}} if unprotected is None else unprotected
    made = sign({label: value for label, value in header.items() if value is not None}, ROOT, SIGNER)
    message = [made.protected_bytes, open_header, None, made.signature]
    return cbor.encode(cbor.CBORTag(18, message))


def test_one_signature_serves_every_leaf_of_a_tree() -> None:
    for index in range(SIZE):
        receipt = format_inclusion_receipt(SIGNED, SIZE, index, prove_inclusion(index, SIZE, node))
        assert check_inclusion_receipt(receipt, LEAVES[index], KEY) == (SIZE, index, ROOT)
        assert parse_inclusion_receipt(receipt).issuer == ORIGIN


def test_the_protected_header_is_exactly_the_specified_one() -> None:
    expected = {1: -7, 4: KEY.kid, 15: {1: ORIGIN, 2: ORIGIN}, 395: 1}
    assert parse_sign1(RECEIPT, max_size=4096).protected_bytes == cbor.encode(expected)


def test_a_consistency_receipt_proves_every_older_root() -> None:
    for size1 in range(1, SIZE):
        receipt = format_consistency_receipt(SIGNED, size1, SIZE, prove_consistency(size1, SIZE, node))
        old_root = root_at(size1, node)
        assert check_consistency_receipt(receipt, old_root, KEY) == (size1, SIZE, ROOT)
        with pytest.raises(VerificationError):
            check_consistency_receipt(receipt, LEAVES[0] if size1 > 1 else LEAVES[1], KEY)


def test_an_empty_path_is_read_for_one_leaf_only() -> None:
    signed = sign_root(LEAVES[0], SIGNER, ORIGIN)
    receipt = format_inclusion_receipt(signed, 1, 0, [])
    assert check_inclusion_receipt(receipt, LEAVES[0], KEY) == (1, 0, LEAVES[0])
    with pytest.raises(MalformedError):
        parse_inclusion_receipt(format_inclusion_receipt(signed, 2, 0, []))
    with pytest.raises(MalformedError):
        parse_consistency_receipt(format_consistency_receipt(signed, 1, 2, []))


def test_another_leaf_key_or_tree_fails() -> None:
    other_key = SoftwareSigner.from_seed("p256", bytes(32), alg=ES256).public_key
    for leaf, key in ((LEAVES[20], KEY), (LEAVES[21], other_key)):
        with pytest.raises(VerificationError, match="bad_signature"):
            check_inclusion_receipt(RECEIPT, leaf, key)
    long = format_inclusion_receipt(SIGNED, SIZE, 21, [*prove_inclusion(21, SIZE, node), ROOT])
    with pytest.raises(VerificationError, match="not_listed"):
        check_inclusion_receipt(long, LEAVES[21], KEY)
    with pytest.raises(VerificationError, match="inconsistent"):
        check_consistency_receipt(EXTENSION, ROOT, KEY)


def test_every_flipped_bit_of_a_receipt_fails_with_a_code() -> None:
    # Size and index are outside the signature: a change of them that keeps the shape of the path stays valid.
    old_root, unsigned = root_at(12, node), set()
    for bit in range(8 * len(RECEIPT)):
        try:
            size, index, root = check_inclusion_receipt(flipped(RECEIPT, bit), LEAVES[21], KEY)
        except LedgerError as error:
            assert error.code in ("malformed", "unsupported", "too_large", "not_listed", "bad_signature")
        else:
            assert root == ROOT
            unsigned.add((size, index))
    assert all(size != SIZE and index == 21 for size, index in unsigned)
    for bit in range(8 * len(EXTENSION)):
        try:
            check_consistency_receipt(flipped(EXTENSION, bit), old_root, KEY)
        except LedgerError as error:
            assert error.code in ("malformed", "unsupported", "too_large", "inconsistent", "bad_signature")
        else:
            assert parse_consistency_receipt(flipped(EXTENSION, bit)).sign1.signature == SIGNED.signature


def test_the_structure_is_read_from_the_protected_header_only() -> None:
    proof = [SIZE, 21, list(prove_inclusion(21, SIZE, node))]
    proofs = {-1: [cbor.encode(proof)]}
    assert check_inclusion_receipt(rebuilt(proof), LEAVES[21], KEY)[0] == SIZE
    cases: list[bytes] = [
        rebuilt(proof, {VDS: 2}),
        rebuilt(proof, {VDS: True}),
        rebuilt(proof, {VDS: None}),
        rebuilt(proof, {VDS: None}, {VDP: proofs, VDS: 1}),
    ]
    for receipt in cases:
        for deterministic in (True, False):
            with pytest.raises(MalformedError, match="unsupported"):
                check_inclusion_receipt(receipt, LEAVES[21], KEY, deterministic=deterministic)


def test_our_receipts_have_our_headers_and_nothing_else() -> None:
    proof = [SIZE, 21, list(prove_inclusion(21, SIZE, node))]
    proofs = [cbor.encode(proof)]
    strange: list[bytes] = [
        rebuilt(proof, {4: None}),
        rebuilt(proof, {4: b"short"}),
        rebuilt(proof, {15: None}),
        rebuilt(proof, {15: {1: ORIGIN}}),
        rebuilt(proof, {15: {1: ORIGIN, 2: "else"}}),
        rebuilt(proof, {16: "typ"}),
        rebuilt(proof, unprotected={VDP: {-1: proofs}, 99: 1}),
        rebuilt(proof, unprotected={VDP: {-1: proofs, -2: proofs}}),
    ]
    for receipt in strange:
        with pytest.raises(MalformedError, match="malformed"):
            parse_inclusion_receipt(receipt)
        assert parse_inclusion_receipt(receipt, deterministic=False).tree_size == SIZE


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_proof_of_another_form_is_refused(deterministic: bool) -> None:
    path = list(prove_inclusion(21, SIZE, node))
    proofs: list[Any] = [
        [SIZE, 21],
        [SIZE, 21, path, 1],
        [21, SIZE, path],
        [SIZE, SIZE, path],
        [SIZE, -1, path],
        [2**63, 21, path],
        [True, False, path],
        [SIZE, 21, path[0]],
        [SIZE, 21, [*path[:-1], b"short"]],
        [SIZE, 21, []],
        {0: SIZE},
        None,
    ]
    for proof in proofs:
        with pytest.raises(MalformedError):
            parse_inclusion_receipt(rebuilt(proof), deterministic=deterministic)
    good = cbor.encode([SIZE, 21, path])
    vdps: list[Any] = [1, {}, {-2: [good]}, {-1: good}, {-1: []}]
    headers: list[dict[Any, Any]] = [{}, *({VDP: vdp} for vdp in vdps)]
    for unprotected in headers:
        with pytest.raises(MalformedError):
            parse_inclusion_receipt(rebuilt(unprotected=unprotected), deterministic=deterministic)
    with pytest.raises(MalformedError, match="unsupported"):
        parse_inclusion_receipt(rebuilt(unprotected={VDP: {-1: [good, good]}}), deterministic=deterministic)
    with pytest.raises(MalformedError):
        parse_consistency_receipt(RECEIPT, deterministic=deterministic)


def test_an_attached_root_is_refused() -> None:
    attached = cbor.decode(RECEIPT, max_size=4096)
    attached.value[2] = ROOT
    with pytest.raises(MalformedError):
        parse_inclusion_receipt(cbor.encode(attached))


def test_only_es256_signs_roots_of_32_bytes() -> None:
    for signer in (
        SoftwareSigner.from_seed("p256", bytes(32)),
        SoftwareSigner.from_seed("ed25519", bytes(32)),
    ):
        with pytest.raises(MalformedError, match="unsupported"):
            sign_root(ROOT, signer, ORIGIN)
    with pytest.raises(MalformedError):
        sign_root(b"short", SIGNER, ORIGIN)


def test_a_high_s_is_refused_in_ours_and_read_in_foreign_receipts() -> None:
    s = P256_ORDER - int.from_bytes(SIGNED.signature[32:])
    high = RootSignature(SIGNED.protected_bytes, ROOT, SIGNED.signature[:32] + s.to_bytes(32))
    receipt = format_inclusion_receipt(high, SIZE, 21, prove_inclusion(21, SIZE, node))
    with pytest.raises(MalformedError):
        check_inclusion_receipt(receipt, LEAVES[21], KEY)
    assert check_inclusion_receipt(receipt, LEAVES[21], KEY, deterministic=False)[0] == SIZE


@pytest.mark.parametrize("name", ["valid-es256", "valid-eddsa"])
def test_the_published_transparent_statements_verify(vectors_dir: Path, name: str) -> None:
    folder = vectors_dir / "receipts" / name
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    receipt, statement = (folder / "receipt.cose").read_bytes(), (folder / "statement.cose").read_bytes()
    entry = hashlib.sha256(statement).digest()  # what this service logs as its entry
    assert entry.hex() == expected["leaf_entry"]
    key = published_key(folder / "log-key.pub")
    size, index, root = check_inclusion_receipt(receipt, leaf_hash(entry), key, deterministic=False)
    assert (size, index) == (expected["tree_size"], expected["leaf_index"])
    assert root.hex() == expected["reconstructed_root"]
    path = parse_inclusion_receipt(receipt, deterministic=False).path
    assert [item.hex() for item in path] == expected["inclusion_path"]
    with pytest.raises(VerificationError, match="bad_signature"):
        check_inclusion_receipt(receipt, leaf_hash(statement), key, deterministic=False)
    with pytest.raises(MalformedError):
        parse_inclusion_receipt(receipt)


def published_key(path: Path) -> PublicKey:
    return from_cryptography(load_pem_public_key(path.read_bytes()))


def test_the_published_proofs_lead_to_the_published_roots(vectors_dir: Path) -> None:
    folder = vectors_dir / "receipts"
    inclusion = parse_inclusion_receipt((folder / "inclusion-receipt.cbor").read_bytes(), deterministic=False)
    consistency = parse_consistency_receipt(
        (folder / "consistency-receipt.cbor").read_bytes(), deterministic=False
    )
    root3 = bytes.fromhex("688928db5e565af2fb9b29db5cce83de0e0352a0f0c671b450b9dc86bed2de3c")
    root5 = bytes.fromhex("895731b5a570ea1967dd7804b5f43146175f9ac87d1565985de3ecf09c98589c")
    assert (consistency.tree_size_1, consistency.tree_size_2) == (3, 5)
    assert roots_from_consistency_path(3, root3, 5, consistency.path) == (root3, root5)
    leaf3 = consistency.path[1]
    assert leaf3.hex().startswith("987ba809")
    assert (inclusion.tree_size, inclusion.leaf_index) == (5, 3)
    assert root_from_inclusion_path(leaf3, 3, 5, inclusion.path) == root5
    check_inclusion(leaf3, 3, 5, inclusion.path, root5)
    assert inclusion.issuer == consistency.issuer == "https://transparency-service.example.com"


def test_a_transparent_statement_gives_back_its_entry_and_receipts() -> None:
    for receipts in ([RECEIPT], [RECEIPT, EXTENSION]):
        data = transparent_statement(ENTRY, receipts)
        assert split_transparent_statement(data) == (ENTRY, tuple(receipts))
        assert parse_sign1(data, max_size=4096).unprotected == {RECEIPTS: receipts}


def test_what_is_no_entry_or_receipt_makes_no_transparent_statement() -> None:
    data = transparent_statement(ENTRY, [RECEIPT])
    for entry, receipts in [
        (data, [RECEIPT]),
        (RECEIPT, [RECEIPT]),
        (b"\xf6", [RECEIPT]),
        (ENTRY, []),
        (ENTRY, [RECEIPT] * 17),
        (ENTRY, [RECEIPT[:-1]]),
        (ENTRY, [RECEIPT + bytes(20_000)]),
    ]:
        with pytest.raises(MalformedError):
            transparent_statement(entry, receipts)
    statement = cbor.decode(data, max_size=4096)
    lists: list[Any] = [RECEIPT, [1], []]
    headers: list[dict[Any, Any]] = [{}, {RECEIPTS: [RECEIPT], 99: 1}, *({RECEIPTS: x} for x in lists)]
    for unprotected in headers:
        statement.value[1] = unprotected
        with pytest.raises(MalformedError):
            split_transparent_statement(cbor.encode(statement))


def test_an_entry_above_the_cap_is_too_large_also_inside_a_transparent_statement() -> None:
    big = format_sign1(sign({}, bytes(65_600), SIGNER))
    with pytest.raises(MalformedError, match="too_large"):
        transparent_statement(big, [RECEIPT])
    statement = cbor.decode(big, max_size=70_000)
    statement.value[1] = {RECEIPTS: [RECEIPT]}
    with pytest.raises(MalformedError, match="too_large"):
        split_transparent_statement(cbor.encode(statement))


def test_a_full_load_of_receipts_fits() -> None:
    entry = format_sign1(sign({}, bytes(65_000), SIGNER))
    assert len(split_transparent_statement(transparent_statement(entry, [RECEIPT] * 16))[1]) == 16


def test_foreign_algorithms_verify_with_their_keys() -> None:
    signer = SoftwareSigner.from_seed("ed25519", bytes(32), alg=EDDSA)
    made = sign({VDS: 1}, ROOT, signer)
    signed = RootSignature(made.protected_bytes, ROOT, made.signature)
    receipt = format_inclusion_receipt(signed, SIZE, 3, prove_inclusion(3, SIZE, node))
    assert check_inclusion_receipt(receipt, LEAVES[3], signer.public_key, deterministic=False)[1] == 3
    with pytest.raises(MalformedError):
        check_inclusion_receipt(receipt, LEAVES[3], signer.public_key)


@given(st.binary(max_size=80), st.booleans())
def test_noise_is_refused_with_a_named_error(data: bytes, deterministic: bool) -> None:
    for parse in (parse_inclusion_receipt, parse_consistency_receipt):
        with pytest.raises(LedgerError):
            parse(data, deterministic=deterministic)
    with pytest.raises(LedgerError):
        split_transparent_statement(data)


@given(st.integers(0, len(RECEIPT) - 1), st.binary(max_size=4), st.integers(0, 4), st.booleans())
def test_a_damaged_receipt_fails_only_with_named_errors(
    place: int, inserted: bytes, removed: int, deterministic: bool
) -> None:
    damaged = RECEIPT[:place] + inserted + RECEIPT[place + removed :]
    try:
        _, _, root = check_inclusion_receipt(damaged, LEAVES[21], KEY, deterministic=deterministic)
    except LedgerError:
        return
    assert root == ROOT
