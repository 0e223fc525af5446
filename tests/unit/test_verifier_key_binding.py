"""A card in a key binding token: each rule that ties it to its holder, to this station and to this moment."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credential.core import base45
from credential.core.birth import year_only
from credential.core.card import Card, format_card
from credential.core.holder import holder_signer
from credential.core.issue import PersonClaims
from credential.core.key_binding import TYP_KBT, prove_key_binding
from credential.core.names import name_from_input
from credential.core.presentation import choose_parts, present
from credential.core.qr_text import PREFIX, format_qr_text, parse_qr_text
from credential.errors import InputError, SecretError
from ledger.core import cbor, cose
from ledger.core.calendar_days import DAY_S
from ledger.core.status_change import REASON_WITHDRAWN, VALID, WITHDRAWN
from tests.support.ledgers import TinyCard, TinyIssuer, TinyLedger
from verifier.core.card import merge_cards, read_card
from verifier.core.companion import check_companion
from verifier.core.evidence import Evidence, Verdict
from verifier.core.trusted_list import TrustedList
from verifier.core.unsealing import judge_texts
from verifier.core.verdict import StationPolicy, judge
from verifier.core.wording import tell
from verifier.words import load_wording

AUD = "hut-7"
NONCE = bytes(range(16))
ASKED = StationPolicy(audience=AUD, nonce=NONCE)
NAMED = StationPolicy(audience=AUD)


@cache
def a_ledger() -> tuple[TinyLedger, TinyIssuer, TinyCard, TinyCard]:
    ledger = TinyLedger()
    civil = ledger.admit()
    person = PersonClaims(
        names=(name_from_input("مريم", "Maryam"),), birth=year_only(2009), nationalities=("SYR",)
    )
    cards = ledger.issue(civil, person), ledger.issue(civil, person)
    ledger.close_epoch()
    return ledger, civil, *cards


@cache
def trusted() -> TrustedList:
    return a_ledger()[0].trusted()


def now() -> int:
    return a_ledger()[0].now_s


def token(*chosen: str, card: TinyCard | None = None, **changes: Any) -> str:
    shown = card or a_ledger()[2]
    given: dict[str, Any] = {"aud": AUD, "iat_s": now(), "cnonce": NONCE} | changes
    return present(shown.logged(), shown.secret, chosen, **given)


def judged(text: str, policy: StationPolicy = ASKED, at: int | None = None) -> Verdict:
    return judge(text, trusted(), now() if at is None else at, policy=policy)


def of(text: str, policy: StationPolicy = ASKED, at: int | None = None) -> Evidence:
    evidence = judged(text, policy, at).evidence
    assert evidence is not None
    return evidence


def result(text: str, policy: StationPolicy = ASKED, at: int | None = None) -> tuple[str, str]:
    """State and holder binding; a proof that does not hold has no other code beside it here."""
    evidence = of(text, policy, at)
    if evidence.holder_binding == "none":
        assert "bad_key_binding" in evidence.codes
    return evidence.state, evidence.holder_binding


BOUND = ("confirmed", "key")
UNBOUND = ("incomplete", "none")


def signed_by_hand(claims: dict[int, Any], header: dict[int, Any] | None = None) -> str:
    """Return a token with any claims, signed with the holder's key."""
    card = a_ledger()[2]
    own = card.issued.claims
    inner = cbor.decode(parse_qr_text(card.front()), max_size=4096)
    protected = {cose.KCWT: inner, cose.TYP: TYP_KBT} | (header or {})
    signer = holder_signer(card.secret, own.iss, own.sub)
    return format_qr_text(cose.format_sign1(cose.sign(protected, cbor.encode(claims), signer)))


# ---- what holds


def test_an_answer_to_the_nonce_binds_the_card_to_its_holder() -> None:
    evidence = of(token())
    assert (evidence.state, evidence.holder_binding, evidence.codes) == ("confirmed", "key", ())
    assert evidence.to_json()["holder_binding"] == "key"
    paper = of(a_ledger()[2].front())
    assert evidence == paper._replace(holder_binding="key")
    assert paper.holder_binding == "none"


def test_only_what_was_chosen_is_open() -> None:
    assert of(token()).opened == {}
    assert set(of(token("names")).opened) == {"names"}
    assert set(of(token("birth")).opened) == {"birth"}
    assert set(of(token("more")).opened) == {"birth", "nationalities"}
    text = token("birth")
    assert b"MARYAM" not in parse_qr_text(text)
    assert b"SYR" not in parse_qr_text(text)


