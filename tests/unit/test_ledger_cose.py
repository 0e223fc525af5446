"""COSE_Sign1: one form of bytes, one identity, signatures of published messages."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core import cbor, cose
from ledger.core.cbor import CBORTag
from ledger.core.cose import (
    Sign1,
    check_signature,
    format_sign1,
    parse_sign1,
    sig_structure,
    sign,
    statement_id,
)
from ledger.core.cose_key import Kind, PublicKey, SoftwareSigner, from_cryptography, parse_cose_key
from ledger.errors import LedgerError, MalformedError

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
KINDS: list[Kind] = ["p256", "ed25519"]
SIGNERS = {kind: SoftwareSigner.from_seed(kind, b"\x07" * 32) for kind in KINDS}
HEADER: dict[int, Any] = {cose.KID: b"k", cose.CWT_CLAIMS: {1: "i", 2: "s"}, cose.TYP: 293}


def refusal(data: bytes, *, deterministic: bool = True) -> MalformedError:
    with pytest.raises(MalformedError) as caught:
        parse_sign1(data, max_size=4096, deterministic=deterministic)
    return caught.value


def verdict(data: bytes, key: PublicKey) -> str:
    """Return "ok" or the code with which parsing or verifying ends."""
    try:
        check_signature(parse_sign1(data, max_size=4096), key)
    except LedgerError as error:
        return error.code
    return "ok"


def message(*parts: Any, tag: int = 18) -> bytes:
    return cbor.encode(CBORTag(tag, list(parts)))


# --- form ---


@pytest.mark.parametrize("kind", KINDS)
@given(payload=st.binary(max_size=300), seq=st.integers(0, 2**32))
@settings(max_examples=25)
def test_a_signed_message_comes_back_and_verifies(kind: Kind, payload: bytes, seq: int) -> None:
    signer = SIGNERS[kind]
    signed = sign({**HEADER, "seq": seq}, payload, signer, {cose.RECEIPTS: [b"r"]})
    data = format_sign1(signed)
    again = parse_sign1(data, max_size=len(data))
    assert again == signed
    assert format_sign1(again) == data
    assert again.protected[cose.ALG] == signer.alg
    check_signature(again, signer.public_key)


@pytest.mark.parametrize("kind", KINDS)
def test_every_flipped_bit_of_a_message_fails_with_a_code(kind: Kind) -> None:
    signer = SIGNERS[kind]
    data = format_sign1(sign(HEADER, b"payload", signer))
    assert verdict(data, signer.public_key) == "ok"
    codes = set()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        codes.add(verdict(bytes(flipped), signer.public_key))
    # A flipped bit can turn the algorithm into another one, or label 4 into label 2 (crit) or 1.
    assert codes <= {"malformed", "unsupported", "bad_signature"}
    assert {"malformed", "bad_signature"} <= codes


def test_every_shortened_or_lengthened_message_is_malformed() -> None:
    data = format_sign1(sign(HEADER, b"payload", SIGNERS["p256"]))
    for size in range(len(data)):
        assert refusal(data[:size]).code == "malformed"
        refusal(data[:size], deterministic=False)
    assert refusal(data + b"\x00").code == "malformed"
    refusal(data + b"\x00", deterministic=False)


@given(st.binary(max_size=64))
def test_any_bytes_are_refused_with_a_code(data: bytes) -> None:
    for candidate in (data, b"\xd2\x84" + data, b"\xd2\x84\x43\xa1\x01\x28" + data):
        for deterministic in (True, False):
            try:
                parsed = parse_sign1(candidate, max_size=4096, deterministic=deterministic)
            except MalformedError:
                continue
            if deterministic:
                assert format_sign1(parsed) == candidate


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize(
    ("data", "field"),
    [
        (cbor.encode([b"", {}, b"", b""]), "cose_sign1"),
        (message(b"", {}, b"", b"", tag=16), "cose_sign1"),
        (cbor2.dumps(CBORTag(98, [b"", {}, b"", b""])), "cose_sign1"),
        (cbor2.dumps(CBORTag(55799, CBORTag(18, [b"", {}, b"", b""]))), "cose_sign1"),
        (cbor.encode(CBORTag(18, {0: b"", 1: {}, 2: b"", 3: b""})), "cose_sign1"),
        (message(b"", {}, b""), "cose_sign1"),
        (message(b"", {}, b"", b"", b""), "cose_sign1"),
        (message({}, {}, b"", b""), "protected"),
        (message("", {}, b"", b""), "protected"),
        (message(b"\x80", {}, b"", b""), "protected"),
        (message(b"\xf6", {}, b"", b""), "protected"),
        (message(b"\xa1\x01\x28\x00", {}, b"", b""), "protected"),
        (message(b"\xa2\x01\x28\x01\x28", {}, b"", b""), "protected"),
        (message(b"\xa1\x41\x01\x28", {}, b"", b""), "protected"),
        (message(b"\xa1\xf8\x3b\x28", {}, b"", b""), "protected"),
        (message(b"", [], b"", b""), "unprotected"),
        (message(b"", None, b"", b""), "unprotected"),
        (message(b"", {b"1": 1}, b"", b""), "unprotected"),
        (message(b"\xa1\x01\x28", {1: -9}, b"", b""), "unprotected"),
        (message(b"\xa1\x01\x28", {1: -7}, b"", b""), "unprotected"),
        (message(b"", {}, "", b""), "payload"),
        (message(b"", {}, 0, b""), "payload"),
        (message(b"", {}, False, b""), "payload"),
        (message(b"", {}, b"", None), "signature"),
        (message(b"", {}, b"", "s"), "signature"),
    ],
)
def test_anything_but_a_tagged_sign1_is_malformed(data: bytes, field: str, deterministic: bool) -> None:
    error = refusal(data, deterministic=deterministic)
    assert (error.code, error.field) == ("malformed", field)


@pytest.mark.parametrize("protected", ["a0", "a204410001 28", "a1180128", "b8010128", "bf0128ff"])
def test_a_second_encoding_of_a_protected_header_is_malformed(protected: str) -> None:
    data = message(bytes.fromhex(protected), {}, b"", b"")
    assert refusal(data).field == "protected"
    if not protected.startswith("bf"):
        parse_sign1(data, max_size=64, deterministic=False)


def test_an_empty_protected_header_is_the_empty_string() -> None:
    parsed = parse_sign1(message(b"", {}, b"", b""), max_size=64)
    assert (parsed.protected_bytes, parsed.protected) == (b"", {})


@pytest.mark.parametrize("protected", [b"\xa1\x02\x81\x19\x01\x8a", b""])
def test_an_extension_that_must_be_understood_is_unsupported(protected: bytes) -> None:
    unprotected = {} if protected else {cose.CRIT: [394]}
    assert refusal(message(protected, unprotected, b"", b"")).code == "unsupported"


def test_a_message_beyond_the_limit_is_too_large() -> None:
    data = format_sign1(sign(HEADER, b"payload", SIGNERS["p256"]))
    parse_sign1(data, max_size=len(data))
    with pytest.raises(MalformedError) as caught:
        parse_sign1(data, max_size=len(data) - 1)
    assert caught.value.code == "too_large"


# --- signatures and identity ---


@given(st.binary(max_size=70000), st.binary(max_size=300), st.binary(max_size=30))
@settings(max_examples=20)
def test_the_sig_structure_is_the_array_of_rfc_9052(payload: bytes, protected: bytes, aad: bytes) -> None:
    assert sig_structure(protected, payload, aad) == cbor.encode(["Signature1", protected, aad, payload])
    assert sig_structure(protected, payload) == sig_structure(protected, payload, b"")


def test_the_identity_covers_header_and_payload_only() -> None:
    signed = sign(HEADER, b"payload", SIGNERS["p256"])
    expected = hashlib.sha256(cbor.encode(["Signature1", signed.protected_bytes, b"", b"payload"])).digest()
    assert statement_id(signed) == expected
    assert statement_id(dataclasses.replace(signed, signature=b"", unprotected={394: []})) == expected
    assert statement_id(dataclasses.replace(signed, payload=b"other")) != expected
    assert statement_id(dataclasses.replace(signed, protected_bytes=b"")) != expected
    with pytest.raises(MalformedError):
        statement_id(dataclasses.replace(signed, payload=None))


def test_a_detached_payload_is_given_exactly_where_it_is_missing() -> None:
    signer = SIGNERS["ed25519"]
    attached = sign(HEADER, b"payload", signer)
    detached = parse_sign1(format_sign1(dataclasses.replace(attached, payload=None)), max_size=4096)
    check_signature(detached, signer.public_key, payload=b"payload")
    for signed, payload, code in (
        (detached, None, "malformed"),
        (detached, b"", "bad_signature"),
        (detached, b"other", "bad_signature"),
        (attached, b"payload", "malformed"),
    ):
        with pytest.raises(LedgerError) as caught:
            check_signature(signed, signer.public_key, payload=payload)
        assert caught.value.code == code


def test_an_empty_payload_is_a_payload() -> None:
    signer = SIGNERS["p256"]
    check_signature(sign({}, b"", signer), signer.public_key)


def test_the_algorithm_counts_only_in_the_protected_header() -> None:
    signer = SIGNERS["p256"]
    signature = signer.sign(sig_structure(b"", b"payload"))
    for unprotected in ({}, {cose.ALG: signer.alg}):
        with pytest.raises(MalformedError) as caught:
            check_signature(Sign1(b"", {}, unprotected, b"payload", signature), signer.public_key)
        assert caught.value.code == "unsupported"
    text = sign({cose.ALG: signer.alg}, b"", signer)
    with pytest.raises(MalformedError):
        check_signature(dataclasses.replace(text, protected={cose.ALG: "ESP256"}), signer.public_key)


def test_the_key_of_another_signer_does_not_verify() -> None:
    signed = sign(HEADER, b"payload", SIGNERS["p256"])
    other = SoftwareSigner.from_seed("p256", b"\x08" * 32).public_key
    assert verdict(format_sign1(signed), other) == "bad_signature"
    assert verdict(format_sign1(signed), SIGNERS["ed25519"].public_key) == "unsupported"


def test_a_header_that_contradicts_the_signer_is_not_signed() -> None:
    signer = SIGNERS["p256"]
    with pytest.raises(ValueError, match="algorithm"):
        sign({cose.ALG: -7}, b"", signer)
    with pytest.raises(MalformedError):
        sign({4: b"k"}, b"", signer, {4: b"k"})
    with pytest.raises(ValueError, match="type"):
        sign({4: 1.5}, b"", signer)


# --- published messages ---


def published_key(path: Path) -> PublicKey:
    return from_cryptography(load_pem_public_key(path.read_bytes()))


@pytest.mark.parametrize("case", ["valid-es256", "valid-eddsa"])
def test_a_published_statement_verifies(vectors_dir: Path, case: str) -> None:
    """Their header is not sorted, and the ES256 signature has the higher s.

    Both are refused of our own statements, so the header is read as a foreign one and s turned to n - s.
    """
    folder = vectors_dir / "receipts" / case
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    data = (folder / "statement.cose").read_bytes()
    assert refusal(data).field == "protected"
    statement = parse_sign1(data, max_size=4096, deterministic=False)
    assert format_sign1(statement) == data
    assert statement.payload is not None
    assert hashlib.sha256(statement.payload).hexdigest() == expected["payload_sha256"]
    header = expected["protected_header"]["statement"]
    assert statement.protected[cose.ALG] == header["alg_code"]
    assert statement.protected[cose.CWT_CLAIMS] == {1: header["issuer"], 2: header["subject"]}
    key = published_key(folder / "issuer-key.pub")
    if case == "valid-es256":
        with pytest.raises(MalformedError):
            check_signature(statement, key)
        s = int.from_bytes(statement.signature[32:])
        lower = statement.signature[:32] + (P256_ORDER - s).to_bytes(32)
        statement = dataclasses.replace(statement, signature=lower)
    check_signature(statement, key)
    with pytest.raises(LedgerError) as caught:
        check_signature(dataclasses.replace(statement, payload=b"other"), key)
    assert caught.value.code == "bad_signature"


def test_a_published_key_binding_token_verifies_under_the_holder_and_issuer_keys(vectors_dir: Path) -> None:
    folder = vectors_dir / "sd-cwt"
    token = parse_sign1((folder / "kbt.cbor").read_bytes(), max_size=4096, deterministic=False)
    inner = cbor.encode(token.protected[cose.KCWT])
    issued = parse_sign1(inner, max_size=4096, deterministic=False)
    assert issued.payload is not None
    claims = cbor.decode(issued.payload, max_size=4096, deterministic=False)
    holder = parse_cose_key(claims[8][1])
    private = load_pem_private_key((folder / "holder_privkey.pem").read_bytes(), password=None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert from_cryptography(private.public_key()) == holder
    check_signature(token, holder)
    # The issuer signs with ES384, which the package does not accept; the Sig_structure is the same.
    issuer = load_pem_private_key((folder / "issuer_privkey.pem").read_bytes(), password=None)
    assert isinstance(issuer, ec.EllipticCurvePrivateKey)
    r, s = int.from_bytes(issued.signature[:48]), int.from_bytes(issued.signature[48:])
    issuer.public_key().verify(
        encode_dss_signature(r, s),
        sig_structure(issued.protected_bytes, issued.payload),
        ec.ECDSA(hashes.SHA384()),
    )
    disclosed = issued.unprotected[cose.SD_CLAIMS]
    assert hashlib.sha256(cbor.encode(disclosed[0])).digest() in claims[cbor.REDACTED_KEYS]
