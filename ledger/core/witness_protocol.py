r"""The witness protocol: what is asked, how a witness decides, what it answers, and how that is read.

Implements C2SP tlog-witness, "add-checkpoint", without network, disk or clock. `decide` is the whole of a
witness's judgement: a request and what is known of the log give an `Acceptance` or a `Refusal` with the
status of the specification. The reading side takes more than the writing side gives: witnesses in the field
answer 409 without a body where the roots differ, forget the media type, or say 403 where 404 is meant.

>>> from ledger.core.checkpoint import Checkpoint, sign_checkpoint
>>> from ledger.core.note import Ed25519NoteSigner
>>> log = Ed25519NoteSigner("example.com/log", bytes(32))
>>> note = sign_checkpoint(Checkpoint("example.com/log", 0, EMPTY_ROOT), [log], timestamp_s=0)
>>> request = parse_add_checkpoint(b"old 0\n\n" + note.encode())
>>> decide(request, None).status
404
>>> decide(request, KnownLog(((log.verifier_key,),))).signed.checkpoint.tree_size
0
>>> read_answer(409, b"32\n")
Conflict(size=32)
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint
from ledger.core.cosignature import check_cosignature
from ledger.core.merkle import EMPTY_ROOT, HASH_SIZE, MAX_TREE_SIZE, check_consistency
from ledger.core.note import (
    MAX_NOTE_SIZE,
    MAX_SIGNATURES,
    TYPE_ED25519,
    Note,
    NoteSignature,
    VerifierKey,
    check_raw_signature,
    decode_base64,
    find_line,
    format_signature_line,
    parse_note,
    parse_signature_line,
)
from ledger.errors import LedgerError, MalformedError, VerificationError

MAX_PROOF_LINES: Final = 63
MAX_REQUEST_SIZE: Final = MAX_NOTE_SIZE + 32 + MAX_PROOF_LINES * 45
"""Largest request in bytes: the old size, 63 hashes in base64, and the largest note."""
MAX_ANSWER_SIZE: Final = MAX_NOTE_SIZE
SIZE_TYPE: Final = "text/x.tlog.size"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n?")
_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_SAID_BYTES: Final = 160
"""So much of the words of a refusal is told on, without anything but letters, digits and signs of ASCII."""
_SECONDS: Final = re.compile(r"[0-9]{1,6}", re.ASCII)

KeySet = tuple[VerifierKey, ...]
"""Keys of a log that sign together: each of them must have signed what is cosigned."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: the size that the proof starts from, the proof (32-byte hashes), the checkpoint note."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str


@dataclass(frozen=True, slots=True)
class KnownLog:
    """What a witness knows of one log.

    Attributes:
        key_sets: sets of keys, each of which may have signed a checkpoint alone; more than one while the
            log changes its keys.
        tree_size, root_hash: the last checkpoint that it cosigned; the empty tree if it never did.
        allow_extensions: whether the log's checkpoints may have extension lines; a ledger's may not.
    """

    key_sets: tuple[KeySet, ...]
    tree_size: int = 0
    root_hash: bytes = EMPTY_ROOT
    allow_extensions: bool = False


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The checkpoint is to be remembered and cosigned. The note holds the lines of the log's known keys only."""

    signed: SignedCheckpoint


