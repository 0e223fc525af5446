"""Forms that Python takes for another by accident: `True == 1`, `simple(1) == 1`, tables of Unicode, unhashable types.

The phone page has none of these accidents, and two readers of one card must agree (docs/adr/0010).
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from credential.core import base45
from credential.core.challenge import parse_challenge
from credential.core.disclosure import disclosure_digest, format_disclosure
from credential.core.key_binding import bound_credential, check_key_binding
from credential.core.qr_text import PREFIX
from credential.core.sd_cwt import apply_disclosures, disclose_top_level
from credential.core.status_list import compress_list
from ledger.core import cbor, cose
from ledger.core.bundle import PackedList, format_bundle, parse_bundle
from ledger.core.cbor import CBORSimpleValue, CBORTag
from ledger.core.seal import Seal
from ledger.core.statement import parse_statement, sign_credential, sign_statement
from ledger.errors import BundleError, CodedError, MalformedError
from tests.support.ledgers import TinyCard, TinyIssuer, TinyLedger, signer
from verifier.core.trust import open_bundle
from verifier.core.verdict import judge

SALT = bytes(16)


def a_card() -> tuple[TinyLedger, TinyIssuer, TinyCard]:
    ledger = TinyLedger()
    civil = ledger.admit()
    card = ledger.issue(civil)
    ledger.close_epoch()
    return ledger, civil, card


def judged(name: str, value: Any, *, vct: str = "sc:identity", **claims: Any) -> tuple[tuple[str, ...], Any]:
    """Codes, and what is shown, of a card that its issuer signed with this value under a digest."""
    return judged_content(format_disclosure(SALT, value, name, kind="claim").content, vct, **claims)


def judged_content(content: bytes, vct: str = "sc:identity", **claims: Any) -> tuple[tuple[str, ...], Any]:
    """The same of a card with these bytes as its one disclosure."""
    ledger, civil, card = a_card()
    changed = card.issued.claims._replace(vct=vct, digests=(disclosure_digest(content),), **claims)
    outer = cbor.decode(sign_credential(changed, civil.signer), max_size=4096)
    outer.value[1] = {17: [content]}
    verdict = judge(PREFIX + base45.encode(cbor.encode(outer)), ledger.trusted(), ledger.now_s)
    return verdict.codes, verdict.to_json().get("opened")


def test_simple_2_is_no_algorithm_number() -> None:
    _, civil, card = a_card()
    message = cose.parse_sign1(card.issued.entry, max_size=4096)
    header = cbor.encode({**message.protected, cose.SD_AEAD: CBORSimpleValue(2)})
    signature = civil.signer.sign(cose.sig_structure(header, message.payload or b""))
    with pytest.raises(MalformedError) as caught:
        parse_statement(cbor.encode(CBORTag(18, [header, {}, message.payload, signature])))
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize("typ", [[], {}, CBORTag(16, 294), True, None])
def test_a_token_of_no_type_at_all_is_refused_like_any_other(typ: Any) -> None:
    holder = signer("holder", "ed25519")
    token = cose.format_sign1(cose.sign({cose.KCWT: CBORTag(18, []), cose.TYP: typ}, b"\xa0", holder))
    with pytest.raises(MalformedError) as caught:
        bound_credential(token)
    assert caught.value.code == "unsupported"


def test_the_claims_of_a_token_stand_under_labels() -> None:
    holder = signer("holder", "ed25519")
    claims = {2: "x", 8: {1: {1: 1, -1: 6, -2: holder.public_key.x}}}
    inner = cose.sign({cose.TYP: 293}, cbor.encode(claims), holder)
    tag = CBORTag(18, [inner.protected_bytes, {}, inner.payload, inner.signature])
    body = cbor.encode({CBORSimpleValue(3): "hut-7", 6: 1_800_000_000})
    token = cose.format_sign1(cose.sign({cose.KCWT: tag, cose.TYP: 294}, body, holder))
    with pytest.raises(MalformedError) as caught:
        check_key_binding(token, expected_aud="hut-7", cnonce=None, now_s=1_800_000_000)
    assert (caught.value.code, caught.value.field) == ("malformed", "claims")


@pytest.mark.parametrize(
    ("name", "vct", "value"),
    [
        ("companion", "sc:companion", [bytes(16), bytes(16), 1, True]),
        ("birth", "sc:identity", [[0, 1, True, "gregorian", ""], b""]),
        ("birth", "sc:identity", [[False, 1, 1, "gregorian", ""], b""]),
    ],
)
def test_true_is_no_number_on_a_card(name: str, vct: str, value: Any) -> None:
    assert judged(name, value, vct=vct)[0] == ("malformed",)


def test_names_are_read_without_a_table_of_unicode() -> None:
    # Not in NFC, and with a letter that Unicode assigned only lately.
    name = ["e\u0301\U00010d40", "Latn", "E", 0]
    codes, opened = judged("names", [[name], b""])
    assert codes == ("incomplete", "not_yet_listed")
    assert opened == {"names": [{"text": name[0], "script": "Latn", "latin": "E", "kind": "primary"}]}


@pytest.mark.parametrize(
    "name", [["\u202eX", "Latn", "X", 0], ["", "Latn", "X", 0], ["X", "latn", "X", 0], ["X", "Latn", "x", 0],
             ["X", "Latn", "X", True], ["X" * 161, "Latn", "X", 0], ["X", "Latn", "X" * 81, 0], ["X", "Latn", "X"]],
)  # fmt: skip
def test_a_name_of_another_form_is_malformed(name: Any) -> None:
    assert judged("names", [[name], b""])[0] == ("malformed",)


@pytest.mark.parametrize("claim", ["iat", "exp"])
def test_a_card_of_the_year_10000_is_malformed(claim: str) -> None:
    changed: dict[str, Any] = {claim: 253_402_300_800}
    assert judged("names", [None, b""], **changed)[0] == ("malformed",)


def test_what_no_profile_has_is_shown_alike_by_every_reader() -> None:
    codes, opened = judged("note", [CBORTag(18, "x"), CBORSimpleValue(7), b"\x00", 2**64 - 1])
    assert codes == ("incomplete", "not_yet_listed")
    assert opened == {"note": ["x", "simple(7)", "AA==", 2**64 - 1]}


def test_a_tag_that_the_cddl_does_not_name_is_malformed_wherever_it_stands() -> None:
    for value in (b"\xc1\x00", b"\x81\xd9\x03\xe8\x61x"):
        content = b"\x83\x50" + bytes(16) + value + b"\x64note"
        assert judged_content(content)[0] == ("malformed",)


@pytest.mark.parametrize(
    "rows",
    [[[False, 4, 202611]], [[0, True, 202611]], [[0, 4, 202613]], [[0, 4, 5]], [[0, 4, True]], [[0, 4]]],
)
def test_reasons_that_a_seal_commits_to_have_their_form(rows: Any) -> None:
    ledger, _, _ = a_card()
    parts = ledger.bundle_parts()
    reasons = cbor.encode(rows)
    packed = replace(parts.lists[0], reasons_deflated=compress_list(reasons))
    digest = _lists_digest(ledger, packed, reasons)
    last = ledger.tree_size - 1
    body: Seal = replace(parse_statement(ledger.entries[last]).body, status_digest=digest)
    ledger.entries[last] = sign_statement("seal", ledger.origin, ledger.origin, body, ledger.service)
    ledger.leaves[last] = sha256(b"\x00" + ledger.entries[last]).digest()
    forged = replace(ledger.bundle_parts(), lists=(packed,))
    with pytest.raises(BundleError) as caught:
        open_bundle(format_bundle(forged), ledger.pin)
    assert caught.value.step == 7
    assert caught.value.field == "lists"


def test_a_bundle_under_simple_1_has_no_version() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_bundle(cbor.encode({2: 1, CBORSimpleValue(1): 1}))
    assert (caught.value.code, caught.value.field) == ("malformed", "bundle")


def test_both_ways_to_disclosed_claims_say_the_same_of_two_faults() -> None:
    taken = format_disclosure(SALT, "x", 8, kind="claim").content
    payload = {1: "iss", cbor.REDACTED_KEYS: [disclosure_digest(taken)]}
    codes = []
    for disclose in (disclose_top_level, apply_disclosures):
        with pytest.raises(CodedError) as caught:
            disclose(payload, [taken, b"\xff"])
        codes.append(caught.value.code)
    assert codes == ["malformed", "malformed"]


def test_the_name_in_a_challenge_needs_no_table_of_unicode() -> None:
    def text(name: str) -> str:
        return "SCN1:" + base45.encode(cbor.encode([name, bytes(8)]))

    assert parse_challenge(text("hut \U00010d40")).aud == "hut \U00010d40"
    with pytest.raises(MalformedError):
        parse_challenge(text("hut\u200b7"))


def _lists_digest(ledger: TinyLedger, packed: PackedList, reasons: bytes) -> bytes:
    raw = ledger.registry.lists[packed.uri].raw
    return sha256(cbor.encode([[packed.uri, sha256(raw).digest(), sha256(reasons).digest()]])).digest()
