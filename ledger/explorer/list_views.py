"""What the pages that list something show: issuers, actions of the governance, epochs, and two copies.

epochs_values(copy, pages_of(copy.index.epoch_count, 1))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.core.registry.governance import Effect
from ledger.errors import CodedError
from ledger.explorer.comparison import Comparison
from ledger.explorer.copy import EntryReport, LedgerCopy
from ledger.explorer.copy_heads import HeadReport, check_head
from ledger.explorer.entry_index import KINDS, EpochPlace
from ledger.explorer.fold import Fault
from ledger.explorer.views import (
    entry_values,
    epoch_values,
    fault_values,
    head_values,
    indented,
    overview_checks,
    visible,
)
from ledger.inspect import describe_action, describe_issuer, format_time
from ledger.store.rows import StoredCheckpoint

PAGE: Final = 50
GAP_EPOCHS: Final = 10
MIN_GAP_MS: Final = 3_600_000
"""A pause is shown as a gap from ten epoch periods on, and from an hour on."""


@dataclass(frozen=True, slots=True)
class Pages:
    """Which page of how many, from 1."""

    number: int
    count: int

    @property
    def start(self) -> int:
        """Place of its first row."""
        return (self.number - 1) * PAGE


def pages_of(rows: int, number: int) -> Pages | None:
    """Return the place of a page of `PAGE` rows, None where there is no such page; the first always is."""
    count = max(1, -(-rows // PAGE))
    return Pages(number, count) if 1 <= number <= count else None


def issuers_values(copy: LedgerCopy) -> dict[str, Any]:
    """Return what the list of issuers shows."""
    governance = copy.fold.governance
    issuers = [] if governance is None else list(governance.issuers.values())
    return {
        "issuers": [
            {
                "id": issuer.issuer_id,
                "number": issuer.number,
                "title": visible(issuer.title),
                "authority": visible(issuer.authority),
                "suspended": issuer.suspended,
                "statements": len(copy.index.by_issuer.get(issuer.issuer_id, ())),
            }
            for issuer in issuers
        ]
    }


def issuer_values(copy: LedgerCopy, issuer_id: str, pages: Pages) -> dict[str, Any]:
    """Return what the page of an issuer of this ledger shows."""
    assert copy.fold.governance is not None
    issuer = copy.fold.governance.issuers[issuer_id]
    effects = [effect for effect in copy.fold.governance.effects if effect.action.subject == issuer_id]
    places = copy.index.by_issuer.get(issuer_id, ())
    rows = [
        {"index": index, "kind": copy.index.kind(index), "time": _time_of(copy, index)}
        for index in places[pages.start : pages.start + PAGE]
    ]
    return {
        "issuer_id": issuer_id,
        "title": visible(issuer.title),
        "admitted": effects[0].index if effects else None,
        "admitted_time": _time_of(copy, effects[0].index) if effects else "",
        "lines": indented(describe_issuer(issuer)),
        "effects": [_effect_values(copy, effect) for effect in effects],
        "rows": rows,
        "row_count": len(places),
        "pages": pages,
    }


def governance_values(copy: LedgerCopy, pages: Pages) -> dict[str, Any]:
    """Return what the history of the governance shows, in the order in which actions took effect."""
    governance = copy.fold.governance
    if governance is None:
        return {"governance": None, "effects": [], "open": [], "pages": pages, "spent": 0}
    used = sum(len(effect.approvals) for effect in governance.effects)
    waiting = list(governance.proposals.values())
    open_approvals = sum(len(proposal.approvals) for proposal in waiting)
    return {
        "governance": {
            "threshold": governance.threshold,
            "governors": [visible(name) for name, _ in governance.governors],
            "actions": len(governance.effects),
        },
        "effects": [
            _effect_values(copy, effect) for effect in governance.effects[pages.start : pages.start + PAGE]
        ],
        "open": [
            {
                "approvals": [(visible(name), index) for name, index in proposal.approvals.items()],
                "lines": indented(describe_action(proposal.action)),
            }
            for proposal in waiting
        ],
        "spent": len(copy.fold.approvers) - used - open_approvals,
        "pages": pages,
    }


def _effect_values(copy: LedgerCopy, effect: Effect) -> dict[str, Any]:
    names = copy.fold.approvers
    return {
        "index": effect.index,
        "time": _time_of(copy, effect.index),
        "approvals": [(visible(names.get(index, "?")), index) for index in effect.approvals],
        "lines": indented(describe_action(effect.action)),
    }


def _time_of(copy: LedgerCopy, index: int) -> str:
    epoch = copy.index.epoch_of(index)
    return "" if epoch is None else format_time(epoch.time_ms // 1000)


def epochs_values(copy: LedgerCopy, pages: Pages) -> dict[str, Any]:
    """Return what the time line shows: epochs, newest first, and the gaps between them."""
    last = copy.index.epoch_count - 1 - pages.start
    numbers = range(last, max(last - PAGE, -1), -1)
    epochs = [copy.index.epoch(number) for number in numbers]
    heads: dict[int, StoredCheckpoint] | None = {}
    problem = None
    if epochs:
        try:
            heads = copy.reader.heads(epochs[-1].end, epochs[0].end)
        except CodedError as error:
            problem = fault_values(Fault(error.code, error.detail))
    stored = heads is not None
    return {
        "rows": [_epoch_row(copy, epoch, heads) for epoch in epochs],
        "problem": problem,
        "stored": stored,
        "newest": copy.size,
        "epoch_count": copy.index.epoch_count,
        "unsealed": copy.index.size - (copy.index.ends[-1] if copy.index.epoch_count else 0),
        "pages": pages,
    }


def _epoch_row(
    copy: LedgerCopy, epoch: EpochPlace, heads: dict[int, StoredCheckpoint] | None
) -> dict[str, Any]:
    counts = copy.index.counts(epoch.first, epoch.end)
    head, fault = _head_of(copy, epoch, heads)
    return {
        **epoch_values(epoch),
        "counts": [(kind, counts[kind]) for kind in KINDS if kind in counts and kind != "seal"],
        "gap": _gap_before(copy, epoch),
        "head": None if head is None else head_values(head),
        "head_fault": fault_values(fault),
    }


def _head_of(
    copy: LedgerCopy, epoch: EpochPlace, heads: dict[int, StoredCheckpoint] | None
) -> tuple[HeadReport | None, Fault | None]:
    """Return the head that the copy has for an epoch, and why it cannot be judged."""
    if epoch.end == copy.size:
        return copy.head, None
    stored = None if heads is None else heads.get(epoch.end)
    if stored is None:
        missing = Fault("bad_checkpoint", "this copy stores heads, and has none for this epoch")
        return None, None if heads is None else missing
    try:
        return check_head(stored.text, copy.fold.history, copy.index.root(epoch.number)), None
    except (CodedError, IndexError) as error:
        return None, Fault("bad_checkpoint", f"the stored head is not one: {error}")


def _gap_before(copy: LedgerCopy, epoch: EpochPlace) -> str:
    """Return how long nothing was recorded before an epoch, "" where that was not long."""
    governance = copy.fold.governance
    if epoch.number == 0 or governance is None:
        return ""
    pause_ms = epoch.time_ms - copy.index.epoch(epoch.number - 1).time_ms
    return describe_pause(pause_ms) if pause_ms >= max(MIN_GAP_MS, GAP_EPOCHS * governance.epoch_ms) else ""


def describe_pause(pause_ms: int) -> str:
    """Return a length of time in its two largest units.

    >>> describe_pause(93_600_000), describe_pause(3_660_000)
    ('1 day 2 hours', '1 hour 1 minute')
    """
    minutes = pause_ms // 60_000
    parts = (("day", minutes // 1440), ("hour", minutes // 60 % 24), ("minute", minutes % 60))
    words = [f"{count} {unit}{'s' if count != 1 else ''}" for unit, count in parts if count]
    return " ".join(words[:2]) or "less than a minute"


def compare_values(
    comparison: Comparison, copies: Sequence[LedgerCopy], reports: Sequence[EntryReport | None]
) -> dict[str, Any]:
    """Return what the comparison of two copies shows; `reports` are of the entry at its index."""
    return {
        "comparison": comparison,
        "tile_fault": None
        if comparison.tile_fault is None
        else {"name": comparison.tile_fault[0], **(fault_values(comparison.tile_fault[1]) or {})},
        "copies": [
            {
                "name": copy.name,
                "origin": visible(copy.reader.head.origin),
                "charter": "" if copy.fold.governance is None else copy.fold.governance.charter_hash.hex(),
                "is_pinned": copy.fold.is_pinned,
                "size": copy.size,
                "root": copy.reader.head.root_hash.hex(),
                "checks": overview_checks(copy),
                "fault_count": copy.fault_count,
                "entry": None if report is None else entry_values(report, copy),
            }
            for copy, report in zip(copies, reports, strict=True)
        ],
        "longer": max(copies, key=lambda copy: copy.size).name,
        "surplus": abs(copies[0].size - copies[1].size),
    }
