"""The application of an issuer."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.application import (
    Application,
    check_application,
    format_application,
    make_application,
    parse_application,
)
from issuer.errors import InputError
from ledger.core.statement import parse_statement, sign_statement
from ledger.errors import CodedError, MalformedError, VerificationError
from tests.support.ledgers import signer

KEY = signer("issuer")
VALUES: dict[str, Any] = {
    "issuer_id": "civil-1",
    "origin": "ledger.example/one",
    "authority": "interior",
    "title": "Civil registry of Examplia",
    "vcts": ("sc:identity", "sc:companion"),
    "rate": 500,
    "desks": 2,
    "key": KEY.public_key,
}


def application(**changes: Any) -> Application:
    return make_application(**(VALUES | changes))


def test_an_application_survives_writing_and_reading() -> None:
    data = format_application(application(), KEY)
    assert parse_application(data) == check_application(data) == application()
    assert application().admission.scope.vcts == ("sc:companion", "sc:identity")


def test_an_application_is_no_entry() -> None:
    with pytest.raises(MalformedError) as error:
        parse_statement(format_application(application(), KEY))
    assert error.value.code == "unsupported"


def test_only_the_holder_of_the_key_can_apply_with_it() -> None:
    with pytest.raises(MalformedError):
        format_application(application(), signer("thief"))
    body = application()
    forged = sign_statement("application", body.issuer_id, body.origin, body.admission, signer("thief"))
    with pytest.raises(VerificationError) as error:
        check_application(forged)
    assert error.value.code == "unknown_issuer"


def test_every_one_bit_change_fails_with_a_code() -> None:
    data = format_application(application(), KEY)
    for bit in range(0, len(data) * 8, 7):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodedError):
            check_application(bytes(damaged))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"issuer_id": "Civil 1"}, "id"),
        ({"origin": "https://ledger example"}, "origin"),
        ({"authority": ""}, "authority"),
        ({"title": "two\nlines"}, "title"),
        ({"vcts": ()}, "vct"),
        ({"vcts": ("x" * 65,)}, "vct"),
        ({"rate": -1}, "rate"),
        ({"desks": 0}, "desks"),
        ({"desks": 1025}, "desks"),
    ],
)
def test_a_mistyped_value_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as error:
        application(**changes)
    assert error.value.field == field


def test_a_value_that_is_not_of_its_form_is_never_signed() -> None:
    body = dataclasses.replace(application(), issuer_id="UPPER")
    with pytest.raises(MalformedError):
        format_application(body, KEY)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_parser(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_application(data)
