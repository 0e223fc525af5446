r"""Signed notes: text with signature lines, and the text forms of the keys that sign it.

Implements C2SP signed-note v1.0.0. A note is text that ends in a newline, a blank line, and one or more
lines `— <key name> <base64(4-byte key ID || signature)>`. Keys of three signature types are known here:
Ed25519 over the text (0x01), and the keys of the timestamped cosignatures (0x04 Ed25519, 0x06 ML-DSA-44)
whose messages `ledger.core.cosignature` composes.

>>> signer = Ed25519NoteSigner("example.com/log", bytes(32))
>>> text = sign_note("hello\n", [signer])
>>> parse_note(text).signatures[0].name
'example.com/log'
>>> parse_vkey(format_vkey(signer.verifier_key)) == signer.verifier_key
True
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from ledger.errors import MalformedError, VerificationError

TYPE_ED25519: Final = 0x01
TYPE_ED25519_COSIGNATURE: Final = 0x04
TYPE_MLDSA44_COSIGNATURE: Final = 0x06
PUBLIC_KEY_SIZES: Final = {TYPE_ED25519: 32, TYPE_ED25519_COSIGNATURE: 32, TYPE_MLDSA44_COSIGNATURE: 1312}
"""Bytes of the public key per known signature type."""
SEED_SIZE: Final = 32

MAX_NOTE_SIZE: Final = 64 * 1024
MAX_SIGNATURES: Final = 100
MAX_KEY_NAME_BYTES: Final = 255
_LINE_START: Final = "\u2014 "
_SKEY_START: Final = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name, its 32-bit ID, and the bytes after the ID."""

    name: str
    key_id: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it was read: `text` ends in a newline; nothing is verified yet."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key of a known signature type under a name. `key_id` is derived, never chosen."""

    name: str
    signature_type: int
    public_key: bytes

    @property
    def key_id(self) -> int:
        """The 32-bit key ID that its signature lines carry."""
        return key_id(self.name, self.signature_type, self.public_key)


class NoteSigner(Protocol):
    """Whatever holds a private key: a seed in memory, a token, another process."""

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the bare signature (64 or 2420 bytes) over the message, without key ID or timestamp."""
        ...


class SeedSigner:
    """A `NoteSigner` from a 32-byte seed, for each of the three known signature types.

    Raises:
        MalformedError: the seed is not 32 bytes, the name is not a key name, or (code `unsupported`) the
            signature type is not known.
    """

    __slots__ = ("_private_key", "_verifier_key")

    def __init__(self, name: str, seed: bytes, signature_type: int) -> None:
        if len(seed) != SEED_SIZE:
            raise MalformedError("a seed has 32 bytes", field="seed")
        self._private_key = (
            MLDSA44PrivateKey.from_seed_bytes(seed)
            if signature_type == TYPE_MLDSA44_COSIGNATURE
            else Ed25519PrivateKey.from_private_bytes(seed)
        )
        self._verifier_key = _checked_key(
            name, signature_type, self._private_key.public_key().public_bytes_raw()
        )

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half."""
        return self._verifier_key

    def sign(self, message: bytes) -> bytes:
        """Return the bare signature over the message (RFC 8032, or FIPS 204 with an empty context)."""
        return self._private_key.sign(message)


class Ed25519NoteSigner(SeedSigner):
    """Signs the text of notes: Ed25519, signature type 0x01."""

    def __init__(self, name: str, seed: bytes) -> None:
        super().__init__(name, seed, TYPE_ED25519)


def key_id(name: str, signature_type: int, public_key: bytes) -> int:
    """Return SHA-256(name || 0x0A || type || public key)[:4] as a number (signed-note, "Signatures")."""
    digest = hashlib.sha256(name.encode("utf-8") + b"\n" + bytes([signature_type]) + public_key).digest()
    return int.from_bytes(digest[:4], "big")


def parse_note(data: str | bytes, *, max_size: int = MAX_NOTE_SIZE) -> Note:
    """Read a note without verifying anything.

    Args:
        data: the note, as text or as UTF-8 bytes.
        max_size: largest accepted size in bytes.

    Raises:
        MalformedError: code `too_large` above `max_size` bytes or 100 signature lines; otherwise not UTF-8,
            a control character other than newline, no text before the last blank line, no signature line,
            or a line that is not exactly `— <key name> <canonical base64 of at least 5 bytes>`.
    Source: signed-note, "Format".
    """
    encoded, text = _decode(data, max_size)
    split = text.rfind("\n\n")
    if split < 0:
        raise MalformedError("a note has a blank line between text and signatures", field="note")
    lines = text[split + 2 :].split("\n")
    if lines.pop() != "" or not lines:
        raise MalformedError("a note ends in signature lines with newlines", field="signatures")
    if len(lines) > MAX_SIGNATURES:
        raise MalformedError("the note has too many signatures", field="signatures", code="too_large")
    note = Note(text[: split + 1], tuple(parse_signature_line(line + "\n") for line in lines))
    if format_note(note).encode("utf-8") != encoded:
        raise MalformedError("the note is not in canonical form", field="note")
    return note


