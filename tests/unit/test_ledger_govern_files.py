"""Files of governors, plain words, and the ledger behind HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.actions import (
    Action,
    AddKey,
    Change,
    DistrustKey,
    Reinstate,
    RetireKey,
    Scope,
    Suspend,
    Verb,
)
from ledger.core.bundle import format_bundle
from ledger.core.cose_key import SoftwareSigner
from ledger.core.merkle import leaf_hash
from ledger.core.pin import Pin, format_pin, make_pin, parse_pin
from ledger.core.receipt import format_inclusion_receipt, sign_root, transparent_statement
from ledger.core.statement import parse_statement
from ledger.errors import CodedError, LedgerError
from ledger.files import read_file, write_file
from ledger.govern_files import (
    accept_charter,
    approve,
    check_application,
    format_action_file,
    parse_action_file,
    parse_verbs,
    words_of,
)
from ledger.governance_view import fold_bundle
from ledger.governor_keys import format_public_key, make_governor_key, open_private_key, parse_public_key
from ledger.inspect import describe_action, describe_entry, describe_governance, format_time
from ledger.problems import answer_of
from ledger.remote import RemoteLedger
from tests.support.ledgers import TinyLedger, signer

KEY = SoftwareSigner.from_seed("ed25519", bytes(32))
KIDS = st.binary(min_size=8, max_size=8)
VERBS: st.SearchStrategy[Verb] = st.one_of(
    st.just(Suspend()),
    st.just(Reinstate()),
    st.just(AddKey(KEY.public_key)),
    st.builds(RetireKey, KIDS),
    st.builds(DistrustKey, KIDS, st.integers(0, 2**53 - 1)),
    st.just(Change(title="Registry")),
    st.just(Change(scope=Scope(("sc:identity",), 5, 1))),
)
ACTIONS = st.builds(
    Action,
    st.just("civil-1"),
    st.integers(0, 2**53 - 1),
    st.integers(0, 2**53 - 1),
    st.lists(VERBS, min_size=1, max_size=16).map(tuple),
)


@given(ACTIONS)
def test_an_action_file_reads_back_and_is_told_in_words(action: Action) -> None:
    assert parse_action_file(format_action_file(action)) == action
    assert len(describe_action(action)) >= 4


@given(ACTIONS)
def test_an_approval_signs_the_bytes_of_the_action_file(action: Action) -> None:
    statement = parse_statement(approve(action, "ana", KEY))
    statement.check_signature(KEY.public_key)
    assert format_action_file(statement.body) == format_action_file(action)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_readers_of_files(data: bytes) -> None:
    readers: list[Callable[[bytes], object]] = [
        parse_action_file,
        parse_public_key,
        parse_pin,
        check_application,
        fold_bundle,
        describe_entry,
    ]
    for read in readers:
        try:
            read(data)
        except CodedError:
            continue
        assert data in (b"\xf6", cbor.encode(cbor.decode(data, max_size=200)))


@given(
    st.lists(
        st.text(max_size=20) | st.sampled_from(["suspend", "change", "title=x", "retire-key"]), max_size=6
    )
)
def test_no_words_break_the_reader_of_verbs(words: list[str]) -> None:
    try:
        verbs = parse_verbs(words, lambda name: b"")
    except CodedError:
        return
    assert verbs


@given(st.binary(min_size=32, max_size=32), st.integers(0, 87))
def test_words_differ_where_one_of_the_first_88_bits_does(digest: bytes, bit: int) -> None:
    other = bytearray(digest)
    other[bit // 8] ^= 0x80 >> bit % 8
    assert words_of(digest) != words_of(bytes(other))


@given(st.binary(min_size=32, max_size=32))
def test_a_pin_reads_back(charter_hash: bytes) -> None:
    pin = Pin("ledger.example/one", charter_hash)
    assert parse_pin(format_pin(pin)) == make_pin(pin.origin, charter_hash.hex()) == pin


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"origin": "a b", "charter": "%s"}' % ("0" * 64),
        '{"origin": "a", "charter": "%s"}' % ("A" * 64),
    ],
)
def test_a_pin_of_another_form_is_bad_input(text: str) -> None:
    with pytest.raises(LedgerError) as caught:
        parse_pin(text.encode())
    assert caught.value.code == "bad_input"


def test_a_public_key_file_reads_back() -> None:
    for kind in ("p256", "ed25519"):
        key = signer("somebody", kind).public_key
        assert parse_public_key(format_public_key(key)) == key


def test_a_governor_key_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    made = make_governor_key(tmp_path / "ana.pem", b"right words")
    assert open_private_key(tmp_path / "ana.pem", lambda: b"right words").public_key == made.public_key
    with pytest.raises(LedgerError) as caught:
        open_private_key(tmp_path / "ana.pem", lambda: b"wrong words")
    assert caught.value.code == "wrong_secret"
    with pytest.raises(LedgerError) as caught:
        make_governor_key(tmp_path / "bo.pem", b"")
    assert caught.value.code == "usage"
    assert not (tmp_path / "bo.pem").exists()


def test_a_file_is_written_whole_and_once(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"1")
    with pytest.raises(LedgerError) as caught:
        write_file(tmp_path / "a", b"2")
    assert caught.value.code == "bad_input"
    with pytest.raises(LedgerError) as caught:
        write_file(tmp_path / "no-folder" / "a", b"2")
    assert caught.value.code == "storage_failed"
    with pytest.raises(LedgerError) as caught:
        read_file(tmp_path / "a", max_size=0, field="a")
    assert caught.value.code == "too_large"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"1"


@pytest.fixture(scope="module")
def tiny() -> TinyLedger:
    ledger = TinyLedger()
    civil = ledger.admit("civil-1")
    card = ledger.issue(civil)
    ledger.close_epoch()
    ledger.change_status(civil, card, 0, 3, 1)
    ledger.close_epoch()
    ledger.act("civil-1", DistrustKey(civil.signer.public_key.kid, 40))
    return ledger


def test_every_kind_of_entry_is_told_in_plain_words(tiny: TinyLedger) -> None:
    told = [describe_entry(entry)[0] for entry in tiny.entries]
    for start in ("Charter", "Accept", "Padding", "Seal", "Approval", "Credential", "Change of status"):
        assert any(line.startswith(start) for line in told), start


def test_a_bundle_gives_the_governance_that_its_seal_commits_to(tiny: TinyLedger) -> None:
    governance = fold_bundle(tiny.bundle(), tiny.pin)
    assert governance.format_governance() == tiny.registry.governance.format_governance()
    shown = "\n".join(describe_governance(governance))
    assert "civil-1" in shown
    assert "distrusted" in shown


def test_a_bundle_that_leaves_an_approval_out_is_refused(tiny: TinyLedger) -> None:
    parts = tiny.bundle_parts()
    for approvals in (parts.approvals[:-2], parts.approvals[2:], parts.approvals[:-1], ()):
        with pytest.raises(CodedError):
            fold_bundle(format_bundle(replace(parts, approvals=approvals)))
    with pytest.raises(CodedError):
        fold_bundle(tiny.bundle(), Pin(tiny.origin, bytes(32)))


def test_an_accept_is_of_the_governor_whose_key_signs(tiny: TinyLedger) -> None:
    name, accept = accept_charter(tiny.entries[0], tiny.governors["governor-2"])
    assert name == "governor-2"
    assert parse_statement(accept).body.charter_hash == leaf_hash(tiny.entries[0])


def test_times_beyond_the_calendar_are_told_in_seconds() -> None:
    assert format_time(-1) == "second -1"
    assert format_time(0) == "1970-01-01 00:00 UTC"


def remote(*answers: httpx.Response) -> RemoteLedger:
    """Return a ledger that gives these answers, one after the other."""
    left = list(answers)
    client = httpx.Client(transport=httpx.MockTransport(lambda request: left.pop(0)))
    times = iter(range(0, 10_000, 400))
    return RemoteLedger(
        "https://ledger.example/base", client, sleep=lambda seconds: None, clock=lambda: next(times)
    )


def transparent(tiny: TinyLedger) -> bytes:
    receipts = signer("receipts")
    signed = sign_root(bytes(32), SoftwareSigner(receipts.public_key, -7, receipts._private_key), tiny.origin)
    return transparent_statement(tiny.entries[0], [format_inclusion_receipt(signed, 16, 0, [bytes(32)] * 4)])


def test_a_registration_waits_for_its_epoch(tiny: TinyLedger) -> None:
    later = httpx.Response(303, headers={"Location": "/entries/00", "Retry-After": "2"})
    with remote(later, httpx.Response(200, content=b"answer")) as ledger:
        assert ledger.register(b"entry") == b"answer"
    with remote(httpx.Response(200, content=transparent(tiny))) as ledger:
        assert ledger.statement(bytes(32)) == (0, tiny.entries[0])


@pytest.mark.parametrize("accept", ["", "application/json"])
def test_a_refusal_keeps_its_code(accept: str) -> None:
    problem = answer_of(LedgerError("stale_action", "the counter is not current"), accept)
    answer = httpx.Response(
        problem.status, content=problem.body, headers={"Content-Type": problem.media_type}
    )
    with remote(answer) as ledger, pytest.raises(LedgerError) as caught:
        ledger.register(b"entry")
    assert caught.value.code == "stale_action"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, content=b"<html>"),
        httpx.Response(403, content=b"[]", headers={"Content-Type": "application/json"}),
        httpx.Response(204),
        httpx.Response(303, headers={"Location": "https://other.example/entries/00"}),
        httpx.Response(303),
        httpx.Response(200, content=bytes(600_000)),
    ],
    ids=["html", "no problem", "another status", "another host", "no place", "too large"],
)
def test_an_answer_of_another_form_is_not_reachable(answer: httpx.Response) -> None:
    with remote(answer, httpx.Response(404, content=b"")) as ledger, pytest.raises(LedgerError) as caught:
        ledger.register(b"entry")
    assert caught.value.code == "not_reachable"


def test_a_ledger_that_never_closes_its_epoch_is_given_up() -> None:
    later = [httpx.Response(303, headers={"Location": "/entries/00"}) for _ in range(9)]
    with remote(*later) as ledger, pytest.raises(LedgerError) as caught:
        ledger.register(b"entry")
    assert caught.value.code == "not_reachable"
