"""Requests and approvals as files: one form, one signer, one meaning, and no bit that can be changed."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.desk_config import DeskConfig, format_config, parse_config
from issuer.errors import InputError, IssuerError
from issuer.second_signers import (
    SecondSigners,
    check_signers,
    format_second_signers,
    parse_second_signers,
    read_signers,
)
from issuer.status_request import (
    LIFETIME_S,
    REQUEST_MAX_BYTES,
    Part,
    Request,
    approve_request,
    check_approval,
    format_request,
    parse_request,
    request_digest,
)
from issuer.status_request_words import describe_request
from ledger.core import cbor, cose
from ledger.core.cose_key import SoftwareSigner
from ledger.core.statement import sign_statement
from ledger.core.status_change import StatusChange, StatusRow
from ledger.errors import CodedError, LedgerError, MalformedError
from ledger.govern_files import words_of
from ledger.governor_keys import format_public_key
from tests.support.ledgers import seed

BO = SoftwareSigner.from_seed("ed25519", seed("bo"))
CHI = SoftwareSigner.from_seed("ed25519", seed("chi"))
RULE = SecondSigners(1, (("bo", BO.public_key), ("chi", CHI.public_key)))
UNTIL_S = 1_800_000_000
ROWS = (StatusRow(7, 0, 1, 3, 202611), StatusRow(9, 0, 2, 4, 202611))
REQUEST = Request(
    "civil-1", bytes(range(32)), 0, bytes(32), UNTIL_S, (Part("sc:1/0", ROWS), Part("sc:1/2", ROWS[:1]))
)
DATA = format_request(REQUEST)
RULE_DATA = format_request(dataclasses.replace(REQUEST, parts=(), rule=RULE))
APPROVAL = approve_request(DATA, "bo", BO)


def code_of(call: object, *arguments: object) -> str:
    assert callable(call)
    with pytest.raises(CodedError) as error:
        call(*arguments)
    return error.value.code


@pytest.mark.parametrize("data", [DATA, RULE_DATA], ids=["changes", "rule"])
def test_a_request_reads_back_as_it_was_written(data: bytes) -> None:
    assert format_request(parse_request(data)) == data


def test_a_request_holds_what_a_statement_holds_and_nothing_of_a_person() -> None:
    assert cbor.decode(DATA, max_size=4096) == {
        1: "civil-1", 2: bytes(range(32)), 3: 0, 4: bytes(32), 5: UNTIL_S,
        6: [["sc:1/0", [[7, 0, 1, 3, 202611], [9, 0, 2, 4, 202611]]], ["sc:1/2", [[7, 0, 1, 3, 202611]]]],
    }  # fmt: skip


def test_an_approval_names_its_signer() -> None:
    assert check_approval(APPROVAL, DATA, RULE) == "bo"


@pytest.mark.parametrize("data", [DATA, RULE_DATA], ids=["changes", "rule"])
def test_every_bit_of_a_request_counts(data: bytes) -> None:
    approval = approve_request(data, "bo", BO)
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert code_of(check_approval, approval, bytes(changed), RULE) == "bad_signature"
        try:
            assert parse_request(bytes(changed)) != parse_request(data)
        except MalformedError:
            continue


def test_every_bit_of_an_approval_counts() -> None:
    for bit in range(8 * len(APPROVAL)):
        changed = bytearray(APPROVAL)
        changed[bit // 8] ^= 1 << bit % 8
        code = code_of(check_approval, bytes(changed), DATA, RULE)
        assert code in {"malformed", "unsupported", "bad_signature", "unknown_issuer"}, bit


@given(st.binary(max_size=400))
def test_bytes_are_a_request_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        assert format_request(parse_request(data)) == data


PIECES = st.recursive(
    st.integers(-1, 2**40)
    | st.binary(max_size=33)
    | st.sampled_from(["civil-1", "sc:1/0", "bo"])
    | st.none(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(1, 7), inner, max_size=7),
    max_leaves=12,
)


@given(st.integers(1, 7), PIECES, st.booleans())
def test_any_value_in_any_field_is_a_request_or_malformed(field: int, value: object, rule: bool) -> None:
    body = cbor.decode(RULE_DATA if rule else DATA, max_size=4096)
    body[field] = value
    with contextlib.suppress(MalformedError):
        assert format_request(parse_request(cbor.encode(body))) == cbor.encode(body)


@given(st.binary(max_size=300) | PIECES.map(lambda value: cbor.encode(cbor.CBORTag(18, value))))
def test_bytes_are_no_approval(data: bytes) -> None:
    assert code_of(check_approval, data, DATA, RULE) in {"malformed", "unsupported"}


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (Part("sc:1/0", ()),),
        (Part("sc:1/0", ROWS), Part("sc:1/0", ROWS)),
        (Part("sc:1/0", ROWS[1:]), Part("sc:1/0", ROWS[:1])),
        (Part("sc:1/2", ROWS), Part("sc:1/0", ROWS)),
        (Part("sc:1/0", ROWS), Part("sc:2/0", ROWS)),
        (Part("sc:1/0", ROWS[::-1]),),
        (Part("1/0", ROWS),),
        (Part("sc:1/0", (StatusRow(7, 13, 3, 1, 202611),)),),
        (Part("sc:1/0", (StatusRow(7, 1, 0, 6, 202611),)),),
        (Part("sc:1/0", (StatusRow(7, 0, 1, 1, 202611),)),),
        (Part("sc:1/0", (StatusRow(131_072, 0, 1, 3, 202611),)),),
    ],
)
def test_parts_that_no_desk_can_send_are_no_request(parts: tuple[Part, ...]) -> None:
    assert code_of(format_request, dataclasses.replace(REQUEST, parts=parts)) == "malformed"


def test_lists_rise_by_number_and_not_by_letter() -> None:
    parts = (Part("sc:1/2", ROWS), Part("sc:1/10", ROWS), Part("sc:1/10", (StatusRow(10, 0, 1, 3, 202611),)))
    assert parse_request(format_request(dataclasses.replace(REQUEST, parts=parts))).parts == parts


def test_a_request_changes_either_statuses_or_the_rule() -> None:
    assert code_of(format_request, dataclasses.replace(REQUEST, rule=RULE)) == "malformed"


def test_a_request_has_caps() -> None:
    assert REQUEST_MAX_BYTES == 4 * 1024 * 1024
    assert code_of(parse_request, bytes(REQUEST_MAX_BYTES + 1)) == "too_large"
    assert code_of(parse_request, bytes(REQUEST_MAX_BYTES)) == "malformed"
    many = tuple(Part(f"sc:1/{number}", ROWS[:1]) for number in range(1025))
    assert len(parse_request(format_request(dataclasses.replace(REQUEST, parts=many[:-1]))).parts) == 1024
    assert code_of(format_request, dataclasses.replace(REQUEST, parts=many)) == "malformed"


def test_no_place_stands_in_two_parts() -> None:
    twice = (Part("sc:1/0", ROWS), Part("sc:1/0", (ROWS[1], ROWS[1]._replace(idx=12))))
    after = (Part("sc:1/0", ROWS), Part("sc:1/0", (ROWS[1]._replace(idx=10),)))
    assert code_of(format_request, dataclasses.replace(REQUEST, parts=twice)) == "malformed"
    assert parse_request(format_request(dataclasses.replace(REQUEST, parts=after))).parts == after


def test_a_request_is_over_and_does_not_end_too_far_ahead() -> None:
    assert LIFETIME_S == 7 * 86_400
    REQUEST.check_time(UNTIL_S)
    REQUEST.check_time(UNTIL_S - LIFETIME_S)
    for now_s in (UNTIL_S + 1, UNTIL_S - LIFETIME_S - 86_401):
        with pytest.raises(IssuerError) as error:
            REQUEST.check_time(now_s)
        assert error.value.code == "stale_action"


def test_an_approval_says_nothing_that_is_not_signed() -> None:
    value = cbor.decode(APPROVAL, max_size=512)
    value.value[1] = {99: b"12345678"}
    assert code_of(check_approval, cbor.encode(value), DATA, RULE) == "malformed"


def test_a_rule_that_is_asked_for_is_never_the_first() -> None:
    first = dataclasses.replace(REQUEST, parts=(), rule=SecondSigners(0, RULE.signers))
    assert code_of(format_request, first) == "malformed"


def test_only_a_second_signer_of_the_desk_approves_and_under_the_own_name() -> None:
    stranger = SoftwareSigner.from_seed("ed25519", seed("stranger"))
    for approval in (
        approve_request(DATA, "bo", stranger),
        approve_request(DATA, "stranger", stranger),
        approve_request(DATA, "chi", BO),
    ):
        assert code_of(check_approval, approval, DATA, RULE) == "unknown_issuer"
    assert code_of(check_approval, APPROVAL, DATA, SecondSigners(2)) == "unknown_issuer"
    assert code_of(check_approval, APPROVAL, DATA, SecondSigners(2, RULE.signers[1:])) == "unknown_issuer"


def test_an_approval_of_another_request_is_none() -> None:
    other = format_request(dataclasses.replace(REQUEST, not_after=UNTIL_S + 1))
    assert code_of(check_approval, APPROVAL, other, RULE) == "bad_signature"


def test_what_the_same_key_signed_for_something_else_is_no_approval() -> None:
    entry = sign_statement("status", "bo", "sc:1/0", StatusChange("sc:1/0", 1, ROWS), BO)
    assert code_of(check_approval, entry, DATA, RULE) == "malformed"
    payload = cbor.encode({1: request_digest(DATA), 2: "bo"})
    header = {cose.KID: BO.public_key.kid, cose.TYP: "application/vnd.safeconduct.govern+cose"}
    other = cose.format_sign1(cose.sign(header, payload, BO))
    assert code_of(check_approval, other, DATA, RULE) == "unsupported"


def test_a_second_signer_s_key_is_ed25519() -> None:
    other = SoftwareSigner.from_seed("p256", seed("bo"))
    assert code_of(approve_request, DATA, "bo", other) == "unsupported"
    assert code_of(check_signers, 1, [("bo", other.public_key)]) == "unsupported"


def test_a_request_is_told_in_plain_words() -> None:
    text = "\n".join(describe_request(DATA))
    for said in (
        f"in words: {words_of(request_digest(DATA))}",
        "withdrawn: 2, reason withdrawn (for good",
        "suspended: 1, reason contested",
        "list sc:1/0: 2 changes; will be held: perhaps",
        "count against the authority's limits: 3",
        "until 2027-01-15 08:00 UTC",
    ):
        assert said in text
    named = "\n".join(describe_request(DATA, name_of=lambda uri, idx: f"<{uri} {idx}>"))
    assert "7 <sc:1/0 7>" in named
    cut = "\n".join(describe_request(DATA, most=1))
    assert "and 1 more; --all names them" in cut
    assert "\n      9" not in cut


def test_words_tell_places_of_another_reason_or_month_apart() -> None:
    rows = (
        StatusRow(7, 0, 1, 3, 202611),
        StatusRow(8, 0, 1, 2, 202611),
        StatusRow(9, 0, 1, 3, 202610),
        StatusRow(10, 0, 1, 3, 202611),
    )
    lines = describe_request(format_request(dataclasses.replace(REQUEST, parts=(Part("sc:1/0", rows),))))
    at = next(
        number for number, line in enumerate(lines) if "reason withdrawn, published as of 2026-11" in line
    )
    assert lines[at + 1].split() == ["7", "10"]
    assert lines[at + 2].strip() == "valid -> withdrawn, reason corrected, published as of 2026-11:"
    assert lines[at + 3].strip() == "8"
    assert lines[at + 4].strip() == "valid -> withdrawn, reason withdrawn, published as of 2026-10:"
    assert lines[at + 5].strip() == "9"


def test_the_rule_is_told_in_plain_words() -> None:
    text = "\n".join(describe_request(RULE_DATA))
    assert f"bo: Ed25519 {BO.public_key.kid.hex()}" in text
    free = format_request(dataclasses.replace(REQUEST, parts=(), rule=SecondSigners(2)))
    assert "changes statuses alone" in "\n".join(describe_request(free))


def test_the_rule_reads_back_from_the_settings() -> None:
    assert parse_second_signers(dict(format_second_signers(RULE))) == RULE
    config = DeskConfig("civil-1", "interior", "Registry", "ledger.example/one", 0, 1, second_signers=RULE)
    assert parse_config(format_config(config)) == config
    without = dataclasses.replace(config, second_signers=SecondSigners())
    assert b"second_signers" not in format_config(without)
    assert parse_config(format_config(without)) == without


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"version": 1},
        {"version": True, "signers": {}},
        {"version": -1, "signers": {}},
        {"version": 1, "signers": []},
        {"version": 1, "signers": {"Bo": "00" * 32}},
        {"version": 1, "signers": {"bo": "00" * 31}},
        {"version": 1, "signers": {"bo": BO.public_key.x.hex().upper()}},
        {"version": 1, "signers": {"bo": BO.public_key.x.hex(), "chi": BO.public_key.x.hex()}},
        {"version": 1, "signers": {"bo": 7}},
        {"version": 1, "signers": {}, "more": 1},
    ],
)
def test_settings_with_another_rule_are_refused(value: object) -> None:
    assert code_of(parse_second_signers, value) in {"malformed", "unsupported"}


def test_more_signers_than_an_office_has_are_refused() -> None:
    keys = [SoftwareSigner.from_seed("ed25519", seed(f"s{number}")).public_key for number in range(17)]
    many = [(f"s{number:02}", key) for number, key in enumerate(keys)]
    assert len(check_signers(1, many[:16]).signers) == 16
    assert code_of(check_signers, 1, many) == "malformed"


def test_signers_are_typed_as_names_with_key_files(tmp_path: Path) -> None:
    for name, signer in (("bo", BO), ("chi", CHI)):
        (tmp_path / name).write_bytes(format_public_key(signer.public_key))
    (tmp_path / "junk").write_bytes(b"junk")
    assert read_signers([f"chi={tmp_path / 'chi'}", f"bo={tmp_path / 'bo'}"]) == RULE.signers
    for words in (["bo"], ["bo="], [f"bo={tmp_path / 'nobody'}"], [f"bo={tmp_path / 'bo'}"] * 2):
        with pytest.raises(InputError):
            read_signers(words)
    with pytest.raises(InputError):
        read_signers([f"Bo={tmp_path / 'bo'}"])
    with pytest.raises(InputError):
        read_signers([f"bo={tmp_path / 'bo'}", f"chi={tmp_path / 'bo'}"])
    with pytest.raises(LedgerError):
        read_signers([f"bo={tmp_path / 'junk'}"])