def format_note(note: Note) -> str:
    """Return the text of a note; the inverse of `parse_note`.

    Raises:
        MalformedError: the text does not end in a newline or holds control characters, or a key name is not
            one, or there is no signature.
    """
    if not note.text.endswith("\n") or _has_control_characters(note.text) or not note.signatures:
        raise MalformedError("a note is text that ends in a newline, with signatures", field="note")
    return note.text + "\n" + "".join(format_signature_line(line) for line in note.signatures)


def parse_signature_line(line: str) -> NoteSignature:
    """Read one signature line including its newline (signed-note, "Signatures").

    Raises:
        MalformedError: not exactly `— <key name> <canonical base64 of at least 5 bytes>` and a newline.
    """
    parts = line.removeprefix(_LINE_START).split(" ")
    if not line.startswith(_LINE_START) or not line.endswith("\n") or len(parts) != 2:
        raise MalformedError("a signature line is a dash, a key name and base64", field="signatures")
    blob = decode_base64(parts[1][:-1], field="signatures")
    if len(blob) < 5:
        raise MalformedError("a signature line holds a key ID and a signature", field="signatures")
    _check_key_name(parts[0])
    return NoteSignature(parts[0], int.from_bytes(blob[:4], "big"), blob[4:])


def format_signature_line(line: NoteSignature) -> str:
    """Return one signature line including its newline; the inverse of `parse_signature_line`."""
    _check_key_name(line.name)
    blob = base64.b64encode(line.key_id.to_bytes(4, "big") + line.signature).decode("ascii")
    return f"{_LINE_START}{line.name} {blob}\n"


def sign_note(text: str, signers: Sequence[NoteSigner]) -> str:
    """Return the note of this text with one Ed25519 (0x01) line per signer.

    Raises:
        MalformedError: the text is not a note's text; code `unsupported`, a signer of another type.
    """
    return format_note(Note(text, tuple(sign_text(signer, text) for signer in signers)))


def sign_text(signer: NoteSigner, text: str) -> NoteSignature:
    """Return the Ed25519 (0x01) signature line of `signer` over a note's text.

    Raises:
        MalformedError: code `unsupported`, the signer's type is not 0x01.
    """
    key = signer.verifier_key
    if key.signature_type != TYPE_ED25519:
        raise MalformedError("only Ed25519 keys sign a note's text", field="key", code="unsupported")
    return NoteSignature(key.name, key.key_id, signer.sign(text.encode("utf-8")))


def find_line(note: Note, key: VerifierKey) -> NoteSignature | None:
    """Return the line that claims to be by this key (name *and* key ID match), or None.

    Raises:
        VerificationError: `bad_signature`, the key has more than one line. Others skip the second one;
            here a line that nobody verified would look verified.
    Source: signed-note, "Signatures".
    """
    name, number = key.name, key.key_id
    lines = [line for line in note.signatures if line.name == name and line.key_id == number]
    if len(lines) > 1:
        raise VerificationError("bad_signature", "the note has two lines of one key", field="note")
    return lines[0] if lines else None


def check_text_signature(note: Note, key: VerifierKey) -> None:
    """Check that the Ed25519 (0x01) key signed the note's text with exactly one line.

    Lines of other keys are ignored.

    Raises:
        VerificationError: `bad_signature`, the key has no line, more than one, or one that does not verify.
        MalformedError: code `unsupported`, the key's type is not 0x01.
    """
    if key.signature_type != TYPE_ED25519:
        raise MalformedError("only Ed25519 keys sign a note's text", field="key", code="unsupported")
    line = find_line(note, key)
    if line is None:
        raise VerificationError("bad_signature", "the key did not sign the note", field="note")
    check_raw_signature(key, note.text.encode("utf-8"), line.signature)


