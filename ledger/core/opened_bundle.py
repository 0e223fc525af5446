"""A trust bundle that has been verified: from bytes that nobody vouches for to a ledger as of its last seal.

docs/protocol.md section 9, steps 1 to 7 in their order. A station builds its list from the result, a desk
reads its own admission and the status of its places. Each failure is `bundle_invalid` with its step.

    opened = open_bundle(data, pin)
    opened.governance.issuers["civil-1"].title, opened.now_min_s
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.core import cbor
from ledger.core.bridges import Crossing, log_verifier_keys, open_cosigned
from ledger.core.bundle import Bundle, PlacedEntry, parse_bundle
from ledger.core.cells import CELL_SIZE, fold_cell, root_from_cells
from ledger.core.charter import Charter
from ledger.core.checkpoint import Checkpoint, SignedCheckpoint
from ledger.core.fields import PLACES
from ledger.core.key_history import LogKeys
from ledger.core.ledger_verbs import SetLogKeys
from ledger.core.merkle import HASH_SIZE, leaf_hash
from ledger.core.pin import Pin
from ledger.core.registry.governance import Governance, approvals_complete
from ledger.core.registry.issuers import Issuer
from ledger.core.seal import Seal
from ledger.core.statement import Statement, parse_statement
from ledger.core.status_change import REASON_NAMES, parse_month
from ledger.errors import BundleError, CodedError

RAW_LIST_BYTES: Final = PLACES // 2
_REASONS_MAX_BYTES: Final = 5 + PLACES * 12
_REASONS_TOTAL_BYTES: Final = 64 * 1024 * 1024
"""Reasons of all lists together; what is larger is refused before anything of it is read."""
_APPROVALS_NEVER: Final = 1 << 30

Reasons = Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class IssuerChange:
    """What an issuer became with the action that took effect at `index`."""

    index: int
    issuer: Issuer


@dataclass(frozen=True, slots=True)
class OpenedBundle:
    """A verified bundle.

    Attributes:
        governance: charter and all effective actions, folded.
        history: by issuer id, what it became with each action, oldest first.
        checkpoint: the cosigned head.
        note: its text.
        log_keys: every pair of keys that signed heads of the ledger, the newest first.
        cells: 32 bytes for each 16 entries.
        seal: the last seal.
        lists: by URI, 65,536 raw bytes and idx -> (reason, month).
        now_min_s: the time that the witnesses vouch for, seconds; the seal's where the policy asks for none.
        size_bytes: size of the bundle.
    """

    governance: Governance = field(repr=False)
    history: Mapping[str, tuple[IssuerChange, ...]] = field(repr=False)
    checkpoint: Checkpoint
    note: str = field(repr=False)
    log_keys: tuple[LogKeys, ...] = field(repr=False)
    cells: bytes = field(repr=False)
    seal: Seal = field(repr=False)
    lists: Mapping[str, tuple[bytes, Reasons]] = field(repr=False)
    now_min_s: int
    size_bytes: int


def open_bundle(data: bytes, pin: Pin) -> OpenedBundle:
    """Verify a bundle against the pin.

    Raises:
        BundleError: code bundle_invalid, with the step that failed.
    Source: docs/protocol.md, section 9, steps 1 to 7.
    """
    step = 1
    try:
        bundle = parse_bundle(data)
        step = 2
        governance = _check_charter(bundle, pin)
        first_keys = governance.log_keys
        step = 3
        history = _fold_approvals(bundle, governance)
        step = 4
        signed, now_min_s = _check_checkpoint(bundle, governance)
        step = 5
        _check_root(bundle, signed)
        _check_least(bundle, pin)
        step = 6
        seal = _check_seal(bundle, governance)
        step = 7
        lists = _open_lists(bundle, seal)
    except BundleError:
        raise
    except CodedError as error:
        raise BundleError(step, f"{error.detail} ({error.code})", field=error.field) from error
    return OpenedBundle(
        governance=governance,
        history={name: tuple(changes) for name, changes in history.items()},
        checkpoint=signed.checkpoint,
        note=bundle.checkpoint,
        log_keys=_log_keys(governance, first_keys),
        cells=bundle.cells,
        seal=seal,
        lists=lists,
        # A ledger whose policy asks for no witness has nobody but its service key to vouch for the time.
        now_min_s=seal.time_ms // 1000 if now_min_s is None else now_min_s,
        size_bytes=len(data),
    )


def _log_keys(governance: Governance, first: tuple[bytes, bytes]) -> tuple[LogKeys, ...]:
    """Return all pairs of log keys, those of the charter last; the newest may not sign yet."""
    verbs = [verb for effect in governance.effects for verb in effect.action.verbs]
    pairs = [first, *(verb.log_keys for verb in verbs if isinstance(verb, SetLogKeys))]
    return tuple(log_verifier_keys(governance.origin, pair) for pair in reversed(dict.fromkeys(pairs)))


def _check_charter(bundle: Bundle, pin: Pin) -> Governance:
    """Step 2: leaf hash as pinned, signature, path."""
    charter_hash = leaf_hash(bundle.charter.entry)
    if charter_hash != pin.charter_hash:
        raise BundleError(2, "the charter is not the pinned one", field="charter")
    statement = parse_statement(bundle.charter.entry)
    charter = statement.body
    if not isinstance(charter, Charter) or charter.origin != pin.origin:
        raise BundleError(2, "the charter is not of the pinned origin", field="origin")
    if statement.kid != charter.service_key.kid:
        raise BundleError(2, "the charter is not signed by its service key", field="charter")
    statement.check_signature(charter.service_key)
    _check_in_cell(bundle, bundle.charter, 2)
    return Governance.from_charter(charter, charter_hash)


def _fold_approvals(bundle: Bundle, governance: Governance) -> dict[str, list[IssuerChange]]:
    """Step 3: fold every approval and cross every bridge; return what each issuer became, oldest first."""
    statements = [parse_statement(placed.entry) for placed in bundle.approvals]
    if any(statement.kind != "govern" for statement in statements):
        raise BundleError(3, "an approval is not a govern statement", field="approvals")
    history: dict[str, list[IssuerChange]] = {}
    crossing = Crossing(governance, bundle.bridges, bundle.cells)
    complete = approvals_complete(statements)
    for placed, statement, completes in zip(bundle.approvals, statements, complete, strict=True):
        _check_in_cell(bundle, placed, 3)
        crossing.reach(placed.index)
        _approve(governance, placed.index, statement, completes)
        if completes:
            crossing.take(governance.effects[-1])
            issuer = governance.issuers.get(statement.body.subject)
            if issuer is not None:
                history.setdefault(issuer.issuer_id, []).append(IssuerChange(placed.index, issuer))
    crossing.finish()
    return history


def _approve(governance: Governance, index: int, statement: Statement, completes: bool) -> None:
    """Count one approval: of a governor of that moment, and effective exactly where it is the last of its action."""
    statement.check_signature(governance.governor_key(statement.iss, statement.kid))
    # A station does not know the clock hours behind "n-1 governors": the seal's head stands for them.
    required = governance.threshold if completes else _APPROVALS_NEVER
    effect = governance.approve(index, statement, time_ms=None, required=required)
    if completes and effect is None:
        raise BundleError(3, "an action has too few approvals", field="approvals")


def _check_checkpoint(bundle: Bundle, governance: Governance) -> tuple[SignedCheckpoint, int | None]:
    """Step 4: log signatures, witness policy, size; return the head and the time that witnesses vouch for."""
    signed, now_min_s = open_cosigned(bundle.checkpoint, governance)
    if signed.checkpoint.tree_size != bundle.tree_size:
        raise BundleError(4, "the checkpoint is not of the size of the cells", field="tree_size")
    return signed, now_min_s


def _check_root(bundle: Bundle, signed: SignedCheckpoint) -> None:
    """Step 5: the cells fold up to the root."""
    if root_from_cells(bundle.cells, len(bundle.cells) // HASH_SIZE) != signed.checkpoint.root_hash:
        raise BundleError(5, "the cells do not fold up to the root", field="cells")


def _check_least(bundle: Bundle, pin: Pin) -> None:
    """Of step 5: the tree is not smaller than the one that the pin was shipped with, and extends it."""
    least = pin.least
    if least is None:
        return
    if bundle.tree_size < least.size:
        raise BundleError(5, "the list is older than the least that the pin names", field="least")
    if root_from_cells(bundle.cells, least.size // CELL_SIZE) != least.root:
        raise BundleError(5, "the list does not extend the least tree that the pin names", field="least")


def _check_seal(bundle: Bundle, governance: Governance) -> Seal:
    """Step 6: the last seal, in its cell, by the service key, with the head of the actions just folded."""
    _check_in_cell(bundle, bundle.seal, 6)
    statement = parse_statement(bundle.seal.entry)
    seal = statement.body
    if not isinstance(seal, Seal) or statement.iss != governance.origin or seal.index != bundle.seal.index:
        raise BundleError(6, "not the last seal of this ledger", field="seal")
    if statement.kid != governance.service_key.kid:
        raise BundleError(6, "the seal is not signed by the service key", field="seal")
    statement.check_signature(governance.service_key)
    if seal.govern_head != governance.govern_head:
        raise BundleError(6, "the approvals are not all that the seal commits to", field="govern_head")
    return seal


def _open_lists(bundle: Bundle, seal: Seal) -> dict[str, tuple[bytes, Reasons]]:
    """Step 7: the digest of the lists is the seal's; only then are they inflated to stay, and read."""
    rows = []
    left = _REASONS_TOTAL_BYTES
    for packed in bundle.lists:
        raw, reasons = _inflate(packed.raw_deflated, RAW_LIST_BYTES), _inflate(packed.reasons_deflated, left)
        left -= len(reasons)
        if len(raw) != RAW_LIST_BYTES:
            raise BundleError(7, "a status list does not have its size", field="lists")
        rows.append([packed.uri, hashlib.sha256(raw).digest(), hashlib.sha256(reasons).digest()])
    if hashlib.sha256(cbor.encode(rows)).digest() != seal.status_digest:
        raise BundleError(7, "the status lists are not those that the seal commits to", field="lists")
    return {
        packed.uri: (
            _inflate(packed.raw_deflated, RAW_LIST_BYTES),
            _parse_reasons(_inflate(packed.reasons_deflated, _REASONS_MAX_BYTES)),
        )
        for packed in bundle.lists
    }


