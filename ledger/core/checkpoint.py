r"""Checkpoints: the signed heads of the ledger.

Implements C2SP tlog-checkpoint with the profile of docs/protocol.md, section 8: the origin is the key name,
there are no extension lines, and the log signs twice, with Ed25519 over the text (0x01) and with a
timestamped ML-DSA-44 cosignature under its own name (0x06). A verifier requires both.

>>> from ledger.core.cosignature import MlDsa44Cosigner
>>> from ledger.core.merkle import EMPTY_ROOT
>>> from ledger.core.note import Ed25519NoteSigner
>>> signers = [Ed25519NoteSigner("example.com/log", bytes(32)), MlDsa44Cosigner("example.com/log", bytes(32))]
>>> text = sign_checkpoint(Checkpoint("example.com/log", 0, EMPTY_ROOT), signers, timestamp_s=1790000000)
>>> text.splitlines()[:3]
['example.com/log', '0', '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']
>>> open_checkpoint(text, [signer.verifier_key for signer in signers]).timestamp_s
1790000000
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core.cosignature import check_cosignature, cosign
from ledger.core.merkle import HASH_SIZE, MAX_TREE_SIZE
from ledger.core.note import (
    TYPE_ED25519,
    Note,
    NoteSignature,
    NoteSigner,
    VerifierKey,
    check_raw_signature,
    decode_base64,
    find_line,
    format_note,
    parse_note,
    sign_text,
)
from ledger.errors import MalformedError, VerificationError

MAX_TEXT_SIZE: Final = 4096
"""Largest accepted checkpoint text in bytes, without signatures."""
_TREE_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: which log, how many leaves, and the 32-byte root over them."""

    origin: str
    tree_size: int
    root_hash: bytes


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose log signatures were checked.

    Attributes:
        checkpoint: the head.
        note: the parsed note; the lines that are not the log's are still unverified.
        timestamp_s: time of the log's own 0x06 cosignature in seconds, None where no such key was required.
            It is the log's word only and never counts as witnessed time.
    """

    checkpoint: Checkpoint
    note: Note
    timestamp_s: int | None

    def to_text(self) -> str:
        """Return the note exactly as it was opened."""
        return format_note(self.note)


def parse_checkpoint(text: str, *, allow_extensions: bool = False) -> Checkpoint:
    """Read the text of a checkpoint note, without its signatures.

    The root of an empty tree is not compared with the empty root here: that is a question of consistency,
    which `merkle.check_consistency` answers.

    Args:
        text: the note text, ending in a newline.
        allow_extensions: accept (and drop) extension lines of foreign logs; ours have none.

    Raises:
        MalformedError: code `too_large` above 4096 bytes; otherwise not exactly an origin, a decimal tree
            size up to 2^63 - 1 without leading zeros and a canonical base64 root of 32 bytes, or an
            extension line that is empty or not allowed.
    Source: tlog-checkpoint, "Note text".
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_SIZE:
        raise MalformedError("the checkpoint is too large", field="checkpoint", code="too_large")
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) < 3 or "" in lines:
        raise MalformedError("a checkpoint has three lines", field="checkpoint")
    if len(lines) > 3 and not allow_extensions:
        raise MalformedError("extension lines are not allowed", field="checkpoint")
    size = int(lines[1]) if _TREE_SIZE.fullmatch(lines[1]) else -1
    if not 0 <= size <= MAX_TREE_SIZE:
        raise MalformedError("the tree size is not a canonical number", field="tree_size")
    root = decode_base64(lines[2], field="root_hash")
    if len(root) != HASH_SIZE:
        raise MalformedError("the root hash has 32 bytes", field="root_hash")
    return Checkpoint(lines[0], size, root)


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the three lines of a checkpoint; the inverse of `parse_checkpoint`.

    Raises:
        MalformedError: the fields do not make a canonical checkpoint text.
    """
    root = base64.b64encode(checkpoint.root_hash).decode("ascii")
    text = f"{checkpoint.origin}\n{checkpoint.tree_size}\n{root}\n"
    if parse_checkpoint(text) != checkpoint:
        raise MalformedError("the values do not make a checkpoint", field="checkpoint")
    return text


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[NoteSigner], timestamp_s: int) -> str:
    """Return the checkpoint note with one line per signer of the log, in the order given.

    Args:
        checkpoint: the head; it must be consistent with every head signed before, which the caller owns.
        signers: the log's signers, all named like the origin: 0x01 over the text, 0x06 with the timestamp.
        timestamp_s: POSIX time in seconds for the 0x06 line.

    Raises:
        MalformedError: no signer, a signer whose name is not the origin, or values out of range.
    Source: tlog-checkpoint, "Signatures"; tlog-tiles, "Checkpoints".
    """
    text = format_checkpoint(checkpoint)
    if not signers or any(signer.verifier_key.name != checkpoint.origin for signer in signers):
        raise MalformedError("the log's key name is the origin", field="origin")
    lines = [_sign_line(signer, checkpoint, text, timestamp_s) for signer in signers]
    return format_note(Note(text, tuple(lines)))


def open_checkpoint(
    data: str | bytes, log_keys: Sequence[VerifierKey], *, allow_extensions: bool = False
) -> SignedCheckpoint:
    """Check a checkpoint note against the log's keys, every one of which must have signed it.

    Lines of other keys are ignored and stay unverified.

    Args:
        data: the note.
        log_keys: the log's keys; at least one. Ours have an Ed25519 and an ML-DSA-44 key.
        allow_extensions: accept extension lines of foreign logs.

    Raises:
        MalformedError: the note or its text is not canonical, or above the caps.
        VerificationError: `bad_checkpoint`, no keys were given, a key is not named like the origin, or has
            no line, two lines, or a line that does not verify.
    Source: signed-note, "Signatures"; docs/protocol.md, section 8.
    """
    note = parse_note(data)
    checkpoint = parse_checkpoint(note.text, allow_extensions=allow_extensions)
    if not log_keys or any(key.name != checkpoint.origin for key in log_keys):
        raise VerificationError("bad_checkpoint", "the checkpoint is not of this log", field="origin")
    times = [_check_line(key, note, checkpoint) for key in log_keys]
    return SignedCheckpoint(checkpoint, note, next((time for time in times if time is not None), None))


def _sign_line(signer: NoteSigner, checkpoint: Checkpoint, text: str, timestamp_s: int) -> NoteSignature:
    if signer.verifier_key.signature_type == TYPE_ED25519:
        return sign_text(signer, text)
    return cosign(signer, checkpoint, text, timestamp_s)


def _check_line(key: VerifierKey, note: Note, checkpoint: Checkpoint) -> int | None:
    try:
        line = find_line(note, key)
        if line is None:
            raise VerificationError("bad_checkpoint", "a signature of the log is missing", field="note")
        if key.signature_type != TYPE_ED25519:
            return check_cosignature(key, line, checkpoint, note.text)
        check_raw_signature(key, note.text.encode("utf-8"), line.signature)
        return None
    except VerificationError as error:
        raise VerificationError("bad_checkpoint", error.detail, field=error.field) from error
