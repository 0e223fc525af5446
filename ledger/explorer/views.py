"""What each page of the explorer shows, as plain values for its template.

Every text of a ledger goes through `visible`: a control character or a mark of direction is written out, so
that nobody's title changes how the page around it reads.

>>> visible("Registry \\u202eevil")
'Registry \\\\u{202e}evil'
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ledger.explorer.copy import EntryReport, LedgerCopy
from ledger.explorer.copy_heads import HeadReport
from ledger.explorer.diagnostic import diagnose
from ledger.explorer.entry_check import distrusted_from
from ledger.explorer.entry_index import EpochPlace
from ledger.explorer.fold import Fault
from ledger.govern_files import words_of
from ledger.inspect import describe_entry, describe_statement, format_time

MAX_SHOWN_FAULTS: Final = 100
_JOINERS: Final = "\u200c\u200d"
_CHECKS: Final = (
    ("Every entry is what its tile and its chain value say", ("bad_entry", "bad_tile", "bad_chain")),
    ("Epochs, seals and approvals follow from the charter", ("bad_epoch", "bad_seal", "bad_rule")),
)


def visible(text: str) -> str:
    """Return a text with every character that cannot be seen written as its number."""
    return "".join(
        character if character.isprintable() or character in _JOINERS else f"\\u{{{ord(character):x}}}"
        for character in text
    )


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: what holds, whether it does, its code and a sentence where not."""

    claim: str
    holds: bool
    code: str = ""
    detail: str = ""


def indented(lines: Iterable[str]) -> list[tuple[int, str]]:
    """Return lines as (depth, text); two spaces before a line are one step."""
    return [(min((len(line) - len(line.lstrip(" "))) // 2, 4), visible(line.strip(" "))) for line in lines]


def fault_values(fault: Fault | None) -> dict[str, Any] | None:
    """Return a fault as a page shows it."""
    if fault is None:
        return None
    return {"code": fault.code, "detail": visible(fault.detail), "index": fault.index}


def overview_values(copy: LedgerCopy) -> dict[str, Any]:
    """Return what the overview shows."""
    governance = copy.fold.governance
    index = copy.index
    return {
        "origin": visible(copy.reader.head.origin),
        "pin_words": words_of(copy.pin.charter_hash),
        "charter": copy.pin.charter_hash.hex(),
        "size": copy.size,
        "root": copy.reader.head.root_hash.hex(),
        "head": None if copy.head is None else head_values(copy.head),
        "last_time": format_time(index.times_ms[-1] // 1000) if index.epoch_count else "",
        "epochs": index.epoch_count,
        "issuers": 0 if governance is None else len(governance.issuers),
        "counts": index.counts(),
        "checks": overview_checks(copy),
        "is_sound": copy.is_sound,
        "faults": [fault_values(fault) for fault in copy.faults[:MAX_SHOWN_FAULTS]],
        "fault_count": copy.fault_count,
    }


def overview_checks(copy: LedgerCopy) -> list[Check]:
    """Return what was checked in the pass over the entries, as claims that hold or do not."""
    pinned = copy.fold.is_pinned and copy.reader.head.origin == copy.pin.origin
    other = "" if pinned else "this is another ledger"
    checks = [Check("Entry 0 is the charter of your pin", pinned, "bad_rule", other)]
    head = copy.head
    signed = head is not None and head.is_signed and pinned
    checks.append(Check("Both keys of the log signed the head", signed, "bad_checkpoint"))
    checks.append(Check("All entries hash to the root of the head", copy.root_matches, "bad_checkpoint"))
    detail = "" if head is None else f"asked for: {head.quorum}"
    quorum = head is not None and head.has_quorum and pinned
    checks.append(Check("A quorum of witnesses cosigned the head", quorum, "not_cosigned", detail))
    for claim, codes in _CHECKS:
        first = next((fault for fault in copy.faults if fault.code in codes), None)
        where = "" if first is None or first.index is None else f"first at entry {first.index}: "
        text = "" if first is None else where + visible(first.detail)
        checks.append(Check(claim, first is None, "" if first is None else first.code, text))
    return checks


def head_values(head: HeadReport) -> dict[str, Any]:
    """Return a head with its witnesses."""
    times = [witness.time_s for witness in head.witnesses if witness.time_s is not None]
    return {
        "size": head.size,
        "log_time": "" if head.log_time_s is None else format_time(head.log_time_s),
        "quorum": visible(head.quorum),
        "has_quorum": head.has_quorum,
        "met": len(times),
        "witnesses": [
            {
                "name": visible(witness.name),
                "key": visible(witness.key_name),
                "time": "" if witness.time_s is None else format_time(witness.time_s),
                "fault": fault_values(witness.fault),
            }
            for witness in head.witnesses
        ],
        "faults": [fault_values(fault) for fault in head.faults],
    }


def entry_values(report: EntryReport, copy: LedgerCopy) -> dict[str, Any]:
    """Return what the page of an entry shows."""
    index, entry, epoch = report.index, report.entry, report.epoch
    chain_holds = report.stored_chain is None or report.stored_chain == report.chain
    return {
        "index": index,
        "kind": report.kind,
        "lines": indented(_words(report)),
        "size_bytes": 0 if entry is None else len(entry),
        "hex": "" if entry is None else entry.hex(" ", 4),
        "diagnostic": "" if entry is None else diagnose(entry),
        "leaf": "" if report.leaf is None else report.leaf.hex(),
        "chain": "" if report.chain is None else report.chain.hex(),
        "chain_stored": report.stored_chain is not None,
        "chain_holds": chain_holds,
        "steps": [
            {
                "sibling": step.sibling.hex(),
                "left": step.sibling_is_left,
                "node": step.node.hex(),
            }
            for step in report.steps
        ],
        "head_size": copy.size,
        "root": copy.reader.head.root_hash.hex(),
        "inclusion": fault_values(report.inclusion),
        "head_holds": copy.head is not None and not copy.head.faults and copy.fold.is_pinned,
        "signed": report.statement is not None,
        "distrusted_from": None
        if report.statement is None
        else distrusted_from(report.statement, index, copy.fold),
        "signature": fault_values(report.signature),
        "faults": [fault_values(fault) for fault in report.faults if fault != report.inclusion],
        "epoch": None if epoch is None else epoch_values(epoch),
        "previous": index - 1 if index else None,
        "following": index + 1 if index + 1 < copy.size else None,
    }


def _words(report: EntryReport) -> list[str]:
    if report.statement is not None:
        return describe_statement(report.statement)
    if report.kind == "padding" and report.entry is not None:
        return describe_entry(report.entry)
    if report.entry is None:
        return ["This copy does not have this entry."]
    return ["These bytes are not a statement of this protocol. They are shown below as they are."]


def epoch_values(epoch: EpochPlace) -> dict[str, Any]:
    """Return where an epoch stands."""
    return {
        "number": epoch.number,
        "first": epoch.first,
        "seal": epoch.end - 1,
        "size": epoch.end,
        "count": epoch.end - epoch.first,
        "time": format_time(epoch.time_ms // 1000),
    }
