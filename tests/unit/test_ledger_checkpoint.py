"""Checkpoints: two signatures of the log, one form, and no bit that can change unseen."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.checkpoint import (
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from ledger.core.cosignature import Ed25519Cosigner, MlDsa44Cosigner, add_cosignature, cosign
from ledger.core.merkle import EMPTY_ROOT, leaf_hash, root_hash
from ledger.core.note import (
    Ed25519NoteSigner,
    Note,
    NoteSignature,
    format_note,
    parse_note,
    parse_vkey,
    sign_note,
    sign_text,
)
from ledger.errors import LedgerError, MalformedError, VerificationError

ORIGIN = "ledger.example/one"
CHECKPOINT = Checkpoint(ORIGIN, 16, bytes(range(32)))
ED25519 = Ed25519NoteSigner(ORIGIN, bytes(32))
MLDSA44 = MlDsa44Cosigner(ORIGIN, bytes(32))
SIGNERS = [ED25519, MLDSA44]
KEYS = [signer.verifier_key for signer in SIGNERS]
SIGNED = sign_checkpoint(CHECKPOINT, SIGNERS, 1790000000)
ROOT_TEXT = base64.b64encode(CHECKPOINT.root_hash).decode()


def test_the_published_checkpoints_are_reproduced_byte_for_byte(vectors_dir: Path) -> None:
    log = json.loads((vectors_dir / "log" / "reference_log.json").read_text(encoding="utf-8"))
    signer = Ed25519NoteSigner(log["origin"], bytes.fromhex(log["ed25519_seed_hex"]))
    for size, expected in log["roots"].items():
        root = root_hash([leaf_hash(b"entry-%d" % i) for i in range(int(size))])
        checkpoint = Checkpoint(log["origin"], int(size), root)
        assert sign_checkpoint(checkpoint, [signer], 0) == expected["checkpoint"]
        opened = open_checkpoint(expected["checkpoint"], [parse_vkey(log["vkey"])])
        assert (opened.checkpoint, opened.timestamp_s) == (checkpoint, None)


def test_a_checkpoint_has_both_signatures_of_the_log() -> None:
    opened = open_checkpoint(SIGNED, KEYS)
    assert opened.checkpoint == CHECKPOINT
    assert opened.timestamp_s == 1790000000
    assert opened.to_text() == SIGNED
    assert open_checkpoint(SIGNED.encode(), KEYS) == opened
    assert [len(line.signature) for line in opened.note.signatures] == [64, 8 + 2420]


@pytest.mark.parametrize("signers", [[ED25519], [MLDSA44]])
def test_one_of_two_signatures_is_not_enough(signers: list[Ed25519NoteSigner]) -> None:
    text = sign_checkpoint(CHECKPOINT, signers, 1790000000)
    with pytest.raises(VerificationError, match="bad_checkpoint"):
        open_checkpoint(text, KEYS)


def test_no_keys_or_keys_of_another_name_open_nothing() -> None:
    other = Ed25519NoteSigner("ledger.example/two", bytes(32))
    signed_by_other = add_cosignature(SIGNED, sign_text(other, format_checkpoint(CHECKPOINT)))
    for keys in ([], [other.verifier_key], [*KEYS, other.verifier_key]):
        with pytest.raises(VerificationError, match="bad_checkpoint"):
            open_checkpoint(signed_by_other, keys)


def test_a_line_of_an_unknown_key_is_ignored() -> None:
    text = add_cosignature(SIGNED, NoteSignature("unknown.example", 5, b"nonsense"))
    assert open_checkpoint(text, KEYS).checkpoint == CHECKPOINT


def test_a_failing_line_of_a_known_key_rejects_the_note() -> None:
    note = parse_note(SIGNED)
    for place, line in enumerate(note.signatures):
        broken = NoteSignature(line.name, line.key_id, line.signature[:-1] + b"\xff")
        lines = list(note.signatures)
        lines[place] = broken
        with pytest.raises(VerificationError, match="bad_checkpoint"):
            open_checkpoint(format_note(Note(note.text, tuple(lines))), KEYS)


def test_a_second_line_of_a_known_key_rejects_the_note() -> None:
    note = parse_note(SIGNED)
    for line in note.signatures:
        twice = format_note(Note(note.text, (*note.signatures, line)))
        with pytest.raises(VerificationError, match="bad_checkpoint"):
            open_checkpoint(twice, KEYS)


def test_every_flipped_bit_fails_with_a_code_or_touches_only_an_unknown_line() -> None:
    witness = Ed25519Cosigner("w.example", bytes(32))
    text = sign_checkpoint(CHECKPOINT, [ED25519], 0)
    text = add_cosignature(text, cosign(witness, CHECKPOINT, format_checkpoint(CHECKPOINT), 1))
    data, accepted = text.encode(), []
    unknown_from = data.index("\u2014 w.example".encode())
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            opened = open_checkpoint(bytes(changed), KEYS[:1])
        except LedgerError as error:
            assert error.code in ("malformed", "bad_checkpoint")
        else:
            assert opened.checkpoint == CHECKPOINT
            accepted.append(bit // 8)
    assert accepted
    assert min(accepted) >= unknown_from


def test_every_flipped_bit_of_the_post_quantum_line_head_and_time_is_refused() -> None:
    line = parse_note(SIGNED).signatures[1]
    text = sign_checkpoint(CHECKPOINT, [ED25519], 0)
    for bit in range(16 * 8):
        changed = bytearray(line.signature)
        changed[bit // 8] ^= 1 << bit % 8
        note = add_cosignature(text, NoteSignature(line.name, line.key_id, bytes(changed)))
        with pytest.raises(VerificationError, match="bad_checkpoint"):
            open_checkpoint(note, KEYS)


@given(
    st.text(st.characters(exclude_categories=["Cs"], min_codepoint=32), min_size=1, max_size=30),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_a_checkpoint_survives_its_text(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"o\n16\n{ROOT_TEXT}",
        f"\n16\n{ROOT_TEXT}\n",
        f"o\n16\n{ROOT_TEXT}\n\n",
        f"o\n16\n{ROOT_TEXT}\nextension\n",
        "o\n16\n",
        f"o\n016\n{ROOT_TEXT}\n",
        f"o\n+4_2\n{ROOT_TEXT}\n",
        f"o\n-1\n{ROOT_TEXT}\n",
        f"o\n 16\n{ROOT_TEXT}\n",
        f"o\n1\u0661\n{ROOT_TEXT}\n",
        f"o\n{2**63}\n{ROOT_TEXT}\n",
        f"o\n16\n{ROOT_TEXT[:-1]}\n",
        f"o\n16\n{ROOT_TEXT[:-4]}\n",
        f"o\n16\n{ROOT_TEXT[:-2]}9=\n",
        f"o\n16\n {ROOT_TEXT}\n",
    ],
)
def test_a_checkpoint_in_any_other_form_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError, match="malformed"):
        parse_checkpoint(text)


def test_extension_lines_are_read_only_where_allowed() -> None:
    text = format_checkpoint(CHECKPOINT) + "of a foreign log\n"
    signed = sign_note(text, [ED25519])
    with pytest.raises(MalformedError):
        open_checkpoint(signed, KEYS[:1])
    opened = open_checkpoint(signed, KEYS[:1], allow_extensions=True)
    assert opened.checkpoint == CHECKPOINT
    assert opened.to_text() == signed
    with pytest.raises(MalformedError):
        parse_checkpoint(text + "\n", allow_extensions=True)


def test_an_overlong_checkpoint_is_too_large() -> None:
    with pytest.raises(MalformedError, match="too_large"):
        parse_checkpoint(f"{'o' * 5000}\n16\n{ROOT_TEXT}\n")


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 1, EMPTY_ROOT),
        Checkpoint("a\nb", 1, EMPTY_ROOT),
        Checkpoint("o", -1, EMPTY_ROOT),
        Checkpoint("o", 2**63, EMPTY_ROOT),
        Checkpoint("o", 1, b"short"),
    ],
)
def test_values_that_make_no_checkpoint_are_not_formatted(checkpoint: Checkpoint) -> None:
    with pytest.raises(MalformedError):
        format_checkpoint(checkpoint)


def test_only_signers_named_like_the_origin_sign() -> None:
    for signers in ([], [Ed25519NoteSigner("else", bytes(32))]):
        with pytest.raises(MalformedError):
            sign_checkpoint(CHECKPOINT, signers, 1)
    with pytest.raises(MalformedError):
        sign_checkpoint(CHECKPOINT, SIGNERS, -1)


@given(st.text(max_size=80))
def test_noise_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_checkpoint(text)
    with pytest.raises(MalformedError):
        open_checkpoint(text, KEYS)
