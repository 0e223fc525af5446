"""Front and back together, and the slip that opens what is sealed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache

import pytest

from credential.core.birth import BirthInterval
from credential.core.issue import PersonClaims
from credential.core.names import name_from_input
from credential.core.qr_text import PREFIX, SealKeys, parse_qr_text
from credential.errors import SecretError
from ledger.errors import CodedError
from tests.support.ledgers import TinyCard, TinyLedger
from verifier.core.card import read_card
from verifier.core.trusted_list import TrustedList
from verifier.core.unsealing import judge_texts, open_sealed_parts, unseal
from verifier.core.verdict import verify_card

PERSON = PersonClaims(
    names=(name_from_input("ሰላም", "Selam"), name_from_input("Mimi", "Mimi", "known_as")),
    birth=BirthInterval(date(2009, 1, 1), date(2009, 12, 31), "statement", "ethiopian", "1 Meskerem 2001"),
    sex="female",
    nationalities=("undetermined",),
    birthplace="Mekelle",
    portrait=b"a small picture",
)


@cache
def a_ledger() -> tuple[TinyLedger, TinyCard, TinyCard]:
    ledger = TinyLedger()
    civil = ledger.admit()
    cards = [ledger.issue(civil, PERSON) for _ in range(2)]
    ledger.close_epoch()
    return ledger, cards[0], cards[1]


@cache
def trusted() -> TrustedList:
    return a_ledger()[0].trusted()


def now() -> int:
    return a_ledger()[0].now_s


def test_the_slip_opens_what_is_sealed() -> None:
    _, card, _ = a_ledger()
    evidence = open_sealed_parts(card.back(), card.slip(), trusted(), now())
    assert evidence.state == "confirmed"
    assert evidence.sealed_count == 0
    assert evidence.opened["names"] == [
        {"text": "ሰላም", "script": "Ethi", "latin": "SELAM", "kind": "primary"},
        {"text": "Mimi", "script": "Latn", "latin": "MIMI", "kind": "known_as"},
    ]
    assert evidence.opened["birth"] == {
        "earliest": "2009-01-01",
        "latest": "2009-12-31",
        "basis": "statement",
        "calendar": "ethiopian",
        "told": "1 Meskerem 2001",
    }
    assert evidence.opened["sex"] == "female"
    assert evidence.opened["portrait"] == b"a small picture"
    assert evidence.to_json()["opened"]["portrait"] == "YSBzbWFsbCBwaWN0dXJl"
    assert evidence.answers == {12: "no", 15: "no", 18: "yes"}


def test_without_the_slip_nothing_personal_is_known() -> None:
    _, card, _ = a_ledger()
    (verdict,) = judge_texts([card.front(), card.back()], trusted(), now())
    assert verdict.evidence is not None
    assert dict(verdict.evidence.opened) == {}
    assert "SELAM" not in repr(verdict)


def test_front_and_back_give_one_verdict_and_two_cards_two() -> None:
    _, card, other = a_ledger()
    assert len(judge_texts([card.front(), card.back()], trusted(), now())) == 1
    assert len(judge_texts([card.front(), other.front(), card.back()], trusted(), now())) == 2
    verdicts = judge_texts([card.front(), "HC1:6BF", other.front()], trusted(), now())
    assert [verdict.state for verdict in verdicts] == ["confirmed", "confirmed", "unreadable"]


def test_the_slip_of_another_card_opens_nothing() -> None:
    _, card, other = a_ledger()
    for call in (
        lambda: open_sealed_parts(card.back(), other.slip(), trusted(), now()),
        lambda: judge_texts([card.back()], trusted(), now(), slip=other.slip()),
    ):
        with pytest.raises(SecretError) as caught:
            call()
        assert caught.value.code == "wrong_secret"


def test_wrong_keys_open_nothing() -> None:
    _, card, _ = a_ledger()
    keys = SealKeys(card.sub, {group: bytes(32) for group in card.slip().keys})
    with pytest.raises(SecretError):
        open_sealed_parts(card.back(), keys, trusted(), now())


def test_a_slip_with_one_key_opens_one_group() -> None:
    _, card, _ = a_ledger()
    slip = SealKeys(card.sub, {"names": card.slip().keys["names"]})
    evidence = open_sealed_parts(card.back(), slip, trusted(), now())
    assert list(evidence.opened) == ["names"]
    assert evidence.sealed_count == len(read_card(parse_qr_text(card.back())).header.sealed) - 1


def test_a_slip_leaves_a_front_as_it_is() -> None:
    _, card, _ = a_ledger()
    assert open_sealed_parts(card.front(), card.slip(), trusted(), now()).opened == {}


def test_a_changed_sealed_part_does_not_open() -> None:
    _, card, _ = a_ledger()
    back = read_card(parse_qr_text(card.back()))
    for place, part in enumerate(back.header.sealed):
        for changed in (
            replace(part, nonce=bytes(12)),
            replace(part, ciphertext=bytes([part.ciphertext[0] ^ 1]) + part.ciphertext[1:]),
            replace(part, tag=bytes(16)),
        ):
            sealed = (*back.header.sealed[:place], changed, *back.header.sealed[place + 1 :])
            spoiled = back._replace(header=back.header._replace(sealed=sealed))
            with pytest.raises(SecretError) as caught:
                unseal(spoiled, card.slip())
            assert caught.value.code == "wrong_secret"


def test_what_opens_but_is_of_another_card_is_bad() -> None:
    """Somebody with both slips puts the sealed parts of one card on another."""
    _, card, other = a_ledger()
    back, foreign = (read_card(parse_qr_text(one.back())) for one in (card, other))
    mixed = back._replace(header=back.header._replace(sealed=foreign.header.sealed))
    opened = unseal(mixed, SealKeys(card.sub, other.slip().keys))
    with pytest.raises(CodedError) as caught:
        verify_card(opened, trusted(), now())
    assert caught.value.code == "bad_disclosure"


def test_every_sealed_byte_counts() -> None:
    _, card, _ = a_ledger()
    text = card.back()
    good = open_sealed_parts(text, card.slip(), trusted(), now())
    for place in range(len(PREFIX), len(text), 11):
        changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        try:
            evidence = open_sealed_parts(changed, card.slip(), trusted(), now())
        except CodedError:
            continue
        assert evidence.codes or evidence == good
