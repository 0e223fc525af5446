"""The verified list: what a station knows of its ledger, built once, never changed, fast to ask.

docs/protocol.md, section 9. Only `verifier.core.trust.open_bundle` makes one. `check_newer` says whether
one list may take the place of another: a station never goes back, and a contradiction is evidence.

    issuer = trusted.issuers["civil-1"]
    trusted.lists["sc:1/0"].status(4711)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ledger.core.cells import CELL_SIZE, fold_cell, root_from_cells
from ledger.core.key_history import LogKeys
from ledger.core.merkle import HASH_SIZE
from ledger.core.registry.issuers import KeyRecord
from ledger.errors import ForkAlarm
from verifier.core.evidence import IssuerName, Status
from verifier.errors import BundleError


@dataclass(frozen=True, slots=True)
class ScopeRecord:
    """What an issuer might sign from after `index` on: credential types, none while it was suspended."""

    index: int
    vcts: frozenset[str]
    suspended: bool


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One admitted issuer, ready to be asked.

    Attributes:
        name: id, title and authority, as they are now.
        number: its status lists are `sc:<number>/...`.
        keys: by kid.
        scopes: what it might sign, newest first.
    """

    name: IssuerName
    number: int
    keys: Mapping[bytes, KeyRecord]
    scopes: tuple[ScopeRecord, ...]
    list_prefix: str

    def scope_at(self, index: int | None) -> ScopeRecord | None:
        """Return what it might sign at a ledger index, or now; None before its admission."""
        for record in self.scopes:
            if index is None or record.index < index:
                return record
        return None


@dataclass(frozen=True, slots=True)
class TrustedStatusList:
    """One status list: 65,536 bytes, and reason and month of the places whose status is not 0."""

    raw: bytes
    reasons: Mapping[int, tuple[int, int]]

    def status(self, idx: int) -> Status:
        """Return the status of a place."""
        value = self.raw[idx >> 1] >> (4 * (idx & 1)) & 15
        reason, month = self.reasons.get(idx, (None, None))
        return Status(value, reason, month)


@dataclass(frozen=True, slots=True)
class TrustedList:
    """A verified bundle.

    Attributes:
        origin, tree_size, root_hash: the head that witnesses cosigned.
        cells: 32 bytes for each 16 entries.
        issuers: by id.
        lists: by URI.
        checkpoint: text of the cosigned checkpoint.
        log_keys: every pair of keys that the log has signed with, the newest first.
        witness_policy: text of the policy that holds now.
        now_min_s: the time that the witnesses vouch for, seconds.
        size_bytes: size of the bundle.
    """

    origin: str
    tree_size: int
    root_hash: bytes
    cells: memoryview = field(repr=False)
    issuers: Mapping[str, TrustedIssuer] = field(repr=False)
    lists: Mapping[str, TrustedStatusList] = field(repr=False)
    checkpoint: str = field(repr=False)
    log_keys: tuple[LogKeys, ...] = field(repr=False)
    witness_policy: str = field(repr=False)
    now_min_s: int
    size_bytes: int

    def cell(self, index: int) -> memoryview:
        """Return the hash of the cell that holds the entry at `index`, which must be below the tree size."""
        start = index // CELL_SIZE * HASH_SIZE
        return self.cells[start : start + HASH_SIZE]


Trusted = TrustedList | Sequence[TrustedList] | None
"""What a station believes: the list of one ledger, those of several, or none."""


def choose_list(
    lists: Sequence[TrustedList], iss: str, kid: bytes, place: tuple[int, bytes, bytes] | None = None
) -> TrustedList | None:
    """Return the list that a card of this issuer and key is judged with, None where no ledger knows the issuer.

    Where several ledgers have an issuer of this name, it is one that has its key; of several of these the one
    that has the card at its place, else one that does not reach so far.

    Args:
        lists: of the ledgers that the station believes.
        iss, kid: of the card.
        place: index, leaf hash and path of the card, or None where it does not say its place.

    Source: docs/protocol.md, section 9, "Several ledgers".
    """
    known = [trusted for trusted in lists if iss in trusted.issuers]
    having_key = [trusted for trusted in known if kid in trusted.issuers[iss].keys]
    if len(having_key) > 1 and place is not None:
        index, leaf, path = place
        cell = fold_cell(leaf, index, path)
        beyond = [trusted for trusted in having_key if index >= trusted.tree_size]
        reaching = [trusted for trusted in having_key if index < trusted.tree_size]
        listed = [trusted for trusted in reaching if trusted.cell(index) == cell]
        return (listed or beyond or having_key)[0]
    return next(iter(having_key), known[0] if known else None)


def check_newer(old: TrustedList, new: TrustedList) -> None:
    """Return if `new` may take the place of `old`: the same tree or one that extends it.

    Raises:
        BundleError: code bundle_invalid, it is of another ledger, or of a smaller tree or, for the same
            tree, an earlier witnessed time.
        ForkAlarm: code fork, both are cosigned and contradict each other: two roots of one size, or a
            larger tree whose first cells do not fold to the root at hand.
    Source: docs/protocol.md, section 9.
    """
    if old.origin != new.origin:
        raise BundleError(0, "the list is of another ledger", field="origin")
    smaller, larger = (old, new) if old.tree_size <= new.tree_size else (new, old)
    if root_from_cells(larger.cells, smaller.tree_size // CELL_SIZE) != smaller.root_hash:
        raise ForkAlarm("two cosigned lists of one ledger contradict each other", field="root_hash")
    if new.tree_size < old.tree_size:
        raise BundleError(0, "the list is older than the one at hand", field="tree_size")
    if new.tree_size == old.tree_size and new.now_min_s < old.now_min_s:
        raise BundleError(0, "the list is older than the one at hand", field="time")
