"""The witness protocol without a network: requests, decisions, answers."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.cosignature import check_cosignature, cosign
from ledger.core.merkle import EMPTY_ROOT
from ledger.core.note import format_signature_line
from ledger.core.witness_protocol import (
    MAX_REQUEST_SIZE,
    SIZE_TYPE,
    Acceptance,
    AddCheckpoint,
    Busy,
    Conflict,
    Cosigned,
    KnownLog,
    Refusal,
    Refused,
    decide_body,
    format_add_checkpoint,
    format_cosigned,
    format_refusal,
    origin_of,
    origin_path,
    parse_add_checkpoint,
    read_answer,
)
from ledger.errors import CodedError, MalformedError
from tests.support.witness_cases import (
    CASES,
    FOREIGN,
    ORIGIN,
    WITNESS_SIGNERS,
    Case,
    body,
    foreign_signer,
    head,
    key_set,
    note,
    proof,
)


def known(case: Case) -> dict[str, KnownLog]:
    """What a witness knows after it has cosigned what the case says."""
    size = max(case.seen, default=0)
    root = head(size).root_hash if case.seen else EMPTY_ROOT
    foreign = KnownLog(((foreign_signer().verifier_key,),), allow_extensions=True)
    return {ORIGIN: KnownLog((key_set(), key_set("next")), size, root), FOREIGN: foreign}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_of_the_table_is_decided_as_the_specification_says(case: Case) -> None:
    decision = decide_body(case.request, known(case))
    if case.status == 200:
        assert isinstance(decision, Acceptance)
        return
    assert isinstance(decision, Refusal)
    assert (decision.status, decision.size) == (case.status, case.size)
    answer = format_refusal(decision)
    if case.status == 409:
        assert (answer.media_type, answer.body) == (SIZE_TYPE, b"%d\n" % (case.size or 0))
        assert read_answer(409, answer.body) == Conflict(case.size)
    else:
        assert isinstance(read_answer(answer.status, answer.body), Refused)


def test_the_table_has_every_status_of_the_specification() -> None:
    assert {case.status for case in CASES} == {200, 400, 403, 404, 409, 422}
    assert len({case.name for case in CASES}) == len(CASES)


def test_what_is_accepted_holds_the_lines_of_known_keys_alone() -> None:
    case = next(case for case in CASES if case.name == "lines of strangers are ignored")
    decision = decide_body(case.request, known(case))
    assert isinstance(decision, Acceptance)
    assert {line.name for line in decision.signed.note.signatures} == {ORIGIN}
    assert len(decision.signed.note.signatures) == 2


def test_extension_lines_are_taken_where_a_log_may_have_them() -> None:
    from ledger.core.note import sign_note

    text = sign_note(note(5).split("\n\n")[0].replace(ORIGIN, FOREIGN) + "\nmore\n", [foreign_signer()])
    logs = {FOREIGN: KnownLog(((foreign_signer().verifier_key,),), allow_extensions=True)}
    assert isinstance(decide_body(body(0, text), logs), Acceptance)
    strict = {FOREIGN: KnownLog(((foreign_signer().verifier_key,),))}
    assert isinstance(decide_body(body(0, text), strict), Refusal)


@pytest.mark.parametrize("size", range(1, 20))
def test_every_consistency_proof_of_a_small_tree_is_accepted_and_no_neighbour_of_it(size: int) -> None:
    for new in range(size, 20):
        log = {ORIGIN: KnownLog((key_set(),), size, head(size).root_hash)}
        path = proof(size, new)
        text = note(new, only=None)
        assert isinstance(decide_body(body(size, text, path), log), Acceptance)
        if path and new % 5 == 0:
            changed = (*path[:-1], bytes([path[-1][0] ^ 1]) + path[-1][1:])
            for wrong in (changed, path[:-1], (*path, path[-1])):
                assert getattr(decide_body(body(size, text, wrong), log), "status", 0) == 422


def test_every_changed_bit_of_a_request_is_refused_or_means_the_same() -> None:
    whole = body(3, note(8, only=0), proof(3, 8))
    log = {ORIGIN: KnownLog((key_set()[:1],), 3, head(3).root_hash)}
    first = decide_body(whole, log)
    assert isinstance(first, Acceptance)
    for place in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            assert isinstance(decide_body(bytes(changed), log), Refusal), (place, bit)


@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda text: b"old 3\n" + text.encode("utf-8", "replace"))
)
def test_any_bytes_are_a_request_that_reads_back_or_malformed(data: bytes) -> None:
    try:
        request = parse_add_checkpoint(data)
    except MalformedError:
        assert isinstance(decide_body(data, {}), Refusal)
        return
    assert format_add_checkpoint(request) == data


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_request_reads_back(old: int, path: list[bytes]) -> None:
    request = AddCheckpoint(old, tuple(path), note(5))
    assert parse_add_checkpoint(format_add_checkpoint(request)) == request
    assert origin_of(request) == ORIGIN


def test_values_that_make_no_request_are_malformed() -> None:
    for request in (
        AddCheckpoint(-1, (), note(5)),
        AddCheckpoint(2**63, (), note(5)),
        AddCheckpoint(3, (b"short",), note(5)),
        AddCheckpoint(3, (bytes(32),) * 64, note(5)),
    ):
        with pytest.raises(MalformedError):
            format_add_checkpoint(request)


def test_a_request_over_the_cap_is_too_large() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_add_checkpoint(b"old 0\n\n" + b"x" * MAX_REQUEST_SIZE)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("algorithm", WITNESS_SIGNERS)
def test_an_answer_with_a_line_reads_back_and_verifies(algorithm: str) -> None:
    signer = WITNESS_SIGNERS[algorithm]
    text = note(5).split("\n\n")[0] + "\n"
    line = cosign(signer, head(5), text, 1_790_000_001)
    answer = format_cosigned([line])
    read = read_answer(answer.status, answer.body)
    assert read == Cosigned((line,))
    assert check_cosignature(signer.verifier_key, line, head(5), text) == 1_790_000_001


@pytest.mark.parametrize(
    ("status", "data", "retry", "meaning"),
    [
        (409, b"", "", Conflict(None)),
        (409, b"17", "", Conflict(17)),
        (409, b"17\n", "", Conflict(17)),
        (409, b"017\n", "", Conflict(None)),
        (409, b"17\r\n", "", Conflict(None)),
        (409, b"9223372036854775808\n", "", Conflict(None)),
        (429, b"slow down", "30", Busy(30, "the witness answered with status 429")),
        (503, b"", "soon", Busy(None, "the witness answered with status 503")),
        (500, b"", "", Busy(None, "the witness answered with status 500")),
        (502, b"", "9999999", Busy(None, "the witness answered with status 502")),
    ],
)
def test_what_witnesses_in_the_field_answer_is_understood(
    status: int, data: bytes, retry: str, meaning: object
) -> None:
    assert read_answer(status, data, retry) == meaning


@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 400, 401, 403, 404, 413, 422])
@pytest.mark.parametrize("data", [b"", b"<html>", b"ok\n", b"\xff\n", b"x" * 70_000])
def test_anything_else_is_refused(status: int, data: bytes) -> None:
    assert isinstance(read_answer(status, data), Refused)


def test_the_words_of_a_refusal_are_told_on_short_and_printable() -> None:
    answer = read_answer(422, b"bad_seal: refused for ever at entry 47\x1b[31m\n" + b"x" * 500)
    assert isinstance(answer, Refused)
    assert "(bad_seal: refused for ever at entry 47[31mx" in answer.detail
    assert len(answer.detail) < 300


@given(st.integers(100, 599), st.binary(max_size=200), st.text(max_size=8))
def test_no_answer_raises(status: int, data: bytes, retry: str) -> None:
    read_answer(status, data, retry)


def test_lines_behind_a_broken_one_are_not_taken() -> None:
    line = cosign(WITNESS_SIGNERS["ed25519"], head(5), note(5).split("\n\n")[0] + "\n", 1_790_000_001)
    assert isinstance(read_answer(200, (format_signature_line(line) + "junk\n").encode()), Refused)


def test_the_path_of_the_monitoring_endpoint_is_the_hash_of_the_origin() -> None:
    # sha256sum of "example.com/behind-the-sofa"
    import hashlib

    expected = hashlib.sha256(b"example.com/behind-the-sofa").hexdigest()
    assert origin_path("example.com/behind-the-sofa") == f"{expected}/checkpoint"


def test_the_core_of_the_protocol_needs_no_web_packages() -> None:
    code = (
        "import sys; import ledger.core.witness_protocol;"
        "bad = {'httpx', 'fastapi', 'starlette', 'sqlalchemy', 'sqlite3', 'asyncio'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_a_key_set_without_keys_signs_nothing() -> None:
    for sets in ((), ((),)):
        decision = decide_body(body(0, note(5)), {ORIGIN: KnownLog(sets)})
        assert isinstance(decision, Refusal)
        assert decision.status == 403


def test_errors_of_the_table_are_of_the_stable_codes() -> None:
    for case in CASES:
        decision = decide_body(case.request, known(case))
        if isinstance(decision, Refusal):
            assert CodedError(decision.code, decision.detail)
