r"""Cosignatures: timestamped statements of witnesses, and of the log itself, about a checkpoint.

Implements C2SP tlog-cosignature: Ed25519 `cosignature/v1` (signature type 0x04) and ML-DSA-44 `subtree/v1`
(0x06) of whole trees. Both put a POSIX timestamp in seconds before the signature. A cosignature says: as of
this time, the largest consistent tree that I have seen of this log has this root.

>>> from ledger.core.checkpoint import Checkpoint, format_checkpoint
>>> from ledger.core.merkle import EMPTY_ROOT
>>> checkpoint = Checkpoint("example.com/log", 0, EMPTY_ROOT)
>>> witness = Ed25519Cosigner("witness.example/w1", bytes(32))
>>> text = format_checkpoint(checkpoint)
>>> line = cosign(witness, checkpoint, text, timestamp_s=1790000000)
>>> check_cosignature(witness.verifier_key, line, checkpoint, text)
1790000000
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from ledger.core.note import (
    TYPE_ED25519_COSIGNATURE,
    TYPE_MLDSA44_COSIGNATURE,
    Note,
    NoteSignature,
    NoteSigner,
    SeedSigner,
    VerifierKey,
    check_raw_signature,
    find_line,
    format_note,
    parse_note,
    parse_signature_line,
    parse_vkey,
)
from ledger.errors import MalformedError, VerificationError

if TYPE_CHECKING:  # checkpoint.py builds on this module
    from ledger.core.checkpoint import Checkpoint

CosignerKey: TypeAlias = VerifierKey
"""A `VerifierKey` of signature type 0x04 or 0x06."""

COSIGNATURE_TYPES: Final = (TYPE_ED25519_COSIGNATURE, TYPE_MLDSA44_COSIGNATURE)
MAX_TIMESTAMP_S: Final = 2**63 - 1
END_OF_TIME_S: Final = 253_402_300_800
"""The year 10000: calendars end before it, and so does the time that a cosignature may claim."""
_TIMESTAMP_SIZE: Final = 8
_SUBTREE_LABEL: Final = b"subtree/v1\n\x00"


class Ed25519Cosigner(SeedSigner):
    """Cosigns with Ed25519, signature type 0x04.

    The signed message does not name the cosigner: use one key per role.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        super().__init__(name, seed, TYPE_ED25519_COSIGNATURE)


class MlDsa44Cosigner(SeedSigner):
    """Cosigns with ML-DSA-44, signature type 0x06; also the second signature of a log."""

    def __init__(self, name: str, seed: bytes) -> None:
        super().__init__(name, seed, TYPE_MLDSA44_COSIGNATURE)


def parse_cosigner_vkey(text: str) -> CosignerKey:
    """Read the verifier key of a cosigner.

    Raises:
        MalformedError: not a verifier key, or (code `unsupported`) not of type 0x04 or 0x06.
    """
    key = parse_vkey(text)
    if key.signature_type not in COSIGNATURE_TYPES:
        raise MalformedError("not the key of a cosigner", field="vkey", code="unsupported")
    return key


def cosigned_message(key: CosignerKey, checkpoint: Checkpoint, text: str, timestamp_s: int) -> bytes:
    """Return the bytes that a cosigner signs.

    Args:
        key: the cosigner; its type chooses the form of the message.
        checkpoint: the parsed checkpoint.
        text: the note text that `checkpoint` was parsed from, with any extension lines.
        timestamp_s: POSIX time in seconds.

    Raises:
        MalformedError: the timestamp is not 0 to 2^63 - 1; for 0x06 the origin is longer than 255 bytes; code
            `unsupported`, the key is of another type.
    Source: tlog-cosignature, "Ed25519 signed message" and "ML-DSA-44 signed message".
    """
    if not 0 <= timestamp_s <= MAX_TIMESTAMP_S:
        raise MalformedError("the time of the cosignature is out of range", field="timestamp")
    if key.signature_type == TYPE_ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {timestamp_s}\n{text}".encode()
    if key.signature_type != TYPE_MLDSA44_COSIGNATURE:
        raise MalformedError("not the key of a cosigner", field="key", code="unsupported")
    return b"".join(
        (
            _SUBTREE_LABEL,
            _short_string(key.name),
            timestamp_s.to_bytes(8, "big"),
            _short_string(checkpoint.origin),
            bytes(8),  # start: a checkpoint covers the tree from its first leaf
            checkpoint.tree_size.to_bytes(8, "big"),
            checkpoint.root_hash,
        )
    )


