"""Reading a card: the fast reader says what the general one says, and refuses everything else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core import card as general
from credential.core.issue import PersonClaims
from credential.core.names import name_from_input
from credential.core.qr_text import parse_qr_text
from credential.core.sealed_disclosure import SealedDisclosure
from ledger.core import cbor, cose
from ledger.core.cose import statement_id
from ledger.errors import CodedError, MalformedError
from tests.support.ledgers import TinyCard, TinyLedger
from verifier.core.card import Card, CardHeader, merge_cards, read_card, read_header

sealed = st.builds(
    SealedDisclosure,
    st.binary(min_size=12, max_size=12),
    st.binary(min_size=1, max_size=400),
    st.binary(min_size=16, max_size=16),
)
positions = st.builds(
    general.Position,
    st.one_of(st.integers(0, 300), st.integers(0, 2**53 - 1)),
    st.binary(min_size=128, max_size=128),
)
headers = st.builds(
    CardHeader,
    st.lists(st.binary(min_size=1, max_size=300), max_size=30).map(tuple),
    st.lists(sealed, max_size=3).map(tuple),
    st.none() | positions,
    st.lists(st.binary(max_size=300), max_size=3).map(tuple),
)


@cache
def a_card() -> TinyCard:
    ledger = TinyLedger()
    person = PersonClaims(names=(name_from_input("مريم", "Maryam"),))
    card = ledger.issue(ledger.admit(), person)
    ledger.close_epoch()
    return card


def a_header(header: CardHeader) -> bytes:
    """Encode a header with the general encoder, which knows nothing of the fast reader."""
    value: dict[int, object] = {}
    if header.opened:
        value[17] = list(header.opened)
    if header.sealed:
        value[171] = [[item.nonce, item.ciphertext, item.tag] for item in header.sealed]
    if header.position is not None:
        value[-65537] = [header.position.index, header.position.path]
    if header.receipts:
        value[394] = list(header.receipts)
    return cbor.encode(value)


def front() -> bytes:
    return parse_qr_text(a_card().front())


def back() -> bytes:
    return parse_qr_text(a_card().back())


def with_header(header: bytes) -> bytes:
    """Return the card with other bytes in the place of its unsigned header."""
    entry = a_card().issued.entry
    at = 4 + entry[3]
    return entry[:at] + header + entry[at + 1 :]


def rebuilt(card: Card) -> bytes:
    """Return the bytes of a card that was read."""
    at = 4 + card.entry[3]
    return card.entry[:at] + a_header(card.header) + card.entry[at + 1 :]


def agrees(card: Card, data: bytes) -> bool:
    """Tell whether the general reader reads the same; it refuses a disclosure that is not one at once."""
    try:
        return general.parse_card(data) == card.printed()
    except MalformedError as error:
        return error.field.startswith("disclosure")


@given(headers, st.binary(max_size=4))
def test_every_header_of_the_form_is_read_back(header: CardHeader, rest: bytes) -> None:
    data = a_header(header)
    assert read_header(b"xy" + data + rest, 2) == (header, 2 + len(data))


@given(st.binary(max_size=64))
def test_any_bytes_are_a_header_or_malformed(data: bytes) -> None:
    try:
        header, end = read_header(data, 0)
    except MalformedError as error:
        assert error.code == "malformed"
    else:
        assert a_header(header) == data[:end]


@pytest.mark.parametrize("side", [front, back])
def test_the_fast_reader_and_the_general_one_agree(side: object) -> None:
    data = front() if side is front else back()
    card, slow = read_card(data), general.parse_card(data)
    assert card.printed() == slow
    assert general.format_card(card.printed()) == data
    message = cose.parse_sign1(card.entry, max_size=4096)
    assert card.message == cose.sig_structure(message.protected_bytes, message.payload or b"")
    assert card.claims == a_card().issued.claims
    assert len(statement_id(message)) == 32


@pytest.mark.parametrize("data", [front(), back()])
def test_a_flipped_bit_is_read_the_same_way_by_both_or_refused(data: bytes) -> None:
    for bit in range(0, 8 * len(data), 7):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            card = read_card(bytes(changed))
        except CodedError as error:
            assert error.code in ("malformed", "unsupported", "too_large")
        else:
            assert rebuilt(card) == changed
            assert agrees(card, bytes(changed))


@pytest.mark.parametrize(
    "header",
    [
        {1: -7},
        {4: b"12345678"},
        {17: []},
        {171: []},
        {394: []},
        {17: [1]},
        {17: b"x"},
        {171: [[b"1" * 11, b"x", b"1" * 16]]},
        {171: [[b"1" * 12, b"x"]]},
        {-65537: [1]},
        {-65537: [-1, bytes(128)]},
        {-65537: [2**53, bytes(128)]},
        {-65537: [1, bytes(127)]},
        {-65537: [1, bytes(128), 1]},
        {-65538: [1, bytes(128)]},
        {17: [b"x"], 99: 1},
        {394: [b"x"] * 9},
        {17: [b"x"] * 65},
    ],
)
def test_anything_else_in_the_header_is_malformed(header: object) -> None:
    with pytest.raises(MalformedError) as caught:
        read_card(with_header(cbor.encode(header)))
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    "header",
    [
        "b90001" + "118141ff",  # a longer head of the map
        "a1" + "1811" + "8141ff",  # label 17 in two bytes
        "a1" + "11" + "980141ff" + "",  # a longer head of the array
        "a1" + "11" + "81" + "5801ff",  # a longer head of the byte string
        "a2" + "118141ff" + "118141ff",  # a label twice
        "bf" + "118141ff" + "ff",  # indefinite length
        "a1" + "11" + "9f41ffff",
        "a1" + "3a00010000" + "82" + "1801" + "5880" + "00" * 128,  # 1 in two bytes
        "a2" + "3a00010000" + "8201" + "5880" + "00" * 128 + "118141ff",  # labels out of order
    ],
)
def test_another_encoding_of_the_header_is_malformed(header: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read_card(with_header(bytes.fromhex(header)))
    assert caught.value.code == "malformed"


def test_a_statement_that_is_no_credential_is_unsupported() -> None:
    ledger = TinyLedger()
    with pytest.raises(MalformedError) as caught:
        read_card(ledger.entries[1])
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize(("alg", "code"), [(-35, "unsupported"), (-7, "ok"), (-19, "ok")])
def test_an_algorithm_is_known_or_unsupported(alg: int, code: str) -> None:
    entry = cose.parse_sign1(a_card().issued.entry, max_size=4096)
    protected = cbor.encode({**entry.protected, 1: alg})
    data = cose.format_sign1(replace(entry, protected_bytes=protected))
    if code == "ok":
        assert read_card(data).alg == alg
        return
    with pytest.raises(MalformedError) as caught:
        read_card(data)
    assert caught.value.code == code


def test_a_card_over_the_cap_is_too_large() -> None:
    with pytest.raises(MalformedError) as caught:
        read_card(with_header(cbor.encode({17: [bytes(3000)]})))
    assert caught.value.code == "too_large"


def test_front_and_back_of_one_card_become_one() -> None:
    one, other = read_card(front()), read_card(back())
    (merged,) = merge_cards([one, other])
    assert merged.header.opened == one.header.opened == other.header.opened
    assert merged.header.sealed == other.header.sealed
    assert merge_cards([other, one]) == [merged]
    (bare,) = merge_cards([read_card(parse_qr_text(a_card().front(position=False))), one])
    assert bare.header.position == one.header.position


def test_codes_that_name_different_places_stay_apart() -> None:
    one = read_card(front())
    assert one.header.position is not None
    moved = replace(one.header.position, index=one.header.position.index + 1)
    other = one._replace(header=one.header._replace(position=moved))
    assert merge_cards([one, other]) == [one, other]


@given(st.binary(max_size=600))
def test_any_bytes_are_refused_with_a_code(data: bytes) -> None:
    with pytest.raises(CodedError) as caught:
        read_card(data)
    assert caught.value.code in ("malformed", "unsupported", "too_large")


@given(st.integers(0, 700), st.binary(min_size=1, max_size=8))
def test_spliced_cards_are_refused_or_round_trip(at: int, junk: bytes) -> None:
    data = front()
    changed = data[:at] + junk + data[at + len(junk) :]
    try:
        card = read_card(changed)
    except CodedError as error:
        assert error.code in ("malformed", "unsupported", "too_large")
    else:
        assert rebuilt(card) == changed