def test_a_part_that_is_not_there_is_refused() -> None:
    logged = a_ledger()[2].logged()
    for name in ("portrait", "shoe size", "sex"):
        with pytest.raises(InputError):
            choose_parts(logged, [name])


def test_words_of_another_card_make_no_presentation() -> None:
    _, _, card, other = a_ledger()
    with pytest.raises(SecretError):
        present(card.logged(), other.secret, [], aud=AUD, iat_s=now(), cnonce=NONCE)


@pytest.mark.parametrize(
    ("age_s", "state"), [(0, BOUND), (300, BOUND), (301, UNBOUND), (-60, BOUND), (-61, UNBOUND)]
)
def test_without_a_nonce_a_token_is_good_for_five_minutes(age_s: int, state: tuple[str, str]) -> None:
    at = now() + 3600
    assert result(token(iat_s=at - age_s, cnonce=None), NAMED, at) == state


def test_an_answered_nonce_needs_no_clock() -> None:
    late = now() + 500 * DAY_S
    assert of(token(), ASKED, late).codes == ("stale", "clock_wrong")
    assert result(token(), ASKED, late) == ("confirmed_stale", "key")


# ---- what does not


def test_a_token_for_another_station_is_bad() -> None:
    assert result(token(aud="hut-8")) == UNBOUND


def test_a_station_without_a_name_takes_no_token() -> None:
    assert result(token(), StationPolicy(nonce=NONCE)) == UNBOUND
    assert result(signed_by_hand({3: "", 6: now(), 39: NONCE}), StationPolicy(nonce=NONCE)) == UNBOUND


@pytest.mark.parametrize("cnonce", [bytes(16), None])
def test_another_nonce_or_none_is_bad(cnonce: bytes | None) -> None:
    assert result(token(cnonce=cnonce)) == UNBOUND


def test_a_wrong_clock_without_a_nonce_is_bad() -> None:
    wrong = now() + 500 * DAY_S
    assert result(token(iat_s=wrong, cnonce=None), NAMED, wrong) == UNBOUND
    assert of(token(iat_s=wrong, cnonce=None), NAMED, wrong).codes == (
        "bad_key_binding",
        "stale",
        "clock_wrong",
    )


def test_a_token_signed_with_another_key_is_bad() -> None:
    _, _, card, other = a_ledger()
    own = other.issued.claims
    message = cose.parse_sign1(parse_qr_text(token(card=card)), max_size=4096)
    forged = cose.sign(
        dict(message.protected), message.payload or b"", holder_signer(other.secret, own.iss, own.sub)
    )
    assert result(format_qr_text(cose.format_sign1(forged))) == UNBOUND


def test_a_card_put_into_the_token_of_another_card_is_bad() -> None:
    _, _, card, other = a_ledger()
    message = cose.parse_sign1(parse_qr_text(token(card=card)), max_size=4096)
    inner = cbor.decode(parse_qr_text(other.front()), max_size=4096)
    swapped = {**message.protected, cose.KCWT: inner}
    forged = replace(message, protected=swapped, protected_bytes=cbor.encode(swapped))
    assert result(format_qr_text(cose.format_sign1(forged))) == UNBOUND


def test_a_part_added_to_a_token_is_bad_though_it_is_genuine() -> None:
    card = a_ledger()[2]
    message = cose.parse_sign1(parse_qr_text(token()), max_size=4096)
    logged = card.logged()
    more = format_card(Card(logged.entry, choose_parts(logged, ["names"]), (), logged.position))
    opened = {**message.protected, cose.KCWT: cbor.decode(more, max_size=4096)}
    forged = replace(message, protected=opened, protected_bytes=cbor.encode(opened))
    assert result(format_qr_text(cose.format_sign1(forged))) == UNBOUND


def test_a_tampered_part_in_a_token_is_altered_whoever_signed_the_token() -> None:
    card = a_ledger()[2]
    own, logged = card.issued.claims, card.logged()
    [ages] = choose_parts(logged, [])
    wrong = ages[:10] + bytes([ages[10] ^ 1]) + ages[11:]
    inner = format_card(Card(logged.entry, (wrong,), (), logged.position))
    text = prove_key_binding(
        inner, holder_signer(card.secret, own.iss, own.sub), aud=AUD, iat_s=now(), cnonce=NONCE
    )
    assert judged(format_qr_text(text)).codes == ("bad_disclosure",)