def _inflate(data: bytes, max_size: int) -> bytes:
    """Inflate one whole zlib stream of at most `max_size` bytes."""
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, max_size + 1)
    except zlib.error as error:
        raise BundleError(7, "a list does not inflate", field="lists") from error
    if len(raw) > max_size or not inflater.eof or inflater.unused_data:
        raise BundleError(7, "a list is too large, cut short or followed by other bytes", field="lists")
    return raw


def _parse_reasons(data: bytes) -> dict[int, tuple[int, int]]:
    """Read `reasons` of the CDDL."""
    reasons: dict[int, tuple[int, int]] = {}
    before = -1
    rows: Any = cbor.decode(data, max_size=_REASONS_MAX_BYTES, field="reasons")
    for row in rows if isinstance(rows, list) else [None]:
        match row:
            case [int(idx), int(reason), int(month)] if (
                type(idx) is type(reason) is int and before < idx < PLACES and reason in REASON_NAMES
            ):
                reasons[idx] = (reason, parse_month(month, field="lists"))
                before = idx
            case _:
                raise BundleError(7, "reasons are not of their form", field="lists")
    return reasons


def _check_in_cell(bundle: Bundle, placed: PlacedEntry, step: int) -> None:
    start = placed.index // CELL_SIZE * HASH_SIZE
    cell = fold_cell(leaf_hash(placed.entry), placed.index, placed.path)
    if cell != bundle.cells[start : start + HASH_SIZE]:
        raise BundleError(step, "an entry is not in its cell", field="path")
