"""Cards: what stands on each side, what fits, and a parser that takes nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core.card import (
    CARD_MAX_BYTES,
    Card,
    LoggedCredential,
    Position,
    format_back,
    format_card,
    format_front,
    front_card,
    front_parts,
    parse_card,
    seal_keys,
)
from credential.core.issue import PersonClaims, StatusPlace, issue
from credential.core.profiles import built_in_profile
from credential.core.qr_text import parse_qr_text
from credential.core.sealed_disclosure import open_sealed
from credential.errors import DisclosureError, InputError
from ledger.core import cose
from ledger.core.statement import parse_statement
from ledger.errors import MalformedError
from tests.support.desks import PORTRAIT, person
from tests.support.ledgers import CountedBytes, signer

SECRET = bytes(range(16))
PATH = bytes(range(128))


def logged(claims: PersonClaims | None = None, *, iss: str = "civil-1") -> LoggedCredential:
    issued = issue(
        built_in_profile("sc:identity"),
        person() if claims is None else claims,
        iss=iss,
        sub="A" * 16,
        iat_s=1_794_700_800,
        place=StatusPlace("sc:1/0", 101_071),
        holder=SECRET,
        signer=signer("issuer"),
        random_bytes=CountedBytes("card"),
    )
    disclosures = tuple(part.content for part in issued.disclosures.values())
    return LoggedCredential(issued.entry, Position(4711, PATH), disclosures)


def keys_of(card: LoggedCredential) -> dict[str, bytes]:
    return seal_keys(SECRET, card.claims)


def back(card: LoggedCredential, **options: Any) -> str:
    return format_back(card, keys_of(card), CountedBytes("nonce"), **options)


def test_the_front_opens_what_must_be_open_and_nothing_else() -> None:
    card = logged()
    front = parse_card(parse_qr_text(format_front(card)))
    assert front.entry == card.entry
    assert front.position == card.position
    assert front.opened == (card.parts()["ages"].content,)
    assert front.sealed == ()


def test_the_code_is_the_ledger_entry_but_for_the_unprotected_header() -> None:
    card = logged()
    data = parse_qr_text(format_front(card))
    message, entry = cose.parse_sign1(data, max_size=4096), cose.parse_sign1(card.entry, max_size=4096)
    assert (message.protected_bytes, message.payload) == (entry.protected_bytes, entry.payload)
    assert set(message.unprotected) == {17, -65537}
    cose.check_signature(message, signer("issuer").public_key)


def test_the_back_seals_every_part_on_its_own_and_repeats_what_must_be_open() -> None:
    card = logged(person(PORTRAIT))
    side = parse_card(parse_qr_text(back(card)))
    assert side.opened == front_card(card).opened
    assert side.position == card.position
    keys = keys_of(card)
    order = ["names", "more", "more", "more", "more", "more", "portrait"]
    found = [open_sealed(item, keys[group]) for item, group in zip(side.sealed, order, strict=True)]
    assert set(found) == set(card.disclosures) - set(side.opened)
    assert len({item.nonce for item in side.sealed}) == len(side.sealed)


def test_a_side_can_be_left_without_a_part() -> None:
    card = logged(person(PORTRAIT))
    portrait = parse_card(parse_qr_text(back(card, leave_out=("names", "more"))))
    assert len(portrait.sealed) == 1
    assert open_sealed(portrait.sealed[0], keys_of(card)["portrait"]) == card.parts()["portrait"].content
    assert len(parse_card(parse_qr_text(back(card, leave_out=("portrait",)))).sealed) == 6


def test_a_part_that_is_not_there_is_printed_like_any_other_but_for_a_portrait() -> None:
    nobody, somebody = logged(PersonClaims()), logged(person())
    assert len(parse_card(parse_qr_text(back(nobody))).sealed) == 6
    assert set(nobody.parts()) == set(somebody.parts())
    assert set(nobody.said_parts()) == {"ages", "more"}
    assert set(somebody.said_parts()) == set(somebody.parts()) - {"portrait"}


def test_a_card_that_is_not_registered_has_no_position() -> None:
    card = dataclasses.replace(logged(), position=None)
    assert parse_card(parse_qr_text(format_front(card))).position is None


def test_a_group_without_a_key_is_not_printed_open() -> None:
    card = logged()
    with pytest.raises(InputError) as error:
        format_back(card, {"names": bytes(32)}, CountedBytes("nonce"))
    assert error.value.field == "more"


def test_what_must_be_open_cannot_be_left_off() -> None:
    card = logged()
    without = tuple(content for content in card.disclosures if content != card.parts()["ages"].content)
    peeled = LoggedCredential(card.entry, card.position, without)
    with pytest.raises(InputError) as error:
        format_front(peeled)
    assert error.value.field == "ages"
    with pytest.raises(InputError):
        back(peeled)


def test_a_disclosure_of_another_card_is_refused() -> None:
    card, other = logged(), logged(PersonClaims())
    with pytest.raises(DisclosureError):
        LoggedCredential(card.entry, card.position, other.disclosures)


def test_the_parts_of_the_front_add_up_to_the_code() -> None:
    card = logged()
    parts = dict(front_parts(card))
    assert sum(parts.values()) == len(parse_qr_text(format_front(card)))
    assert parts["signature"] == 64
    assert parts["digests"] == 4 * 34 + 3
    assert parts["position"] == 128 + 3


def test_the_front_stays_below_the_ceiling_with_the_longest_issuer_and_index() -> None:
    card = dataclasses.replace(logged(iss="a" * 32), position=Position(2**53 - 1, PATH))
    assert len(parse_qr_text(format_front(card))) <= 644


def test_the_sides_fit_the_symbols_of_the_card() -> None:
    card = logged(person(PORTRAIT))
    # 1,577 bytes are what version 33, the largest on a card's back, carries at error correction M.
    assert len(parse_qr_text(back(card, leave_out=("portrait",)))) <= 1577
    assert len(parse_qr_text(back(card, leave_out=("names", "more")))) <= 1577


def header(card: LoggedCredential, changes: dict[int, Any]) -> bytes:
    message = cose.parse_sign1(card.entry, max_size=4096)
    plain = {17: [card.parts()["ages"].content], -65537: [4711, PATH]}
    changed = {key: value for key, value in (plain | changes).items() if value is not None}
    return cose.format_sign1(
        cose.Sign1(message.protected_bytes, message.protected, changed, message.payload, message.signature)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {5: b"iv"},
        {17: []},
        {17: ["text"]},
        {17: [b"\x80"]},
        {171: []},
        {171: [[bytes(12), b"x"]]},
        {171: [[bytes(11), b"x", bytes(16)]]},
        {-65537: [4711]},
        {-65537: [-1, PATH]},
        {-65537: [4711, PATH[1:]]},
        {-65537: [True, PATH]},
        {394: []},
        {394: ["text"]},
    ],
)
def test_a_header_of_another_form_is_malformed(changes: dict[int, Any]) -> None:
    with pytest.raises(MalformedError):
        parse_card(header(logged(), changes))


def test_a_receipt_may_stand_on_a_phone_s_card() -> None:
    card = logged()
    assert parse_card(header(card, {394: [b"receipt"]})).receipts == (b"receipt",)
    again = Card(card.entry, front_card(card).opened, (), card.position, (b"receipt",))
    assert parse_card(format_card(again)) == again


def test_a_code_that_is_too_large_is_refused_both_ways() -> None:
    with pytest.raises(MalformedError) as error:
        parse_card(bytes(CARD_MAX_BYTES + 1))
    assert error.value.code == "too_large"
    card = logged()
    with pytest.raises(MalformedError) as made:
        format_card(Card(card.entry, (), (), card.position, (bytes(CARD_MAX_BYTES),)))
    assert made.value.code == "too_large"


def test_an_entry_with_an_unprotected_header_is_no_entry() -> None:
    card = logged()
    with pytest.raises(MalformedError):
        format_card(Card(header(card, {}), (), (), None))


@given(
    index=st.integers(0, 2**53 - 1),
    positioned=st.booleans(),
    receipts=st.lists(st.binary(min_size=1, max_size=40), max_size=3),
)
def test_a_card_survives_writing_and_reading(index: int, positioned: bool, receipts: list[bytes]) -> None:
    source = logged()
    position = Position(index, PATH) if positioned else None
    sealed = parse_card(parse_qr_text(back(source))).sealed
    card = Card(source.entry, front_card(source).opened, sealed, position, tuple(receipts))
    assert parse_card(format_card(card)) == card


@given(st.binary(max_size=200) | st.integers(0, 4600))
def test_a_damaged_code_is_a_card_or_malformed(damage: bytes | int) -> None:
    data = damage if isinstance(damage, bytes) else bytearray(header(logged(), {}))
    if isinstance(damage, int):
        assert isinstance(data, bytearray)
        data[damage // 8 % len(data)] ^= 1 << damage % 8
    try:
        card = parse_card(bytes(data))
    except MalformedError:
        return
    assert format_card(card) == bytes(data)


def test_the_statement_s_identity_does_not_depend_on_what_is_opened() -> None:
    card = logged()
    front = parse_card(parse_qr_text(format_front(card)))
    assert parse_statement(front.entry).statement_id == parse_statement(card.entry).statement_id