def test_a_token_in_a_token_is_unsupported() -> None:
    message = cose.parse_sign1(parse_qr_text(token()), max_size=4096)
    nested = {**message.protected, cose.KCWT: cbor.decode(parse_qr_text(token()), max_size=4096)}
    card = a_ledger()[2]
    own = card.issued.claims
    outer = cose.sign(nested, message.payload or b"", holder_signer(card.secret, own.iss, own.sub))
    verdict = judged(format_qr_text(cose.format_sign1(outer)))
    assert (verdict.state, verdict.codes) == ("unreadable", ("unsupported",))


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({1: "me"}, None),
        ({2: "me"}, None),
        ({}, {cose.CWT_CLAIMS: {1: "me"}}),
        ({4: 1}, None),
        ({6: 1}, None),
    ],
)
def test_a_token_that_says_more_than_it_may_or_contradicts_itself_is_bad(
    claims: dict[int, Any], header: dict[int, Any] | None
) -> None:
    full = {3: AUD, 6: now(), 39: NONCE} | claims
    assert result(signed_by_hand(full, header)) == UNBOUND
    assert result(signed_by_hand({3: AUD, 6: now(), 39: NONCE})) == BOUND


@pytest.mark.parametrize("claims", [{3: 7}, {3: AUD, 6: "now"}, {3: AUD, 6: 1_794_700_860, 39: "nonce"}])
def test_claims_of_another_form_are_malformed(claims: dict[int, Any]) -> None:
    verdict = judged(signed_by_hand(claims))
    assert (verdict.state, verdict.codes) == ("unreadable", ("malformed",))


def test_a_bad_proof_never_hides_what_leads() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    card = ledger.issue(civil)
    ledger.close_epoch()
    ledger.change_status(civil, card, VALID, WITHDRAWN, REASON_WITHDRAWN)
    ledger.close_epoch()
    text = present(card.logged(), card.secret, [], aud="elsewhere", iat_s=ledger.now_s, cnonce=NONCE)
    verdict = judge(text, ledger.trusted(), ledger.now_s, policy=ASKED)
    assert (verdict.state, verdict.codes) == ("withdrawn", ("withdrawn", "bad_key_binding"))
    assert {n: code for n, _, code in of(token(aud="x")).steps}[10] == "bad_key_binding"


def test_every_flipped_bit_of_a_token_is_found() -> None:
    data = parse_qr_text(token())
    for bit in range(0, 8 * len(data), 7):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        verdict = judged(PREFIX + base45.encode(bytes(changed)))
        assert verdict.codes, bit


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_bytes_that_begin_like_a_token_get_a_verdict(data: bytes) -> None:
    verdict = judged(PREFIX + base45.encode(b"\xd2\x84\x59" + data))
    assert verdict.evidence is None


# ---- together with paper


def test_a_token_and_the_paper_of_one_card_are_one_verdict() -> None:
    card = a_ledger()[2]
    for texts in ([token(), card.back()], [card.back(), token()]):
        [verdict] = judge_texts(texts, trusted(), now(), slip=card.slip(), policy=ASKED)
        assert verdict.evidence is not None
        assert verdict.evidence.holder_binding == "key"
        assert "names" in verdict.evidence.opened


def test_two_tokens_of_one_card_stay_apart_and_raise_no_question() -> None:
    fresh, old = token(), token(aud="hut-8")
    assert len(merge_cards([read_card(parse_qr_text(text)) for text in (fresh, old, fresh)])) == 2
    verdicts = judge_texts([fresh, old], trusted(), now(), policy=ASKED)
    assert [verdict.state for verdict in verdicts] == ["confirmed", "incomplete"]
    assert check_companion([verdict.evidence for verdict in verdicts if verdict.evidence]) is None


def test_the_words_ask_for_a_fresh_code_and_blame_nobody() -> None:
    words = load_wording()
    said = tell(judged(token(aud="hut-8")), words)
    assert said.state.now.startswith("Ask for a fresh code")
    assert "missing" not in said.meaning
    assert said.lines == ("Ask for a fresh code.",)
    assert tell(judged(token()), words).lines == (words.text("holder_binding", "key"),)
    assert tell(judged(a_ledger()[2].front()), words).lines == ()
