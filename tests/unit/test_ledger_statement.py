"""Statements: every kind reads back, every other form has its code, no bit can be changed unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import cbor, cose
from ledger.core.actions import Admission, Scope, Suspend
from ledger.core.charter import format_charter
from ledger.core.cose_key import PublicKey
from ledger.core.statement import (
    MAX_ENTRY_BYTES,
    PADDING,
    Statement,
    is_padding,
    parse_application,
    parse_statement,
    sign_credential,
    sign_statement,
)
from ledger.core.status_change import StatusChange, StatusRow
from ledger.errors import CodedError, MalformedError
from tests.support.ledgers import signer
from tests.support.registry_world import ORIGIN, World

WORLD = World()
CIVIL = WORLD.admit("civil-1")
GOV = WORLD.governors["gov-1"]
ADMISSION = Admission("interior", "Office", (signer("applicant").public_key,), Scope(("sc:identity",), 5, 1))
# kind -> entry and the key that signed it
SAMPLES: dict[str, tuple[bytes, PublicKey]] = {
    "charter": (WORLD.charter_entry, WORLD.service.public_key),
    "accept": (WORLD.accept_entries[0], GOV.public_key),
    "govern": (WORLD.approval(1, WORLD.action("civil-1", Suspend())).entry, GOV.public_key),
    "credential": (WORLD.credential(CIVIL, 5).entry, CIVIL.keys[0].public_key),
    "status": (WORLD.change(CIVIL, (5, 0, 2, 4), (6, 0, 1, 3)).entry, CIVIL.keys[0].public_key),
    "seal": (WORLD.built[0].entries[-1], WORLD.service.public_key),
}
REFUSALS = ("malformed", "unsupported", "bad_signature", "too_large")


def code_of(entry: bytes, parse: Callable[[bytes], Statement] = parse_statement) -> str:
    try:
        parse(entry)
    except MalformedError as error:
        return error.code
    return "ok"


def rebuilt(kind: str, key: Any = None, *, protected: Any = None, payload: Any = None, **parts: Any) -> bytes:
    """Return a sample signed again with a changed protected header, payload or outer parts."""
    entry = SAMPLES[kind][0]
    message = cose.parse_sign1(entry, max_size=MAX_ENTRY_BYTES)
    header: dict[Any, Any] = dict(message.protected)
    for label, value in (protected or {}).items():
        if value is None:
            del header[label]
        else:
            header[label] = value
    body = cbor.decode(message.payload or b"", max_size=MAX_ENTRY_BYTES)
    header_bytes = cbor.encode(header)
    payload_bytes = cbor.encode({**body, **(payload or {})})
    signature = (key or GOV).sign(cose.sig_structure(header_bytes, payload_bytes))
    array = [
        parts.get("header", header_bytes),
        parts.get("unprotected", {}),
        parts.get("body", payload_bytes),
        parts.get("signature", signature),
    ]
    return cbor.encode(cbor.CBORTag(parts.get("tag", 18), parts.get("array", array)))


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_kind_parses_verifies_and_is_the_one_encoding(kind: str) -> None:
    entry, key = SAMPLES[kind]
    parsed = parse_statement(entry)
    assert (parsed.kind, parsed.kid, parsed.entry) == (kind, key.kid, entry)
    parsed.check_signature(key)
    assert parsed.statement_id == hashlib.sha256(parsed.message).digest()
    assert parsed.statement_id == cose.statement_id(cose.parse_sign1(entry, max_size=MAX_ENTRY_BYTES))
    signing = {k.public_key: k for k in (WORLD.service, GOV, *CIVIL.keys)}[key]
    if kind == "credential":
        assert sign_credential(parsed.body, signing) == entry
    else:
        assert sign_statement(kind, parsed.iss, parsed.sub, parsed.body, signing) == entry


@pytest.mark.parametrize("kind", ["accept", "govern", "credential", "status", "seal"])
def test_every_one_bit_change_fails_with_a_code(kind: str) -> None:
    entry, key = SAMPLES[kind]
    for bit in range(len(entry) * 8):
        changed = bytearray(entry)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodedError) as caught:
            parse_statement(bytes(changed)).check_signature(key)
        assert caught.value.code in REFUSALS


def test_every_changed_byte_of_a_charter_fails_with_a_code() -> None:
    entry, key = SAMPLES["charter"]
    for at in range(len(entry)):
        changed = bytearray(entry)
        changed[at] ^= 1 << at % 8
        with pytest.raises(CodedError) as caught:
            parse_statement(bytes(changed)).check_signature(key)
        assert caught.value.code in REFUSALS


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_rebuilt_sample_is_well_formed_and_cuts_are_not(kind: str) -> None:
    assert code_of(rebuilt(kind)) == "ok"
    entry = SAMPLES[kind][0]
    for cut in (0, 1, 2, len(entry) // 2, len(entry) - 1):
        assert code_of(entry[:cut]) == "malformed"
    assert code_of(entry + b"\0") == "malformed"


@pytest.mark.parametrize("kind", SAMPLES)
def test_an_unprotected_header_is_refused(kind: str) -> None:
    assert code_of(rebuilt(kind, unprotected={99: 1})) == "malformed"
    assert code_of(rebuilt(kind, unprotected={394: [b""]})) == "malformed"


@pytest.mark.parametrize("kind", SAMPLES)
def test_another_outer_form_is_refused(kind: str) -> None:
    assert code_of(rebuilt(kind, tag=16)) == "malformed"
    assert code_of(rebuilt(kind, body=None)) == "malformed"
    assert code_of(rebuilt(kind, array=[b"", {}, b""])) == "malformed"
    for size in (0, 63, 65, 96):
        assert code_of(rebuilt(kind, signature=bytes(size))) == "malformed"
    message = cose.parse_sign1(SAMPLES[kind][0], max_size=MAX_ENTRY_BYTES)
    untagged = cbor.encode([message.protected_bytes, {}, message.payload, message.signature])
    assert code_of(untagged) == "malformed"


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({1: None}, "malformed"),
        ({1: -35}, "unsupported"),
        ({1: -48}, "unsupported"),
        ({1: "ES256"}, "unsupported"),
        ({2: [1]}, "unsupported"),
        ({3: 50}, "malformed"),
        ({4: None}, "malformed"),
        ({4: bytes(7)}, "malformed"),
        ({4: bytes(9)}, "malformed"),
        ({4: "12345678"}, "malformed"),
        ({15: None}, "malformed"),
        ({15: {1: "a"}}, "malformed"),
        ({15: {1: "a", 2: "b", 3: "c"}}, "malformed"),
        ({15: {1: "", 2: "b"}}, "malformed"),
        ({15: {1: 1, 2: "b"}}, "malformed"),
        ({15: {cbor.CBORSimpleValue(1): "gov-1", 2: ORIGIN}}, "malformed"),
        ({16: None}, "unsupported"),
        ({16: 292}, "unsupported"),
        ({16: "application/vnd.safeconduct.other+cose"}, "unsupported"),
        ({16: "application/vnd.safeconduct.application+cose"}, "unsupported"),
        ({99: 0}, "malformed"),
        ({"x": 0}, "malformed"),
    ],
    ids=str,
)
def test_a_protected_header_of_another_form_is_refused(kind: str, changed: Any, code: str) -> None:
    assert code_of(rebuilt(kind, protected=changed)) == code


@pytest.mark.parametrize("label", [170, 172])
def test_a_credential_names_its_hash_and_aead(label: int) -> None:
    assert code_of(rebuilt("credential", protected={label: None})) == "malformed"
    assert code_of(rebuilt("credential", protected={label: 1})) == "unsupported"
    assert code_of(rebuilt("govern", protected={label: -16})) == "malformed"


@pytest.mark.parametrize(
    ("kind", "claims"),
    [
        ("charter", {1: ORIGIN, 2: "else.example"}),
        ("charter", {1: "else.example", 2: "else.example"}),
        ("charter", {1: "else.example", 2: ORIGIN}),
        ("govern", {1: "gov-1", 2: "civil-2"}),
        ("credential", {1: "civil-2", 2: "0001000005______"}),
        ("credential", {1: "civil-1", 2: "0001000006______"}),
        ("status", {1: "civil-1", 2: "sc:1/1"}),
        ("seal", {1: ORIGIN, 2: "else.example"}),
    ],
)
def test_iss_and_sub_repeat_what_the_body_says(kind: str, claims: dict[int, str]) -> None:
    assert code_of(rebuilt(kind, protected={15: claims})) == "malformed"


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_body_with_a_further_part_is_refused(kind: str) -> None:
    assert code_of(rebuilt(kind, payload={98: 0})) == "malformed"


def test_bodies_are_decoded_strictly_and_belong_to_their_kind() -> None:
    message = cose.parse_sign1(SAMPLES["accept"][0], max_size=MAX_ENTRY_BYTES)
    assert message.payload is not None
    for body in (b"", b"\xa0", message.payload + b"\0", b"\xbf\x01\x58\x20" + bytes(32) + b"\xff", b"\xf6"):
        assert code_of(rebuilt("accept", body=body)) == "malformed"
    typ = "application/vnd.safeconduct.seal+cose"
    assert code_of(rebuilt("accept", protected={16: typ})) == "malformed"


def test_a_govern_statement_with_an_unknown_verb_is_malformed() -> None:
    for verb in (0, 18):
        assert code_of(rebuilt("govern", payload={4: [[verb, 0]]})) == "malformed"
    assert code_of(rebuilt("status", payload={4: [0, bytes(128), b""]})) == "malformed"


def test_sizes_are_capped() -> None:
    rows = tuple(StatusRow(n, 0, 2, 4, 202611) for n in range(4096))
    large = sign_statement("status", "civil-1", "sc:1/0", StatusChange("sc:1/0", 1, rows), GOV)
    assert len(large) <= MAX_ENTRY_BYTES
    assert code_of(large) == "ok"
    assert code_of(bytes(MAX_ENTRY_BYTES + 1)) == "too_large"
    too_large = rebuilt("credential", body=bytes(4096))
    assert code_of(too_large) == "too_large"


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_signature_of_another_key_is_bad_and_of_another_kind_unsupported(kind: str) -> None:
    entry, key = SAMPLES[kind]
    parsed = parse_statement(entry)
    other = signer("wrong", "ed25519" if key.kind == "p256" else "p256")
    for wrong, code in ((signer("wrong", key.kind), "bad_signature"), (other, "unsupported")):
        with pytest.raises(CodedError) as caught:
            parsed.check_signature(wrong.public_key)
        assert caught.value.code == code


def test_the_upper_s_of_a_signature_is_malformed() -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    entry, key = SAMPLES["credential"]
    assert key.kind == "p256"
    twin = entry[:-32] + (order - int.from_bytes(entry[-32:])).to_bytes(32)
    parsed = parse_statement(twin)
    assert parsed.statement_id == parse_statement(entry).statement_id
    with pytest.raises(MalformedError):
        parsed.check_signature(key)


def test_the_identity_of_a_statement_does_not_hang_on_its_signature() -> None:
    entry, _ = SAMPLES["govern"]
    assert parse_statement(entry[:-64] + bytes(64)).statement_id == parse_statement(entry).statement_id


def test_facts_are_what_the_rules_look_at() -> None:
    parsed = parse_statement(SAMPLES["credential"][0])
    facts, claims = parsed.facts(), parsed.body
    assert facts[:3] == ("civil-1", parsed.kid, parsed.statement_id)
    assert facts[3:] == (claims.iat, claims.exp, claims.vct, claims.uri, claims.idx, len(claims.digests))


def test_an_application_is_signed_with_the_key_that_it_asks_for_and_is_no_entry() -> None:
    applicant = signer("applicant")
    data = sign_statement("application", "civil-9", ORIGIN, ADMISSION, applicant)
    parsed = parse_application(data)
    assert (parsed.kind, parsed.iss, parsed.sub, parsed.body) == ("application", "civil-9", ORIGIN, ADMISSION)
    parsed.check_signature(ADMISSION.keys[0])
    assert code_of(data) == "unsupported"
    for entry, _ in SAMPLES.values():
        assert code_of(entry, parse_application) == "unsupported"


def test_padding_is_one_byte_and_no_statement() -> None:
    assert is_padding(PADDING)
    assert not is_padding(b"\xf6\xf6")
    assert not is_padding(b"")
    assert code_of(PADDING) == "malformed"


def test_rules_of_another_version_are_unsupported() -> None:
    body = {**format_charter(WORLD.charter), 10: 2}
    assert code_of(rebuilt("charter", payload={10: body[10]})) == "unsupported"


@given(st.binary(max_size=400) | st.binary(max_size=100).map(lambda tail: SAMPLES["govern"][0][:60] + tail))
def test_no_bytes_make_the_parser_fail_otherwise(entry: bytes) -> None:
    assert code_of(entry) in ("malformed", "unsupported")
    assert code_of(entry, parse_application) in ("malformed", "unsupported")


@given(st.data())
def test_a_changed_stretch_never_verifies(data: st.DataObject) -> None:
    entry, key = SAMPLES[data.draw(st.sampled_from(sorted(SAMPLES)))]
    start = data.draw(st.integers(0, len(entry) - 1))
    part = data.draw(st.binary(min_size=1, max_size=20))
    changed = entry[:start] + part + entry[start + len(part) :]
    if changed == entry:
        return
    with pytest.raises(CodedError) as caught:
        parse_statement(changed).check_signature(key)
    assert caught.value.code in REFUSALS
