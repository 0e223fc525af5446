"""Signed notes are read in one form only, and keys survive their texts."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.note import (
    MAX_NOTE_SIZE,
    TYPE_ED25519,
    TYPE_ED25519_COSIGNATURE,
    TYPE_MLDSA44_COSIGNATURE,
    Ed25519NoteSigner,
    Note,
    NoteSignature,
    SeedSigner,
    VerifierKey,
    check_text_signature,
    find_line,
    format_note,
    format_skey,
    format_vkey,
    key_id,
    parse_note,
    parse_signature_line,
    parse_skey,
    parse_vkey,
    sign_note,
    sign_text,
)
from ledger.errors import LedgerError, MalformedError, VerificationError

EXAMPLE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_SIGNATURE = (
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
)
EXAMPLE = f"This is an example message.\n\n\u2014 example.com/foo {EXAMPLE_SIGNATURE}\n"

SIGNER = Ed25519NoteSigner("example.com/log", bytes(range(32)))
KEY = SIGNER.verifier_key

names = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=12
).filter(lambda name: "+" not in name)
texts = st.text(st.characters(exclude_categories=["Cs"], min_codepoint=32) | st.just("\n"), max_size=40)
lines = st.builds(NoteSignature, names, st.integers(0, 2**32 - 1), st.binary(min_size=1, max_size=80))


def test_the_published_example_verifies() -> None:
    key, note = parse_vkey(EXAMPLE_VKEY), parse_note(EXAMPLE)
    assert (key.name, key.key_id, key.signature_type) == ("example.com/foo", 0x530D903A, TYPE_ED25519)
    assert format_vkey(key) == EXAMPLE_VKEY
    check_text_signature(note, key)
    assert format_note(note) == EXAMPLE
    assert parse_note(EXAMPLE.encode()) == note


def test_the_published_log_key_is_reproduced_from_its_seed(vectors_dir: Path) -> None:
    log = json.loads((vectors_dir / "log" / "reference_log.json").read_text(encoding="utf-8"))
    signer = Ed25519NoteSigner(log["origin"], bytes.fromhex(log["ed25519_seed_hex"]))
    assert format_vkey(signer.verifier_key) == log["vkey"]


@given(texts.map(lambda text: text + "\n"), st.lists(lines, min_size=1, max_size=5))
def test_a_note_survives_its_text(text: str, signatures: list[NoteSignature]) -> None:
    note = Note(text, tuple(signatures))
    assert parse_note(format_note(note)) == note


def test_a_signed_note_verifies_and_a_changed_text_does_not() -> None:
    text = sign_note("one\n\ntwo\n", [SIGNER])
    check_text_signature(parse_note(text), KEY)
    with pytest.raises(VerificationError, match="bad_signature"):
        check_text_signature(parse_note(text.replace("two", "too")), KEY)


def test_a_line_that_matches_only_name_or_only_id_is_unknown() -> None:
    line = sign_text(SIGNER, "x\n")
    for other in (NoteSignature("else", line.key_id, b"bad"), NoteSignature(line.name, 7, b"bad")):
        note = Note("x\n", (other, line))
        assert find_line(note, KEY) == line
        check_text_signature(note, KEY)
        with pytest.raises(VerificationError, match="bad_signature"):
            check_text_signature(Note("x\n", (other,)), KEY)


def test_a_second_line_of_a_key_is_refused_even_when_equal() -> None:
    line = sign_text(SIGNER, "x\n")
    with pytest.raises(VerificationError, match="bad_signature"):
        check_text_signature(Note("x\n", (line, line)), KEY)


def test_a_key_of_another_type_never_checks_a_text() -> None:
    other = SeedSigner("example.com/log", bytes(32), TYPE_ED25519_COSIGNATURE)
    with pytest.raises(MalformedError, match="unsupported"):
        sign_text(other, "x\n")
    with pytest.raises(MalformedError, match="unsupported"):
        check_text_signature(parse_note(EXAMPLE), other.verifier_key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\u2014 n Uw2QOgA=\n",
        f"text\n\n\u2014 n {EXAMPLE_SIGNATURE}",
        f"text\n\n\u2014 n {EXAMPLE_SIGNATURE}\n\n",
        f"text\n\n\u2014 n  {EXAMPLE_SIGNATURE}\n",
        f"text\n\n\u2014  n {EXAMPLE_SIGNATURE}\n",
        f"text\n\n- n {EXAMPLE_SIGNATURE}\n",
        f"text\n\n\u2014 n {EXAMPLE_SIGNATURE} \n",
        f"text\n\n\u2014 n {EXAMPLE_SIGNATURE}\r\n",
        f"te\txt\n\n\u2014 n {EXAMPLE_SIGNATURE}\n",
        f"text\x00\n\n\u2014 n {EXAMPLE_SIGNATURE}\n",
        f"text\n\n\u2014 a+b {EXAMPLE_SIGNATURE}\n",
        f"text\n\n\u2014 a\u00a0b {EXAMPLE_SIGNATURE}\n",
        f"text\n\n\u2014  {EXAMPLE_SIGNATURE}\n",
        "text\n\n\u2014 n Uw2QOg==\n",
        "text\n\n\u2014 n Uw2QOgB=\n",
        "text\n\n\u2014 n Uw2QOgA\n",
        "text\n\n\u2014 n Uw2Q*gA=\n",
        "text\n\n\u2014 n Uw2QOgAé\n",
        f"text\ud800\n\n\u2014 n {EXAMPLE_SIGNATURE}\n",
    ],
)
def test_a_note_in_any_other_form_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError, match="malformed"):
        parse_note(text)


def test_bytes_that_are_not_utf8_are_malformed() -> None:
    with pytest.raises(MalformedError, match="malformed"):
        parse_note(EXAMPLE.encode().replace(b"example message", b"\xff"))


def test_the_caps_on_size_and_number_of_signatures_hold() -> None:
    line = NoteSignature("n", 1, bytes(64))
    assert len(parse_note(format_note(Note("x\n", (line,) * 100))).signatures) == 100
    with pytest.raises(MalformedError, match="too_large"):
        parse_note(format_note(Note("x\n", (line,) * 101)))
    post_quantum = NoteSignature("witness.example/pq", 1, bytes(8 + 2420))
    assert len(parse_note(format_note(Note("x\n", (post_quantum,) * 16))).signatures) == 16
    with pytest.raises(MalformedError, match="too_large"):
        parse_note("é" * (MAX_NOTE_SIZE // 2) + EXAMPLE)
    with pytest.raises(MalformedError, match="too_large"):
        parse_note(EXAMPLE, max_size=len(EXAMPLE))


@pytest.mark.parametrize("text", ["x", "", "a\x01\n", "a\rb\n"])
def test_a_text_that_is_none_is_not_formatted(text: str) -> None:
    with pytest.raises(MalformedError):
        sign_note(text, [SIGNER])
    with pytest.raises(MalformedError):
        format_note(Note("fine\n", ()))


def test_a_signature_line_needs_its_newline() -> None:
    with pytest.raises(MalformedError):
        parse_signature_line(f"\u2014 n {EXAMPLE_SIGNATURE}")


@pytest.mark.parametrize("kind", [TYPE_ED25519, TYPE_ED25519_COSIGNATURE, TYPE_MLDSA44_COSIGNATURE])
def test_public_and_private_keys_survive_their_texts(kind: int) -> None:
    signer = SeedSigner("example.com/log", bytes(range(32)), kind)
    assert parse_vkey(format_vkey(signer.verifier_key)) == signer.verifier_key
    text = format_skey("example.com/log", bytes(range(32)), kind)
    assert text.startswith(f"PRIVATE+KEY+example.com/log+{signer.verifier_key.key_id:08x}+")
    assert parse_skey(text).verifier_key == signer.verifier_key
    assert repr(signer).find("000102") < 0


def test_the_key_id_depends_on_the_type() -> None:
    ids = {key_id("n", kind, bytes(32)) for kind in (1, 4, 6)}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "malformed"),
        ("example.com/foo+530d903a", "malformed"),
        (EXAMPLE_VKEY.replace("530d903a", "530D903A"), "malformed"),
        (EXAMPLE_VKEY.replace("530d903a", "530d903b"), "malformed"),
        (EXAMPLE_VKEY.replace("example.com/foo", "example.com/bar"), "malformed"),
        (EXAMPLE_VKEY.replace("example.com/foo", ""), "malformed"),
        (EXAMPLE_VKEY[:-4], "malformed"),
        (EXAMPLE_VKEY + "=", "malformed"),
        ("a b" + EXAMPLE_VKEY[15:], "malformed"),
        ("n+00000000+", "unsupported"),
        ("n+00000000+" + base64.b64encode(b"\x02" + bytes(32)).decode(), "unsupported"),
        ("n" * 256 + "+00000000+" + base64.b64encode(b"\x01" + bytes(32)).decode(), "too_large"),
    ],
)
def test_a_verifier_key_in_any_other_form_is_refused(text: str, code: str) -> None:
    with pytest.raises(MalformedError, match=code):
        parse_vkey(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\u0085b", "a\x00b", "a\nb", "a\ud800"])
def test_what_is_no_key_name_makes_no_key(name: str) -> None:
    with pytest.raises(MalformedError, match="malformed"):
        Ed25519NoteSigner(name, bytes(32))


def test_a_private_key_in_any_other_form_is_refused() -> None:
    text = format_skey("n", bytes(32))
    wrong_type = "PRIVATE+KEY+n+00000000+" + base64.b64encode(b"\x02" + bytes(32)).decode()
    wrong = [text[1:], text.replace("+n+", "+m+"), text[:-4], text + "\n", "PRIVATE+KEY+n", wrong_type]
    for other in wrong:
        with pytest.raises(MalformedError):
            parse_skey(other)


def test_a_public_key_that_is_no_point_verifies_nothing() -> None:
    key = VerifierKey("n", TYPE_ED25519, b"\x02" + bytes(30) + b"\xff")
    note = Note("x\n", (NoteSignature("n", key.key_id, bytes(64)),))
    with pytest.raises(VerificationError, match="bad_signature"):
        check_text_signature(note, key)


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_noise_is_refused_by_every_parser_with_a_named_error(data: str | bytes) -> None:
    with pytest.raises(LedgerError):
        parse_note(data)
    text = data if isinstance(data, str) else data.decode("latin-1")
    for parse in (parse_vkey, parse_skey, parse_signature_line):
        with pytest.raises(LedgerError):
            parse(text)


@given(st.integers(0, len(EXAMPLE.encode()) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_changes_what_is_read(place: int, value: int) -> None:
    data = bytearray(EXAMPLE.encode())
    data[place] = value
    try:
        note = parse_note(bytes(data))
    except MalformedError:
        return
    assert format_note(note).encode() == bytes(data)
