"""The witness protocol as a table: what a witness has seen, what it is asked, what it must answer.

One table for the decision, for the server and for what a client makes of the answers. C2SP tlog-witness,
"add-checkpoint".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.core.checkpoint import Checkpoint, sign_checkpoint
from ledger.core.cosignature import Ed25519Cosigner, MlDsa44Cosigner
from ledger.core.merkle import leaf_hash, node_hash, prove_consistency, root_hash
from ledger.core.note import Ed25519NoteSigner, Note, NoteSigner, VerifierKey, format_note, parse_note
from ledger.core.witness_protocol import AddCheckpoint, format_add_checkpoint

ORIGIN = "log.example/one"
FOREIGN = "other.example/log"
NOW_S = 1_790_000_000


def seed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def signers(name: str = "keys", origin: str = ORIGIN) -> tuple[NoteSigner, NoteSigner]:
    """The two keys of a log."""
    return Ed25519NoteSigner(origin, seed(name + " 1")), MlDsa44Cosigner(origin, seed(name + " 2"))


def key_set(name: str = "keys", origin: str = ORIGIN) -> tuple[VerifierKey, ...]:
    return tuple(signer.verifier_key for signer in signers(name, origin))


def foreign_signer() -> NoteSigner:
    """The one key of a log that is no ledger of ours."""
    return Ed25519NoteSigner(FOREIGN, seed("foreign"))


WITNESS_SIGNERS: dict[str, NoteSigner] = {
    "ed25519": Ed25519Cosigner("w1.example", seed("w1")),
    "ml-dsa-44": MlDsa44Cosigner("w2.example", seed("w2")),
}


def leaves(size: int, history: str = "true") -> list[bytes]:
    """A history; the other one differs from the fourth leaf on."""
    return [leaf_hash(b"%d" % i if history == "true" or i < 3 else b"other %d" % i) for i in range(size)]


def head(size: int, history: str = "true", origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin, size, root_hash(leaves(size, history)))


def note(size: int, history: str = "true", *, keys: str = "keys", only: int | None = None) -> str:
    """A signed head; `only` leaves one of the two signatures."""
    chosen = signers(keys) if only is None else (signers(keys)[only],)
    return sign_checkpoint(head(size, history), chosen, NOW_S)


def foreign_note(size: int) -> str:
    return sign_checkpoint(head(size, origin=FOREIGN), [foreign_signer()], NOW_S)


def proof(old: int, new: int, history: str = "true") -> tuple[bytes, ...]:
    return proof_over(leaves(new, history), old)


def proof_over(row: Sequence[bytes], old: int) -> tuple[bytes, ...]:
    """The proof that the first `old` leaves are a prefix of all."""
    new = len(row)
    if old == 0 or old >= new:
        return ()
    found: dict[tuple[int, int], bytes] = {}
    level = 0
    while row:
        found |= {(level, index): node for index, node in enumerate(row)}
        row = [node_hash(a, b) for a, b in zip(row[::2], row[1::2], strict=False)]
        level += 1
    return prove_consistency(old, new, lambda level, index: found[level, index])


def body(old: int, new_note: str, path: tuple[bytes, ...] = ()) -> bytes:
    return format_add_checkpoint(AddCheckpoint(old, path, new_note))


def without(text: str, place: int) -> str:
    """The note without one signature line."""
    parsed = parse_note(text)
    lines = tuple(line for at, line in enumerate(parsed.signatures) if at != place)
    return format_note(Note(parsed.text, lines))


def broken(text: str, place: int) -> str:
    """The note with one bit of one signature changed."""
    parsed = parse_note(text)
    lines = list(parsed.signatures)
    old = lines[place]
    signature = old.signature[:-1] + bytes([old.signature[-1] ^ 1])
    lines[place] = type(old)(old.name, old.key_id, signature)
    return format_note(Note(parsed.text, tuple(lines)))


def twice(text: str, place: int) -> str:
    parsed = parse_note(text)
    return format_note(Note(parsed.text, (*parsed.signatures, parsed.signatures[place])))


def with_stranger(text: str) -> str:
    """The note with a line of a key that nobody knows, which does not even verify."""
    parsed = parse_note(text)
    line = parsed.signatures[0]
    return format_note(Note(parsed.text, (type(line)("stranger.example", 7, b"\0" * 64), *parsed.signatures)))


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name: what is special.
        seen: sizes that the witness has cosigned before.
        request: the body.
        status: what it must answer.
        size: with 409, the size in the body.
        is_evidence: whether the checkpoint is kept, because it contradicts.
    """

    name: str
    seen: tuple[int, ...]
    request: bytes
    status: int
    size: int | None = None
    is_evidence: bool = field(default=False)


_FORGED_EMPTY = sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), signers(), NOW_S)
_UNKNOWN = sign_checkpoint(
    Checkpoint("nobody.example", 3, bytes(32)), [Ed25519NoteSigner("nobody.example", bytes(32))], NOW_S
)