def cosign(signer: NoteSigner, checkpoint: Checkpoint, text: str, timestamp_s: int) -> NoteSignature:
    """Return the cosignature line of `signer` on a checkpoint whose consistency it has checked.

    Raises:
        MalformedError: as `cosigned_message`.
    """
    key = signer.verifier_key
    message = cosigned_message(key, checkpoint, text, timestamp_s)
    return NoteSignature(key.name, key.key_id, timestamp_s.to_bytes(8, "big") + signer.sign(message))


def check_cosignature(key: CosignerKey, line: NoteSignature, checkpoint: Checkpoint, text: str) -> int:
    """Check one cosignature line of a known key and return its time in seconds.

    Raises:
        VerificationError: `bad_checkpoint`, it does not verify or its time lies after the year 9999.
        MalformedError: code `unsupported`, the key is not of type 0x04 or 0x06.
    Source: tlog-cosignature, "Format".
    """
    if key.signature_type not in COSIGNATURE_TYPES:
        raise MalformedError("not the key of a cosigner", field="key", code="unsupported")
    timestamp_s = int.from_bytes(line.signature[:_TIMESTAMP_SIZE], "big")
    if timestamp_s >= END_OF_TIME_S:
        raise VerificationError("bad_checkpoint", "a cosignature is of no time that counts", field="note")
    try:
        message = cosigned_message(key, checkpoint, text, timestamp_s)
        check_raw_signature(key, message, line.signature[_TIMESTAMP_SIZE:])
    except (MalformedError, VerificationError) as error:
        raise VerificationError("bad_checkpoint", "a cosignature does not verify", field="note") from error
    return timestamp_s


def check_cosignatures(
    note: Note, checkpoint: Checkpoint, witnesses: Mapping[str, CosignerKey]
) -> dict[str, int]:
    """Return {local name: time in seconds} of the known witnesses that cosigned the checkpoint.

    Args:
        note: the note that `checkpoint` was parsed from.
        checkpoint: the parsed checkpoint.
        witnesses: local name (as in the policy) -> key. A line belongs to a key by key name *and* key ID.

    Raises:
        VerificationError: `bad_checkpoint`, a known witness has a line that does not verify, or two lines.
            Lines of unknown keys are ignored; a witness without a line is absent from the result.
    Source: signed-note, "Signatures"; tlog-cosignature.
    """
    times: dict[str, int] = {}
    for name, key in witnesses.items():
        try:
            line = find_line(note, key)
        except VerificationError as error:
            raise VerificationError("bad_checkpoint", error.detail, field="note") from error
        if line is not None:
            times[name] = check_cosignature(key, line, checkpoint, note.text)
    return times


def add_cosignature(note_text: str, line: str | NoteSignature) -> str:
    """Return the note with the line added at the end, or in the place of the same key's earlier line.

    The caller has verified the line; replacing is how the hourly cosignature renews an older one.

    Raises:
        MalformedError: the note or the line is not canonical, or the result exceeds the caps of a note.
    """
    note = parse_note(note_text)
    added = parse_signature_line(line) if isinstance(line, str) else line
    lines = list(note.signatures)
    places = [i for i, old in enumerate(lines) if (old.name, old.key_id) == (added.name, added.key_id)]
    if places:
        lines[places[0]] = added
    else:
        lines.append(added)
    result = format_note(Note(note.text, tuple(lines)))
    parse_note(result)
    return result


def _short_string(text: str) -> bytes:
    """Encode a TLS `opaque<1..2^8-1>`."""
    data = text.encode("utf-8")
    if not 1 <= len(data) <= 255:
        raise MalformedError("a name in a cosignature has 1 to 255 bytes", field="name")
    return bytes([len(data)]) + data