@dataclass(frozen=True, slots=True)
class Refusal:
    """The checkpoint is not cosigned.

    Attributes:
        status: 400, 403, 404, 409 or 422, as the specification says.
        code: a name of `ledger.codes`.
        detail: one sentence for people.
        size: with 409, the size of the last cosigned checkpoint.
        signed: the checkpoint if the log did sign it; then it may be proof of misbehaviour.
    """

    status: int
    code: str
    detail: str
    size: int | None = None
    signed: SignedCheckpoint | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `retry_after_s` is the header Retry-After, None without it."""

    status: int
    media_type: str
    body: bytes
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Cosigned:
    """An answer with signature lines, none of them verified."""

    lines: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """An answer that names the size to ask from; None where the witness does not say."""

    size: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that will be the same if it is asked again."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Busy:
    """No answer now; ask again after so many seconds, None where the witness does not say."""

    retry_after_s: int | None
    detail: str


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Read the body of an add-checkpoint request.

    Raises:
        MalformedError: code `too_large` above `MAX_REQUEST_SIZE`; otherwise not an old size line, at most 63
            lines of canonical base64 of 32 bytes, an empty line, and a note (whose form `decide` judges).
    Source: tlog-witness, "add-checkpoint".
    """
    if len(body) > MAX_REQUEST_SIZE:
        raise MalformedError("the request is too large", field="request", code="too_large")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("a request is UTF-8 text", field="request") from error
    head, separator, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    match = _OLD.fullmatch(first)
    if not separator or match is None or int(match[1]) > MAX_TREE_SIZE:
        raise MalformedError("a request begins with the old size", field="old_size")
    if len(lines) > MAX_PROOF_LINES:
        raise MalformedError("a consistency proof has at most 63 hashes", field="proof")
    proof = tuple(decode_base64(line, field="proof") for line in lines)
    if any(len(item) != HASH_SIZE for item in proof):
        raise MalformedError("a hash of the proof has 32 bytes", field="proof")
    return AddCheckpoint(int(match[1]), proof, note)


def format_add_checkpoint(request: AddCheckpoint) -> bytes:
    """Return the body of a request; the inverse of `parse_add_checkpoint`.

    Raises:
        MalformedError: the values do not make a request.
    """
    lines = [f"old {request.old_size}", *(base64.b64encode(item).decode() for item in request.proof)]
    body = ("\n".join(lines) + "\n\n" + request.note).encode("utf-8", "surrogatepass")
    if parse_add_checkpoint(body) != request:
        raise MalformedError("the values do not make a request", field="request")
    return body


def origin_of(request: AddCheckpoint) -> str:
    """Return the origin line of the checkpoint, for the look-up of the log; nothing of it is checked."""
    return request.note.partition("\n")[0]


def origin_path(origin: str) -> str:
    """Return the path of the monitoring endpoint below its prefix: `<hex SHA-256 of the origin>/checkpoint`."""
    return hashlib.sha256(origin.encode()).hexdigest() + "/checkpoint"


def decide(request: AddCheckpoint, log: KnownLog | None) -> Acceptance | Refusal:
    """Judge a request.

    Args:
        request: what is asked.
        log: what is known of the log with the checkpoint's origin, None if nothing.

    Returns:
        An `Acceptance`, or a `Refusal` with the first of: 400 not a checkpoint; 404 not a known log; 403 no
        set of keys has signed it whole, or a line of a known key does not verify; 400 the old size is above
        the new one; 409 it is not the size that was cosigned last; 422 the new tree does not extend that one.
    Source: tlog-witness, "add-checkpoint".
    """
    try:
        note = parse_note(request.note)
        checkpoint = parse_checkpoint(note.text, allow_extensions=log is None or log.allow_extensions)
    except MalformedError as error:
        return Refusal(400, error.code, error.detail)
    if log is None:
        return Refusal(404, "not_found", "this witness does not know the log")
    try:
        signed = _open_signed(note, checkpoint, log.key_sets)
    except VerificationError as error:
        return Refusal(403, error.code, error.detail)
    if request.old_size > checkpoint.tree_size:
        return Refusal(400, "malformed", "the old size is above that of the checkpoint", signed=signed)
    if request.old_size != log.tree_size:
        detail = "the proof does not start from the size that was cosigned last"
        return Refusal(409, "inconsistent", detail, size=log.tree_size, signed=signed)
    try:
        check_consistency(
            log.tree_size, log.root_hash, checkpoint.tree_size, checkpoint.root_hash, request.proof
        )
    except LedgerError:
        detail = "the checkpoint does not extend the one that was cosigned last"
        return Refusal(422, "inconsistent", detail, signed=signed)
    return Acceptance(signed)