CASES = [
    Case("the first checkpoint", (), body(0, note(5)), 200),
    Case("the first one of an empty tree", (), body(0, note(0)), 200),
    Case("an extension", (3,), body(3, note(8), proof(3, 8)), 200),
    Case("an extension of a power of two", (4,), body(4, note(7), proof(4, 7)), 200),
    Case("an extension of the empty tree", (0,), body(0, note(7)), 200),
    Case("the same head again", (5,), body(5, note(5)), 200),
    Case("the same empty head again", (0,), body(0, note(0)), 200),
    Case("after several", (3, 5, 8), body(8, note(11), proof(8, 11)), 200),
    Case("lines of strangers are ignored", (), body(0, with_stranger(note(5))), 200),
    Case("the next set of keys alone", (3,), body(3, note(8, keys="next"), proof(3, 8)), 200),
    Case("a foreign log with one key", (), body(0, foreign_note(5)), 200),
    Case("no text", (), b"", 400),
    Case("not UTF-8", (), b"\xff" + body(0, note(5)), 400),
    Case("no empty line", (), b"old 0\n" + note(5).encode(), 400),
    Case("no old line", (), b"\n\n" + note(5).encode(), 400),
    Case("a size with a zero before it", (3,), b"old 03\n\n" + note(8).encode(), 400),
    Case("a size with a sign", (3,), b"old +3\n\n" + note(8).encode(), 400),
    Case("two spaces", (3,), b"old  3\n\n" + note(8).encode(), 400),
    Case("a size beyond all trees", (), b"old 9223372036854775808\n\n" + note(5).encode(), 400),
    Case("digits of another script", (), "old \u0663\n\n".encode() + note(5).encode(), 400),
    Case("a hash that is too short", (3,), b"old 3\nAAAA\n\n" + note(8).encode(), 400),
    Case("a hash that is not canonical", (3,), b"old 3\n" + b"A" * 42 + b"B=\n\n" + note(8).encode(), 400),
    Case("64 hashes", (3,), b"old 3\n" + (b"A" * 43 + b"=\n") * 64 + b"\n" + note(8).encode(), 400),
    Case("carriage returns", (), body(0, note(5)).replace(b"\n", b"\r\n"), 400),
    Case("not a note", (), b"old 0\n\nhello\n", 400),
    Case("a note that is no checkpoint", (), b"old 0\n\nhello\n\n" + note(5).encode().split(b"\n\n")[1], 400),
    Case("no last newline", (), body(0, note(5))[:-1], 400),
    Case("an old size above the new one", (8,), body(8, note(5)), 400),
    Case("extension lines of a ledger", (), body(0, note(5)).replace(b"=\n\n", b"=\nmore\n\n", 1), 400),
    Case("a log that is not known", (), body(0, _UNKNOWN), 404),
    Case("no signature of the log", (), body(0, without(with_stranger(note(5, only=0)), 1)), 403),
    Case("the Ed25519 signature alone", (), body(0, note(5, only=0)), 403),
    Case("the ML-DSA-44 signature alone", (), body(0, note(5, only=1)), 403),
    Case("an Ed25519 signature that is not good", (), body(0, broken(note(5), 0)), 403),
    Case("an ML-DSA-44 signature that is not good", (), body(0, broken(note(5), 1)), 403),
    Case("a signature twice", (), body(0, twice(note(5), 0)), 403),
    Case("one key of each set", (), body(0, sign_checkpoint(head(5), [signers()[0], signers("next")[1]], NOW_S)), 403),
    Case("keys that nobody told", (3,), body(3, note(8, keys="thief"), proof(3, 8)), 403),
    Case("another size first", (3,), body(0, note(8)), 409, 3),
    Case("an older size", (3, 5), body(3, note(8), proof(3, 8)), 409, 5),
    Case("a size that it never saw", (3,), body(5, note(8), proof(5, 8)), 409, 3),
    Case("a size before anything", (), body(5, note(8), proof(5, 8)), 409, 0),
    Case("going back", (3, 8), body(3, note(5), proof(3, 5)), 409, 8),
    Case("a fork at a size before", (5, 8), body(0, note(5, "other")), 409, 8, True),
    Case("a fork that starts elsewhere", (5,), body(3, note(5, "other"), proof(3, 5, "other")), 409, 5, True),
    Case("the same size with another root", (5,), body(5, note(5, "other")), 422, None, True),
    Case("another history", (5,), body(5, note(8, "other"), proof(5, 8, "other")), 422, None, True),
    Case("another history with the true proof", (5,), body(5, note(8, "other"), proof(5, 8)), 422, None, True),
    Case("no proof", (5,), body(5, note(8)), 422, None, True),
    Case("a proof that is too long", (5,), body(5, note(8), (*proof(5, 8), bytes(32))), 422, None, True),
    Case("a proof from nothing", (), body(0, note(8), (bytes(32),)), 422, None, True),
    Case("a proof for the same size", (5,), body(5, note(5), (bytes(32),)), 422, None, False),
    Case("an empty tree with another root", (), body(0, _FORGED_EMPTY), 422, None, True),
]  # fmt: skip
