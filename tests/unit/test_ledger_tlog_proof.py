"""Proofs as files: one spelling, caps, quorum, the pin, and every way in which one can be false."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.bridges import log_verifier_keys
from ledger.core.merkle import HASH_SIZE, leaf_hash, root_hash
from ledger.core.note import MAX_SIGNATURES
from ledger.core.opened_bundle import open_bundle
from ledger.core.pin import Pin
from ledger.core.policy import parse_policy
from ledger.core.tlog_proof import (
    FIRST_LINE,
    MAX_PATH,
    ProvenEntry,
    TlogProof,
    check_tlog_proof,
    check_with_bundle,
    check_with_charter,
    format_tlog_proof,
    make_tlog_proof,
    parse_tlog_proof,
)
from ledger.errors import CodedError, MalformedError, VerificationError
from tests.support.ledgers import TinyLedger
from tests.support.rotating_ledger import RotatingLedger


def nodes_of(leaves: list[bytes], size: int):  # type: ignore[no-untyped-def]
    return lambda level, index: root_hash(leaves[:size][index << level : (index + 1) << level])


def proof_of(ledger: TinyLedger, index: int, *, extra: bool = True, **checkpoint: object) -> str:
    charter = ledger.entries[0] if extra else None
    text = ledger.checkpoint(**checkpoint)  # type: ignore[arg-type]
    return make_tlog_proof(index, text, nodes_of(ledger.leaves, ledger.tree_size), charter)


@pytest.fixture(scope="module")
def ledger() -> TinyLedger:
    tiny = TinyLedger()
    civil = tiny.admit("civil-1")
    for _ in range(40):
        tiny.issue(civil)
    tiny.close_epoch()
    return tiny


def keys_of(ledger: TinyLedger):  # type: ignore[no-untyped-def]
    return log_verifier_keys(ledger.origin, ledger.charter.log_keys), parse_policy(
        ledger.charter.witness_policy
    )


def test_every_entry_is_proven_with_the_pin_the_keys_or_a_bundle(ledger: TinyLedger) -> None:
    opened = open_bundle(ledger.bundle(), ledger.pin)
    for index, leaf in enumerate(ledger.leaves):
        proof = parse_tlog_proof(proof_of(ledger, index))
        proven = check_with_charter(proof, leaf, ledger.pin)
        assert (proven.index, proven.time_s, set(proven.times)) == (index, ledger.now_s, {"w1", "w2"})
        assert check_tlog_proof(proof, leaf, *keys_of(ledger)) == proven
        assert check_with_bundle(proof, leaf, opened) == ProvenEntry(index, proven.checkpoint, {}, None)


def test_the_text_of_a_proof_is_as_specified(ledger: TinyLedger) -> None:
    note = ledger.checkpoint()
    text = make_tlog_proof(5, note, nodes_of(ledger.leaves, ledger.tree_size), ledger.entries[0])
    first, extra, index, sibling, *_ = text.split("\n")
    assert (first, index) == ("c2sp.org/tlog-proof@v1", "index 5")
    assert base64.b64decode(extra.removeprefix("extra ")) == ledger.entries[0]
    assert base64.b64decode(sibling) == ledger.leaves[4]
    assert text.endswith("\n\n" + note)
    assert parse_tlog_proof(text.encode()) == parse_tlog_proof(text)
    bare = parse_tlog_proof(proof_of(ledger, 5, extra=False))
    assert bare.extra is None
    with pytest.raises(VerificationError, match="incomplete"):
        check_with_charter(bare, ledger.leaves[5], ledger.pin)


def test_without_a_quorum_nothing_is_proven(ledger: TinyLedger) -> None:
    proof = parse_tlog_proof(proof_of(ledger, 3, witness_times=[ledger.now_s, None]))
    with pytest.raises(VerificationError, match="not_cosigned"):
        check_with_charter(proof, ledger.leaves[3], ledger.pin)


def test_another_pin_entry_or_place_is_refused(ledger: TinyLedger) -> None:
    proof = parse_tlog_proof(proof_of(ledger, 3))
    cases = [
        (proof, ledger.leaves[4], ledger.pin, "not_listed"),
        (proof, leaf_hash(b"other"), ledger.pin, "not_listed"),
        (TlogProof(4, proof.path, proof.checkpoint, proof.extra), ledger.leaves[3], ledger.pin, "not_listed"),
        (TlogProof(3, proof.path[:-1], proof.checkpoint, proof.extra), ledger.leaves[3], ledger.pin, "not_listed"),
        (TlogProof(10**6, proof.path, proof.checkpoint, proof.extra), ledger.leaves[3], ledger.pin, "not_listed"),
        (proof, ledger.leaves[3], Pin(ledger.origin, bytes(32)), "bad_signature"),
        (proof, ledger.leaves[3], Pin("ledger.example/other", ledger.charter_hash), "bad_signature"),
    ]  # fmt: skip
    for changed, leaf, pin, code in cases:
        with pytest.raises(VerificationError) as error:
            check_with_charter(changed, leaf, pin)
        assert error.value.code == code


def test_a_bundle_carries_a_proof_over_a_change_of_keys() -> None:
    ledger = RotatingLedger()
    old = parse_tlog_proof(proof_of(ledger, 1))
    leaf = ledger.leaves[1]
    ledger.rotate("log-keys", "witness-policy")
    ledger.rotate("threshold")
    new = parse_tlog_proof(proof_of(ledger, 1))
    assert check_with_charter(old, leaf, ledger.pin).index == 1
    with pytest.raises(VerificationError, match="bad_checkpoint"):
        check_with_charter(new, leaf, ledger.pin)
    opened = open_bundle(ledger.bundle(), ledger.pin)
    assert check_with_bundle(old, leaf, opened).checkpoint.tree_size < opened.checkpoint.tree_size
    assert check_with_bundle(new, leaf, opened).index == 1
    # A head that is newer than the bundle is checked under the keys that the bundle names.
    ledger.rotate("profiles")
    newer = parse_tlog_proof(proof_of(ledger, 1))
    assert set(check_with_bundle(newer, leaf, opened).times) == {"w0", "w1"}


def test_a_head_of_another_tree_is_not_taken_with_a_bundle(ledger: TinyLedger) -> None:
    other = TinyLedger(start_s=ledger.now_s)
    opened = open_bundle(ledger.bundle(), ledger.pin)
    foreign = parse_tlog_proof(proof_of(other, 2))
    with pytest.raises(VerificationError, match="bad_checkpoint"):
        check_with_bundle(foreign, other.leaves[2], opened)
    renamed = parse_tlog_proof(proof_of(TinyLedger("ledger.example/other"), 2))
    with pytest.raises(VerificationError, match="bad_checkpoint"):
        check_with_bundle(renamed, other.leaves[2], opened)


def test_every_other_spelling_is_refused(ledger: TinyLedger) -> None:
    text = proof_of(ledger, 5, extra=False)
    hashes = [base64.b64encode(bytes(HASH_SIZE)).decode()] * (MAX_PATH + 1)
    head, _, note = text.partition("\n\n")
    cases = {
        "unsupported": ["", "\n" + text, text.replace("@v1", "@v2"), " " + text, text.replace("\n", "\r\n")],
        "malformed": [
            text.replace("index 5", "index 05"),
            text.replace("index 5", "index +5"),
            text.replace("index 5", "index  5"),
            text.replace("index 5", "index \u0665"),
            text.replace("index 5", f"index {2**63}"),
            text.replace("index 5", "Index 5"),
            text.replace("index 5\n", ""),
            text.replace("index 5", "extra \nextra AAAA\nindex 5"),
            text.replace("index 5", "extra\nindex 5"),
            text.replace("index 5", "extra A\nindex 5"),
            text.replace("index 5", "index 5\nextra AAAA"),
            f"{FIRST_LINE}\nextra \nindex 5\n\n{note}",
            text.replace("index 5", "index 5\nAAAA"),
            text.replace("index 5", "index 5\n"),
            head,
            head + "\n\n",
            f"{head}\n\n\n{note}",
            text[:-1],
            text + "\n",
            text.replace(ledger.origin, f"{ledger.origin}\x00"),
            f"{FIRST_LINE}\n\n{note}",
            FIRST_LINE,
        ],
        "too_large": [
            "\n".join([FIRST_LINE, "index 5", *hashes]) + "\n\n" + note,
            text + "x" * 300_000,
            f"{FIRST_LINE}\nextra {base64.b64encode(bytes(65_536)).decode()}\nindex 5\n\n{note}",
            text + note.splitlines(keepends=True)[-1] * MAX_SIGNATURES,
        ],
    }
    for code, spellings in cases.items():
        for spelling in spellings:
            with pytest.raises(MalformedError) as error:
                parse_tlog_proof(spelling)
            assert error.value.code == code, spelling[:200]
    with pytest.raises(MalformedError):
        parse_tlog_proof(b"\xff" + text.encode())
    with pytest.raises(MalformedError):
        format_tlog_proof(TlogProof(-1, (), note))
    with pytest.raises(MalformedError):
        format_tlog_proof(TlogProof(5, (), note, b""))


def test_every_flipped_bit_is_refused_with_a_code(ledger: TinyLedger) -> None:
    data = proof_of(ledger, 37).encode()
    leaf = ledger.leaves[37]
    assert check_with_charter(parse_tlog_proof(data), leaf, ledger.pin).index == 37
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        with pytest.raises(CodedError):
            check_with_charter(parse_tlog_proof(bytes(changed)), leaf, ledger.pin)


@given(st.binary(max_size=300), st.integers(0, 5))
def test_noise_is_read_in_one_way_or_refused_with_a_named_error(noise: bytes, kind: int) -> None:
    starts = [
        b"",
        b"c2sp.org/tlog-proof@v1\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\n",
        b"c2sp.org/tlog-proof@v1\nextra ",
    ]
    data = starts[kind % 4] + noise
    try:
        proof = parse_tlog_proof(data)
    except MalformedError:
        return
    assert format_tlog_proof(proof).encode() == data
