r"""Proofs of inclusion as files: an entry is on the ledger, and witnesses have seen it; checked without a network.

Implements C2SP tlog-proof. The file holds the index, the Merkle path and the cosigned checkpoint; the entry
itself travels beside it. The line `extra` of our own proofs carries the charter (entry 0): with the pin,
which is its leaf hash, it gives log keys and witness policy to whoever has nothing else at hand. It is
believed only as far as the pin goes, as the specification asks.

>>> from ledger.core.checkpoint import Checkpoint, sign_checkpoint
>>> from ledger.core.merkle import leaf_hash
>>> from ledger.core.note import Ed25519NoteSigner
>>> signer = Ed25519NoteSigner("example.com/log", bytes(32))
>>> head = Checkpoint("example.com/log", 1, leaf_hash(b"entry"))
>>> text = format_tlog_proof(TlogProof(0, (), sign_checkpoint(head, [signer], 0)))
>>> text.splitlines()[:4]
['c2sp.org/tlog-proof@v1', 'index 0', '', 'example.com/log']
>>> parse_tlog_proof(text).checkpoint == sign_checkpoint(head, [signer], 0)
True
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core.bridges import log_verifier_keys
from ledger.core.cells import CELL_SIZE, root_from_cells
from ledger.core.charter import Charter
from ledger.core.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.core.cosignature import check_cosignatures
from ledger.core.merkle import (
    HASH_SIZE,
    MAX_TREE_SIZE,
    NodeReader,
    check_inclusion,
    leaf_hash,
    prove_inclusion,
)
from ledger.core.note import MAX_NOTE_SIZE, VerifierKey, decode_base64, parse_note
from ledger.core.opened_bundle import OpenedBundle
from ledger.core.pin import Pin
from ledger.core.policy import Policy, parse_policy
from ledger.core.statement import parse_statement
from ledger.core.tiles import MAX_ENTRY_SIZE
from ledger.errors import MalformedError, VerificationError

FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
MAX_PATH: Final = 63
MAX_EXTRA_BYTES: Final = MAX_ENTRY_SIZE
MAX_PROOF_BYTES: Final = MAX_NOTE_SIZE + 4 * -(-MAX_EXTRA_BYTES // 3) + 64 * MAX_PATH + 256
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
_EXTRA: Final = "extra "


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof that has the right form. Nothing in it is verified.

    Attributes:
        index: index of the entry.
        path: sibling hashes of 32 bytes, the leaf's sibling first.
        checkpoint: the note, with its signatures.
        extra: bytes that nobody vouches for, or None where the line is absent.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """What a checked proof says.

    Attributes:
        index: place of the entry.
        checkpoint: the head that contains it.
        times: local names of the witnesses whose cosignatures count, with their time in seconds.
        time_s: the time that the quorum vouches for; None where the policy asks for nobody, or where a newer
            bundle stands for the head.
    """

    index: int
    checkpoint: Checkpoint
    times: dict[str, int]
    time_s: int | None


def parse_tlog_proof(data: str | bytes) -> TlogProof:
    """Read a proof without checking it.

    Raises:
        MalformedError: code `too_large` above about 160 KiB or 63 hashes; code `unsupported`, another first
            line; otherwise not UTF-8, not exactly these lines in their one spelling, or a note that is none.
    Source: tlog-proof, "Format".
    """
    size = len(data) if isinstance(data, bytes) else len(data.encode("utf-8", "surrogatepass"))
    if size > MAX_PROOF_BYTES:
        raise MalformedError("the proof is too large", field="proof", code="too_large")
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        raise MalformedError("a proof is text in UTF-8", field="proof") from error
    head, separator, checkpoint = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != FIRST_LINE:
        raise MalformedError("not a proof of this version", field="proof", code="unsupported")
    extra = None
    if lines and lines[0].startswith(_EXTRA):
        extra = _parse_extra(lines.pop(0)[len(_EXTRA) :])
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if not separator or index is None or int(index[1]) >= MAX_TREE_SIZE:
        raise MalformedError("a proof has an index, a path and a checkpoint", field="index")
    if len(lines) > MAX_PATH:
        raise MalformedError("the path is longer than any tree is high", field="path", code="too_large")
    path = tuple(decode_base64(line, field="path") for line in lines)
    if any(len(item) != HASH_SIZE for item in path):
        raise MalformedError("a hash of the path has 32 bytes", field="path")
    parse_checkpoint(parse_note(checkpoint).text, allow_extensions=True)
    return TlogProof(int(index[1]), path, checkpoint, extra)


def format_tlog_proof(proof: TlogProof) -> str:
    """Return the text of a proof; the inverse of `parse_tlog_proof`.

    Raises:
        MalformedError: the proof would not be read back, with the codes of `parse_tlog_proof`.
    """
    lines = [FIRST_LINE]
    if proof.extra is not None:
        lines.append(_EXTRA + _base64(proof.extra))
    lines.append(f"index {proof.index}")
    lines += [_base64(item) for item in proof.path]
    text = "\n".join(lines) + "\n\n" + proof.checkpoint
    if parse_tlog_proof(text) != proof:
        raise MalformedError("the values do not make a proof", field="proof")
    return text


def make_tlog_proof(index: int, checkpoint: str, nodes: NodeReader, extra: bytes | None = None) -> str:
    """Return the proof of the entry at `index` under a cosigned checkpoint.

    Args:
        index: below the checkpoint's tree size.
        checkpoint: the note.
        nodes: complete subtrees of its tree.
        extra: the charter, or None.

    Raises:
        MalformedError: the index is not in the tree, or a part is not of its form.
    """
    size = parse_checkpoint(parse_note(checkpoint).text, allow_extensions=True).tree_size
    return format_tlog_proof(TlogProof(index, prove_inclusion(index, size, nodes), checkpoint, extra))


def check_tlog_proof(
    proof: TlogProof, leaf: bytes, log_keys: Sequence[VerifierKey], policy: Policy
) -> ProvenEntry:
    """Check a proof under known keys: log signatures, quorum of witnesses, inclusion.

    Args:
        proof: from `parse_tlog_proof`.
        leaf: leaf hash of the entry, 32 bytes.
        log_keys: every one of them must have signed.
        policy: which witnesses must have cosigned.

    Raises:
        MalformedError: the checkpoint is not in its one form.
        VerificationError: `bad_checkpoint`, a signature of the log or of a known witness is missing or does
            not verify; `not_cosigned`, there is no quorum; `not_listed`, the path does not lead from the leaf
            to the root.
    Source: tlog-proof, "Verifying a tlog proof".
    """
    signed = open_checkpoint(proof.checkpoint, log_keys)
    times = check_cosignatures(signed.note, signed.checkpoint, policy.witness_keys())
    if not policy.satisfied(times):
        raise VerificationError("not_cosigned", "the head has no quorum of witnesses", field="checkpoint")
    _check_included(proof, leaf, signed.checkpoint)
    return ProvenEntry(proof.index, signed.checkpoint, times, policy.quorum_time(times))


def check_with_charter(proof: TlogProof, leaf: bytes, pin: Pin) -> ProvenEntry:
    """Check a proof with nothing but the pin: keys and policy are those of the charter in `extra`.

    They hold as long as governors have not changed them; a later proof asks for a bundle.

    Raises:
        MalformedError: the charter, or another part, is not in its one form.
        VerificationError: `incomplete`, there is no charter in the proof; `bad_signature`, the charter is not
            the pinned one; otherwise as `check_tlog_proof`.
    """
    if proof.extra is None:
        raise VerificationError("incomplete", "the proof does not carry the charter", field="extra")
    if leaf_hash(proof.extra) != pin.charter_hash:
        raise VerificationError("bad_signature", "the charter is not the pinned one", field="extra")
    charter = parse_statement(proof.extra).body
    if not isinstance(charter, Charter) or charter.origin != pin.origin:
        raise VerificationError("bad_signature", "the charter is not of the pinned origin", field="extra")
    keys = log_verifier_keys(charter.origin, charter.log_keys)
    return check_tlog_proof(proof, leaf, keys, parse_policy(charter.witness_policy))


def check_with_bundle(proof: TlogProof, leaf: bytes, opened: OpenedBundle) -> ProvenEntry:
    """Check a proof against a verified bundle, whatever keys held when the proof was made.

    A head that the bundle covers must be a root of its tree: the quorum on the newer head vouches for it. A
    newer head is checked under the keys and witnesses that the bundle names.

    Raises:
        MalformedError: the checkpoint is not in its one form.
        VerificationError: `bad_checkpoint`, the head is not one of the bundle's tree; otherwise as
            `check_tlog_proof`.
    """
    head = parse_checkpoint(parse_note(proof.checkpoint).text)
    governance = opened.governance
    if head.tree_size > opened.checkpoint.tree_size:
        keys = log_verifier_keys(governance.origin, governance.log_keys)
        return check_tlog_proof(proof, leaf, keys, parse_policy(governance.witness_policy))
    if head.origin != governance.origin or head.tree_size % CELL_SIZE or not head.tree_size:
        raise VerificationError("bad_checkpoint", "the head is not of this ledger", field="checkpoint")
    if root_from_cells(opened.cells, head.tree_size // CELL_SIZE) != head.root_hash:
        raise VerificationError("bad_checkpoint", "the head is of another tree", field="checkpoint")
    _check_included(proof, leaf, head)
    return ProvenEntry(proof.index, head, {}, None)


def _check_included(proof: TlogProof, leaf: bytes, head: Checkpoint) -> None:
    if proof.index >= head.tree_size:
        raise VerificationError("not_listed", "the index is not in the tree", field="index")
    check_inclusion(leaf, proof.index, head.tree_size, proof.path, head.root_hash)


def _parse_extra(text: str) -> bytes:
    data = decode_base64(text, field="extra")
    if not data:
        raise MalformedError("without extra data there is no such line", field="extra")
    if len(data) > MAX_EXTRA_BYTES:
        raise MalformedError("the extra data are too large", field="extra", code="too_large")
    return data


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