def decide_body(body: bytes, logs: Mapping[str, KnownLog]) -> Acceptance | Refusal:
    """Judge the bytes of a request against all logs by origin; as `decide`, and 400 for another form."""
    try:
        request = parse_add_checkpoint(body)
    except MalformedError as error:
        return Refusal(400, error.code, error.detail)
    return decide(request, logs.get(origin_of(request)))


def format_refusal(refusal: Refusal) -> Answer:
    """Return the HTTP answer of a refusal: with 409 the size alone, else the reason in words."""
    if refusal.size is not None:
        return Answer(refusal.status, SIZE_TYPE, b"%d\n" % refusal.size)
    return Answer(refusal.status, TEXT_TYPE, f"{refusal.code}: {refusal.detail}\n".encode())


def format_cosigned(lines: Sequence[NoteSignature]) -> Answer:
    """Return the HTTP answer with signature lines."""
    return Answer(200, TEXT_TYPE, "".join(format_signature_line(line) for line in lines).encode())


def read_answer(status: int, body: bytes, retry_after: str = "") -> Cosigned | Conflict | Refused | Busy:
    """Read the answer of any witness; the lines of a `Cosigned` are still to be verified.

    Args:
        status, body: of the answer. The media type is not asked for: some witnesses forget it.
        retry_after: header Retry-After, "" without it.

    Returns:
        What it means: 200 with signature lines; 409 with a size or without; 429 and 5xx are busy; anything
        else, also a 200 in another form, is refused.
    """
    if status == 200:
        try:
            return Cosigned(_signature_lines(body))
        except MalformedError:
            return Refused("malformed", "the witness answered with something else than signature lines")
    if status == 409:
        match = _SIZE.fullmatch(body)
        size = int(match[1]) if match else None
        return Conflict(size if size is not None and size <= MAX_TREE_SIZE else None)
    if status == 429 or 500 <= status <= 599:
        known = _SECONDS.fullmatch(retry_after)
        return Busy(int(retry_after) if known else None, f"the witness answered with status {status}")
    meanings = {
        400: ("malformed", "the witness cannot read the request"),
        403: ("bad_checkpoint", "the witness does not know the log, or not the keys that signed"),
        404: ("not_found", "the witness does not know the log"),
        422: ("inconsistent", "the witness says that the checkpoint does not extend what it has seen"),
    }
    code, detail = meanings.get(status, ("unsupported", f"the witness answered with status {status}"))
    said = "".join(chr(byte) for byte in body[:_SAID_BYTES] if 0x20 <= byte < 0x7F).strip()
    return Refused(code, f"{detail} ({said})" if said and status in meanings else detail)


def _open_signed(note: Note, checkpoint: Checkpoint, key_sets: Sequence[KeySet]) -> SignedCheckpoint:
    """Return the checkpoint with the lines of known keys, all verified.

    Raises:
        VerificationError: bad_checkpoint or bad_signature, as `decide` says for 403.
    """
    lines: dict[VerifierKey, NoteSignature] = {}
    times: list[int] = []
    for key in dict.fromkeys(key for keys in key_sets for key in keys if key.name == checkpoint.origin):
        line = find_line(note, key)
        if line is None:
            continue
        if key.signature_type == TYPE_ED25519:
            check_raw_signature(key, note.text.encode("utf-8"), line.signature)
        else:
            times.append(check_cosignature(key, line, checkpoint, note.text))
        lines[key] = line
    if not any(keys and all(key in lines for key in keys) for keys in key_sets):
        raise VerificationError("bad_checkpoint", "the log's keys did not all sign the checkpoint")
    kept = [line for line in note.signatures if line in lines.values()]
    return SignedCheckpoint(checkpoint, Note(note.text, tuple(kept)), times[0] if times else None)


def _signature_lines(body: bytes) -> tuple[NoteSignature, ...]:
    if len(body) > MAX_ANSWER_SIZE:
        raise MalformedError("the answer is too large", field="answer", code="too_large")
    try:
        lines = body.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise MalformedError("an answer is UTF-8 text", field="answer") from error
    if lines.pop() != "" or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise MalformedError("an answer is 1 to 100 signature lines", field="answer")
    return tuple(parse_signature_line(line + "\n") for line in lines)
