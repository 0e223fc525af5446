"""Padding: every length is hit exactly, and the lengths on a back code are those of everybody."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core.birth import CALENDARS, BirthInterval
from credential.core.card import LoggedCredential, Position, format_back, parse_card, seal_keys
from credential.core.disclosure import format_disclosure, parse_disclosure
from credential.core.issue import SEXES, Companion, PersonClaims, StatusPlace, issue
from credential.core.names import Name
from credential.core.padding import format_padded, parse_padded
from credential.core.profiles import built_in_profile
from credential.core.qr_text import parse_qr_text
from issuer.claims import claims_of
from issuer.person import parse_person
from ledger.errors import MalformedError
from tests.support.desks import PORTRAIT, person
from tests.support.ledgers import CountedBytes, signer

RECORDS = sorted((Path(__file__).parents[1] / "data" / "persons").glob("p*.json"))
IAT_S = 1_795_305_600
SECRET = bytes(range(16))
# What version 33, the largest on a card's back, carries at error correction M.
BACK_MAX_BYTES = 1577
FILL = b"\xff"
NAMES, MORE = 160, 163
NESTED = [76, 32, 52, 76]


@cache
def record(stem: str) -> PersonClaims:
    path = next(path for path in RECORDS if path.stem == stem)
    return claims_of(dataclasses.replace(parse_person(path.read_bytes()), portrait=None), path.parent)


def logged(claims: PersonClaims, vct: str = "sc:identity", *, iss: str = "civil-1") -> LoggedCredential:
    issued = issue(
        built_in_profile(vct),
        claims,
        iss=iss,
        sub="A" * 16,
        iat_s=IAT_S,
        place=StatusPlace("sc:1/0", 101_071),
        holder=SECRET,
        signer=signer("issuer"),
        random_bytes=CountedBytes("padding"),
    )
    parts = tuple(part.content for part in issued.disclosures.values())
    return LoggedCredential(issued.entry, Position(1_234_567, bytes(128)), parts)


def back(card: LoggedCredential, leave_out: Sequence[str] = ("portrait",)) -> bytes:
    keys = seal_keys(SECRET, card.claims)
    return parse_qr_text(format_back(card, keys, CountedBytes("nonce"), leave_out=leave_out))


def seen(claims: PersonClaims, vct: str = "sc:identity") -> tuple[list[int], int]:
    """What anybody measures on a back without the slip: the length of each sealed part, and of the code."""
    data = back(logged(claims, vct))
    # A byte string of 24 to 255 bytes has a head of 2, a longer one of 3.
    sizes = [len(part.ciphertext) for part in parse_card(data).sealed]
    return [size - (2 if size < 258 else 3) for size in sizes], len(data)


def test_whoever_measures_a_back_learns_the_profile_and_the_bucket_of_the_names() -> None:
    found = {path.stem: seen(record(path.stem)) for path in RECORDS}
    usual = found["p01"]
    assert usual[0] == [NAMES, MORE, *NESTED]
    assert len(found) == 60
    assert {stem for stem, value in found.items() if value != usual} == {"p30"}
    assert found["p30"] == ([2 * NAMES, MORE, *NESTED], usual[1] + NAMES + 2)  # two heads grow


@pytest.mark.parametrize("vct", ["sc:identity", "sc:companion"])
def test_nothing_that_is_known_of_a_person_shows_in_a_length(vct: str) -> None:
    link = Companion("ChIlD-sub-16-chr", "travel", date(2026, 12, 31)) if vct == "sc:companion" else None
    nobody, somebody = PersonClaims(companion=link), dataclasses.replace(person(), companion=link)
    born = BirthInterval(date(2009, 1, 1), date(2009, 12, 31))
    codes = ("SYR", "IRQ", "TUR", "JOR")
    variants: list[dict[str, Any]] = [{"sex": sex} for sex in ("", *SEXES)]
    variants += [{"nationalities": codes[:count]} for count in range(5)]
    variants += [{"nationalities": ("undetermined",)}]
    variants += [{"birth": None}, {"birth": born}]
    variants += [{"birth": dataclasses.replace(born, calendar=name, told="1387")} for name in CALENDARS]
    variants += [{"birthplace": place} for place in ("", "Aden", "دير الزور", "x" * 43)]
    variants += [
        {"names": tuple(Name(n, "Latn", n) for n in names)} for names in ((), ("A",), ("B" * 40, "C"))
    ]
    assert len(CALENDARS) >= 5
    found = [seen(dataclasses.replace(base, **v), vct) for v in variants for base in (nobody, somebody)]
    assert found == [([NAMES, MORE, *NESTED], found[0][1])] * len(found)


def test_the_length_of_a_portrait_says_nothing_of_it() -> None:
    for size_bytes in (1, 200, 540, 541, 542, 543, 544, 545, 773, 774, 775, 776, 777, 799, 800):
        card = logged(person(PORTRAIT[:size_bytes]))
        assert len(card.parts()["portrait"].content) == 832
        [part] = parse_card(back(card, ("names", "more"))).sealed
        assert len(part.ciphertext) == 832 + 3
    assert len(logged(person()).parts()["portrait"].content) == 832


def test_the_records_fit_the_back_of_a_card_of_the_longest_issuer() -> None:
    for path in RECORDS:
        assert len(back(logged(record(path.stem)))) <= BACK_MAX_BYTES
        assert len(back(logged(record(path.stem), iss="a" * 32))) <= BACK_MAX_BYTES


@given(
    value=st.none() | st.integers(0, 3) | st.text(max_size=60) | st.binary(max_size=900),
    key=st.sampled_from(["sex", "names", "nationalities", "portrait", "k" * 40]),
    bucket_bytes=st.integers(1, 1100),
)
def test_a_disclosure_is_a_multiple_of_its_bucket_and_reads_back(
    value: Any, key: str, bucket_bytes: int
) -> None:
    padded = format_padded(value, key, bucket_bytes)
    content = format_disclosure(bytes(16), padded, key, kind="claim").content
    bare = format_disclosure(bytes(16), [value, b""], key, kind="claim").content
    assert len(content) % bucket_bytes == 0
    assert len(content) - bucket_bytes < len(bare) <= len(content)
    assert parse_padded(parse_disclosure(content).value, key) == value


@pytest.mark.parametrize("wanted", range(30, 800))
def test_every_length_is_hit(wanted: int) -> None:
    padded = format_padded(1, "sex", wanted)
    assert len(format_disclosure(bytes(16), padded, "sex", kind="claim").content) == wanted


def test_every_byte_of_padding_is_0xff_and_two_strings_stand_where_one_has_no_such_length() -> None:
    assert format_padded(None, "sex", 32) == [None, b"\xff" * 7]
    # What is left for the padding: 1 to 24 bytes, 25, 26; then up to 257, 258, 259.
    for left, sizes in {
        1: [0],
        24: [23],
        25: [0, 23],
        26: [24],
        257: [255],
        258: [0, 255],
        259: [256],
    }.items():
        padded = format_padded(None, "sex", 24 + left)
        assert padded[1:] == [b"\xff" * size for size in sizes], left


def test_a_bucket_of_no_bytes_is_an_error() -> None:
    with pytest.raises(ValueError, match="bucket"):
        format_padded(1, "sex", 0)


@pytest.mark.parametrize(
    "padded",
    [
        None,
        1,
        [],
        [1],
        [1, 0],
        [1, ""],
        [1, FILL + b"\xfe"],
        [1, FILL, FILL],
        [1, b"", b"\0"],
        [1, b"", b"", b""],
        {},
    ],
)
def test_what_is_not_padded_is_malformed(padded: object) -> None:
    with pytest.raises(MalformedError) as error:
        parse_padded(padded, "sex")
    assert (error.value.code, error.value.field) == ("malformed", "sex")
