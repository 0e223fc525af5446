"""Case files: noise without the words, and one form only."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core.case_file import (
    NOT_LISTED_PATH,
    Case,
    CaseFile,
    format_case,
    format_case_file,
    open_case,
    parse_case,
    parse_case_file,
    seal_case,
)
from credential.core.issue import StatusPlace, issue
from credential.core.profiles import built_in_profile
from credential.errors import SecretError
from ledger.core import cbor
from ledger.errors import CodedError, MalformedError
from tests.support.desks import person
from tests.support.ledgers import CountedBytes, signer

SECRET = bytes(range(16))
ISS, SUB = "civil-1", "AbCdEfGhIjKlMnOp"
NONCE = bytes(range(12))


def case() -> Case:
    issued = issue(
        built_in_profile("sc:identity"),
        person(),
        iss=ISS,
        sub=SUB,
        iat_s=1_794_700_800,
        place=StatusPlace("sc:1/0", 7),
        holder=SECRET,
        signer=signer("issuer"),
        random_bytes=CountedBytes("case"),
    )
    return Case(
        entry=issued.entry,
        index=4711,
        path=bytes(range(128)),
        disclosures=tuple(part.content for part in issued.disclosures.values()),
        decoys=tuple(part.content for part in issued.decoys),
        title="Civil registry of Example",
    )


def sealed() -> bytes:
    return seal_case(case(), SECRET, ISS, SUB, NONCE)


def test_the_words_open_what_was_sealed() -> None:
    assert open_case(sealed(), SECRET) == case()


def test_the_file_names_issuer_and_subject_and_hides_the_rest() -> None:
    data = sealed()
    file = parse_case_file(data)
    assert (file.iss, file.sub, file.nonce) == (ISS, SUB, NONCE)
    for hidden in (case().entry, "مريم".encode(), b"Deir ez-Zor", b"Civil registry"):
        assert hidden not in data


def test_other_words_open_nothing() -> None:
    with pytest.raises(SecretError) as error:
        open_case(sealed(), bytes(16))
    assert error.value.code == "wrong_secret"


@pytest.mark.parametrize("change", [{"iss": "civil-2"}, {"sub": "A" * 16}, {"nonce": bytes(12)}])
def test_a_file_passed_off_as_another_does_not_open(change: dict[str, Any]) -> None:
    file = dataclasses.replace(parse_case_file(sealed()), **change)
    with pytest.raises(SecretError):
        open_case(format_case_file(file), SECRET)


def test_every_one_bit_change_fails_with_a_code() -> None:
    data = sealed()
    codes = set()
    for bit in range(0, len(data) * 8, 5):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodedError) as error:
            open_case(bytes(damaged), SECRET)
        codes.add(error.value.code)
    assert codes <= {"malformed", "unsupported", "wrong_secret"}
    assert "wrong_secret" in codes


def test_a_case_without_a_position_says_so() -> None:
    provisional = dataclasses.replace(case(), index=0, path=NOT_LISTED_PATH)
    assert not provisional.is_listed
    assert provisional.logged().position is None
    position = case().logged().position
    assert position is not None
    assert position.index == 4711


def test_a_nonce_is_twelve_bytes() -> None:
    with pytest.raises(ValueError, match="nonce"):
        seal_case(case(), SECRET, ISS, SUB, bytes(11))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({1: 1}, "unsupported"),
        ({1: True}, "unsupported"),
        ({16: "application/other"}, "unsupported"),
        ({15: {1: ISS}}, "malformed"),
        ({15: {1: "Civil", 2: SUB}}, "malformed"),
        ({15: {1: ISS, 2: "short"}}, "malformed"),
        ({4: b"kid"}, "malformed"),
    ],
)
def test_another_header_is_refused(header: dict[int, Any], code: str) -> None:
    message = cbor.decode(sealed(), max_size=65_536).value
    protected = cbor.decode(message[0], max_size=1024) | header
    data = cbor.encode(cbor.CBORTag(16, [cbor.encode(protected), *message[1:]]))
    with pytest.raises(MalformedError) as error:
        parse_case_file(data)
    assert error.value.code == code


@pytest.mark.parametrize(
    "value",
    [
        [],
        cbor.CBORTag(18, [b"", {}, b""]),
        cbor.CBORTag(16, [b"", {}, b"", b""]),
        cbor.CBORTag(16, ["", {5: NONCE}, b""]),
        cbor.CBORTag(16, [cbor.encode({}), {5: NONCE}, b""]),
    ],
)
def test_what_is_no_case_file_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedError):
        parse_case_file(cbor.encode(value))


def test_a_case_file_above_the_cap_is_too_large() -> None:
    with pytest.raises(MalformedError) as error:
        parse_case_file(bytes(65_537))
    assert error.value.code == "too_large"
    with pytest.raises(MalformedError) as made:
        format_case_file(CaseFile(ISS, SUB, NONCE, bytes(65_536)))
    assert made.value.code == "too_large"


@pytest.mark.parametrize(
    "change",
    [
        {1: "text"},
        {1: bytes(4097)},
        {2: -1},
        {3: bytes(127)},
        {4: [b"\x80"]},
        {4: ["x"]},
        {5: None},
        {6: ""},
        {7: 0},
    ],
)
def test_a_plaintext_of_another_form_is_malformed(change: dict[int, Any]) -> None:
    value = cbor.decode(format_case(case()), max_size=65_536) | change
    with pytest.raises(MalformedError):
        parse_case(cbor.encode(value))


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parsers(data: bytes) -> None:
    for parse in (parse_case, parse_case_file):
        try:
            parse(data)
        except MalformedError:
            continue
        raise AssertionError("random bytes are no case file")


@given(
    index=st.integers(0, 2**53 - 1), path=st.binary(min_size=128, max_size=128), title=st.just("Ä registry")
)
def test_a_case_survives_writing_and_reading(index: int, path: bytes, title: str) -> None:
    changed = dataclasses.replace(case(), index=index, path=path, title=title)
    assert parse_case(format_case(changed)) == changed