def check_raw_signature(key: VerifierKey, message: bytes, signature: bytes) -> None:
    """Check a bare signature over a message with the algorithm of the key's type.

    Raises:
        VerificationError: `bad_signature`, it does not verify, or the public key is not a point.
    Source: RFC 8032 for 0x01 and 0x04; FIPS 204, empty context, for 0x06.
    """
    try:
        if key.signature_type == TYPE_MLDSA44_COSIGNATURE:
            MLDSA44PublicKey.from_public_bytes(key.public_key).verify(signature, message)
        else:
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise VerificationError("bad_signature", "a note signature is not valid", field="note") from error


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key `<name>+<8 hex digits>+<base64(type || public key)>`.

    Raises:
        MalformedError: code `unsupported`, the type is not 0x01, 0x04 or 0x06; otherwise not in exactly this
            form, the wrong length of key, or a key ID that is not derived from the rest.
    Source: signed-note, "Verifier keys".
    """
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise MalformedError("a verifier key has three parts", field="vkey")
    blob = decode_base64(parts[2], field="vkey")
    key = _checked_key(parts[0], blob[0] if blob else 0, blob[1:])
    if format_vkey(key) != text:
        raise MalformedError("the verifier key's ID does not belong to it", field="vkey")
    return key


def format_vkey(key: VerifierKey) -> str:
    """Return the text of a verifier key; the inverse of `parse_vkey`."""
    return f"{key.name}+{key.key_id:08x}+{_base64(bytes([key.signature_type]) + key.public_key)}"


def parse_skey(text: str) -> SeedSigner:
    """Read a private key `PRIVATE+KEY+<name>+<8 hex digits>+<base64(type || 32-byte seed)>`.

    Raises:
        MalformedError: code `unsupported`, the type is not 0x01, 0x04 or 0x06; otherwise not in exactly this
            form, or a key ID that is not the one of the public half.
    Source: the text form that golang.org/x/mod/sumdb/note writes.
    """
    parts = text.removeprefix(_SKEY_START).split("+", 2)
    if not text.startswith(_SKEY_START) or len(parts) != 3:
        raise MalformedError("not the text of a private key", field="skey")
    blob = decode_base64(parts[2], field="skey")
    signer = SeedSigner(parts[0], blob[1:], blob[0] if blob else 0)
    if format_skey(parts[0], blob[1:], blob[0]) != text:
        raise MalformedError("the private key's ID does not belong to it", field="skey")
    return signer


def format_skey(name: str, seed: bytes, signature_type: int = TYPE_ED25519) -> str:
    """Return the text of a private key; `parse_skey` makes its signer again."""
    key = SeedSigner(name, seed, signature_type).verifier_key
    return f"{_SKEY_START}{name}+{key.key_id:08x}+{_base64(bytes([signature_type]) + seed)}"


def decode_base64(text: str, *, field: str) -> bytes:
    """Decode padded standard base64, and only its one canonical spelling.

    Raises:
        MalformedError: another character, missing padding, or spare bits that are not zero.
    """
    try:
        decoded = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise MalformedError("not base64", field=field) from error
    if _base64(decoded) != text:
        raise MalformedError("not canonical base64", field=field)
    return decoded


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(data: str | bytes, max_size: int) -> tuple[bytes, str]:
    if len(data) > max_size:
        raise MalformedError("the note is too large", field="note", code="too_large")
    try:
        encoded = data.encode("utf-8") if isinstance(data, str) else bytes(data)
        text = encoded.decode("utf-8")
    except UnicodeError as error:
        raise MalformedError("a note is UTF-8 text", field="note") from error
    if len(encoded) > max_size:
        raise MalformedError("the note is too large", field="note", code="too_large")
    if _has_control_characters(text):
        raise MalformedError("a note holds no control characters", field="note")
    return encoded, text


def _has_control_characters(text: str) -> bool:
    return any(character < " " and character != "\n" for character in text)


def _check_key_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise MalformedError("a key name is not empty and has no spaces or plus signs", field="name")
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise MalformedError("a key name is UTF-8 text", field="name")


def _checked_key(name: str, signature_type: int, public_key: bytes) -> VerifierKey:
    size = PUBLIC_KEY_SIZES.get(signature_type)
    if size is None:
        raise MalformedError("not a known signature type", field="key", code="unsupported")
    if len(public_key) != size:
        raise MalformedError("the public key has the wrong length", field="key")
    _check_key_name(name)
    if len(name.encode("utf-8")) > MAX_KEY_NAME_BYTES:
        raise MalformedError("the key name is too long", field="name", code="too_large")
    return VerifierKey(name, signature_type, public_key)
