"""Cosignatures of both algorithms, against published ones and against change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.core.checkpoint import Checkpoint, format_checkpoint, open_checkpoint, parse_checkpoint
from ledger.core.cosignature import (
    Ed25519Cosigner,
    MlDsa44Cosigner,
    add_cosignature,
    check_cosignature,
    check_cosignatures,
    cosign,
    cosigned_message,
    parse_cosigner_vkey,
)
from ledger.core.note import (
    Ed25519NoteSigner,
    Note,
    NoteSignature,
    SeedSigner,
    format_note,
    format_signature_line,
    format_vkey,
    parse_note,
    parse_vkey,
    sign_note,
)
from ledger.errors import MalformedError, VerificationError

CHECKPOINT = Checkpoint("ledger.example/one", 16, bytes(range(32)))
TEXT = format_checkpoint(CHECKPOINT)
LOG = Ed25519NoteSigner("ledger.example/one", bytes(32))
SIGNED = sign_note(TEXT, [LOG])
TIME_S = 1790000000
W1 = Ed25519Cosigner("w1.example", bytes(32))
W2 = MlDsa44Cosigner("w2.example", bytes(32))
WITNESSES: list[SeedSigner] = [W1, W2]


@pytest.fixture(scope="module")
def published(vectors_dir: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(
        (vectors_dir / "log" / "cosignatures.json").read_text(encoding="utf-8")
    )
    return value


def test_the_published_cosignatures_of_both_algorithms_verify(published: dict[str, Any]) -> None:
    opened = open_checkpoint(published["checkpoint_cosigned"], [parse_vkey(published["log_vkey"])])
    names = ("witness_ed25519", "witness_mldsa44")
    witnesses = {name: parse_cosigner_vkey(published[name]["vkey"]) for name in names}
    times = check_cosignatures(opened.note, opened.checkpoint, witnesses)
    assert times == {name: published[name]["timestamp"] for name in names}


@pytest.mark.parametrize(
    ("name", "kind"), [("witness_ed25519", Ed25519Cosigner), ("witness_mldsa44", MlDsa44Cosigner)]
)
def test_the_published_keys_and_messages_are_reproduced(
    published: dict[str, Any], name: str, kind: type[Ed25519Cosigner | MlDsa44Cosigner]
) -> None:
    vector = published[name]
    key = parse_vkey(vector["vkey"])
    signer = kind(key.name, bytes.fromhex(vector["seed_hex"]))
    note = parse_note(published["checkpoint_cosigned"])
    checkpoint = parse_checkpoint(note.text)
    message = cosigned_message(key, checkpoint, note.text, vector["timestamp"])
    assert format_vkey(signer.verifier_key) == vector["vkey"]
    assert message.hex() == vector["signed_message_hex"]
    if kind is Ed25519Cosigner:  # deterministic, so the whole line is
        line = cosign(signer, checkpoint, note.text, vector["timestamp"])
        assert format_signature_line(line) in published["checkpoint_cosigned"]


@pytest.mark.parametrize("witness", WITNESSES)
def test_a_cosignature_returns_its_time(witness: SeedSigner) -> None:
    for time_s in (0, TIME_S, 253_402_300_799):
        line = cosign(witness, CHECKPOINT, TEXT, time_s)
        assert check_cosignature(witness.verifier_key, line, CHECKPOINT, TEXT) == time_s


@pytest.mark.parametrize("witness", WITNESSES)
def test_a_cosignature_fits_no_other_checkpoint_key_or_time(witness: SeedSigner) -> None:
    line, key = cosign(witness, CHECKPOINT, TEXT, TIME_S), witness.verifier_key
    later = NoteSignature(line.name, line.key_id, (TIME_S + 1).to_bytes(8, "big") + line.signature[8:])
    beyond = NoteSignature(line.name, line.key_id, b"\xff" * 8 + line.signature[8:])
    short = NoteSignature(line.name, line.key_id, line.signature[:7])
    for changed in (later, beyond, short):
        with pytest.raises(VerificationError, match="bad_checkpoint"):
            check_cosignature(key, changed, CHECKPOINT, TEXT)
    others = [
        Checkpoint("ledger.example/two", 16, CHECKPOINT.root_hash),
        Checkpoint(CHECKPOINT.origin, 32, CHECKPOINT.root_hash),
        Checkpoint(CHECKPOINT.origin, 16, bytes(32)),
    ]
    for other in others:
        with pytest.raises(VerificationError, match="bad_checkpoint"):
            check_cosignature(key, line, other, format_checkpoint(other))
    other_key = type(witness)("w.example", b"\x01" * 32).verifier_key  # type: ignore[call-arg]
    with pytest.raises(VerificationError, match="bad_checkpoint"):
        check_cosignature(other_key, line, CHECKPOINT, TEXT)


def test_only_the_post_quantum_cosignature_commits_to_the_name_and_not_to_extensions() -> None:
    extended = TEXT + "extension\n"
    line = cosign(W2, CHECKPOINT, TEXT, TIME_S)
    assert check_cosignature(W2.verifier_key, line, CHECKPOINT, extended) == TIME_S
    renamed = MlDsa44Cosigner("w3.example", bytes(32)).verifier_key
    with pytest.raises(VerificationError, match="bad_checkpoint"):
        check_cosignature(renamed, line, CHECKPOINT, TEXT)
    with pytest.raises(VerificationError, match="bad_checkpoint"):
        check_cosignature(W1.verifier_key, cosign(W1, CHECKPOINT, TEXT, TIME_S), CHECKPOINT, extended)


def test_unknown_lines_are_ignored_and_absent_witnesses_are_absent() -> None:
    text = add_cosignature(SIGNED, cosign(W1, CHECKPOINT, TEXT, TIME_S))
    text = add_cosignature(text, NoteSignature("w2.example", 1, b"not of the known key"))
    known = {"one": W1.verifier_key, "two": W2.verifier_key}
    assert check_cosignatures(parse_note(text), CHECKPOINT, known) == {"one": TIME_S}


def test_a_bad_or_second_line_of_a_known_witness_rejects_the_checkpoint() -> None:
    line = cosign(W1, CHECKPOINT, TEXT, TIME_S)
    known = {"one": W1.verifier_key}
    bad = NoteSignature(line.name, line.key_id, line.signature[:-1] + b"\xff")
    for lines in ((bad,), (line, line)):
        with pytest.raises(VerificationError, match="bad_checkpoint"):
            check_cosignatures(Note(TEXT, lines), CHECKPOINT, known)


def test_a_newer_cosignature_takes_the_place_of_the_older_one() -> None:
    first = add_cosignature(SIGNED, cosign(W1, CHECKPOINT, TEXT, TIME_S))
    first = add_cosignature(first, cosign(W2, CHECKPOINT, TEXT, TIME_S))
    second = add_cosignature(first, format_signature_line(cosign(W1, CHECKPOINT, TEXT, TIME_S + 60)))
    known = {"one": W1.verifier_key, "two": W2.verifier_key}
    note = parse_note(second)
    assert check_cosignatures(note, CHECKPOINT, known) == {"one": TIME_S + 60, "two": TIME_S}
    assert [line.name for line in note.signatures] == [LOG.verifier_key.name, "w1.example", "w2.example"]
    open_checkpoint(second, [LOG.verifier_key])


def test_added_lines_stay_within_the_caps_of_a_note() -> None:
    full = Note(TEXT, tuple(NoteSignature("n", i, b"x") for i in range(100)))
    with pytest.raises(MalformedError, match="too_large"):
        add_cosignature(format_note(full), NoteSignature("m", 1, b"x"))
    for line in ("", "\u2014 n AAAA\n", "\u2014 n Uw2QOgA="):
        with pytest.raises(MalformedError):
            add_cosignature(SIGNED, line)


def test_values_out_of_range_are_not_signed() -> None:
    for time_s in (-1, 2**63):
        with pytest.raises(MalformedError):
            cosign(W1, CHECKPOINT, TEXT, time_s)
    long = Checkpoint("o" * 256, 16, bytes(32))
    with pytest.raises(MalformedError):
        cosign(W2, long, format_checkpoint(long), TIME_S)


def test_a_key_of_another_type_is_no_cosigner() -> None:
    key = LOG.verifier_key
    with pytest.raises(MalformedError, match="unsupported"):
        parse_cosigner_vkey(format_vkey(key))
    with pytest.raises(MalformedError, match="unsupported"):
        cosign(LOG, CHECKPOINT, TEXT, TIME_S)
    with pytest.raises(MalformedError, match="unsupported"):
        check_cosignature(key, NoteSignature(key.name, key.key_id, bytes(72)), CHECKPOINT, TEXT)


@pytest.mark.parametrize("witness", WITNESSES)
@pytest.mark.parametrize("time_s", [253_402_300_800, 2**63 - 1])
def test_a_cosignature_from_the_year_10000_on_is_refused(witness: SeedSigner, time_s: int) -> None:
    line = cosign(witness, CHECKPOINT, TEXT, time_s)
    with pytest.raises(VerificationError, match="bad_checkpoint"):
        check_cosignature(witness.verifier_key, line, CHECKPOINT, TEXT)
    note = parse_note(add_cosignature(SIGNED, line))
    with pytest.raises(VerificationError, match="bad_checkpoint"):
        check_cosignatures(note, CHECKPOINT, {"w": witness.verifier_key})
