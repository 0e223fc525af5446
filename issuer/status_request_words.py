"""A request of a desk in plain words: what a second signer reads before she signs.

docs/adr/0006-second-signer.md.

    for line in describe_request(data):
        print(line)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from issuer.second_signers import SecondSigners
from issuer.status_batch import limited_in, outlook
from issuer.status_request import Part, parse_request, request_digest
from ledger.core.registry.quarantine import MOST_A_DAY
from ledger.core.status_change import (
    AFFIRMED,
    REASON_NAMES,
    REPLACED,
    SUSPENDED,
    VALID,
    WITHDRAWN,
    StatusChange,
)
from ledger.govern_files import words_of
from ledger.inspect import STATUS_NAMES, format_time
from ledger.ledger_words import describe_key

NUMBERS_SHOWN: Final = 200
_EFFECTS: Final = {
    WITHDRAWN: "for good; a scan reads: issuer withdrew this",
    SUSPENDED: "a scan reads: under review",
    REPLACED: "for good; a scan reads: replaced, or reported not in use",
    VALID: "what was under review reads as confirmed again",
    AFFIRMED: "what a distrusted key signed, or what was under review, reads as confirmed",
}

NameOf = Callable[[str, int], str]


def describe_request(
    data: bytes, *, name_of: NameOf | None = None, most: int | None = NUMBERS_SHOWN
) -> list[str]:
    """Return a request in plain words.

    Args:
        data: the request file.
        name_of: returns the desk's own name of a place, "" where it has none; None where no desk is at hand.
        most: how many places of a statement are named; None names all.

    Raises:
        MalformedError: not a request.
    """
    request = parse_request(data)
    digest = request_digest(data)
    lines = [
        f"Request of {request.issuer_id}, desk {request.desk}, to be signed and sent until "
        f"{format_time(request.not_after)}",
        f"  in words: {words_of(digest)}",
        f"  digest: {digest.hex()}",
        f"  ledger: charter {request.charter_hash.hex()}",
        f"  key of the desk: {request.thumbprint.hex()[:16]} ({words_of(request.thumbprint)})",
    ]
    if request.rule is not None:
        return lines + describe_rule(request.rule)
    changes = Counter((row.new, row.reason) for part in request.parts for row in part.rows)
    for (new, reason), count in sorted(changes.items()):
        to = STATUS_NAMES[new] if new != VALID else "valid again"
        lines.append(f"  {to}: {count}, reason {REASON_NAMES[reason]} ({_EFFECTS[new]})")
    for number, part in enumerate(request.parts, start=1):
        lines += _describe_part(number, part, name_of, most)
    statements = [StatusChange(part.uri, 1, part.rows) for part in request.parts]
    limited = sum(map(limited_in, statements))
    if limited:
        lines.append(
            f"  Withdrawals and suspensions that count against the authority's limits: {limited}. The ledger "
            "holds a statement with which it would exceed 1 % of its live credentials in 24 hours (20 at least, "
            f"{MOST_A_DAY} at most), 3 % in 30 days or 5 % in 365 days, until governors decide."
        )
    return lines


def describe_rule(rule: SecondSigners) -> list[str]:
    """Return the rule of a desk in plain words."""
    if not rule.are_required:
        return ["  No second signer: the desk changes statuses alone."]
    return [
        "  Every change of status by this desk needs the approval of one of these:",
        *(f"    {name}: {describe_key(key)}" for name, key in rule.signers),
    ]


def _describe_part(number: int, part: Part, name_of: NameOf | None, most: int | None) -> list[str]:
    held = outlook(StatusChange(part.uri, 1, part.rows))
    lines = [f"  Statement {number}, list {part.uri}: {len(part.rows)} changes; will be held: {held}"]
    shown = part.rows if most is None else part.rows[:most]
    groups: dict[tuple[int, int, int, int], list[int]] = {}
    for row in shown:
        groups.setdefault((row.old, row.new, row.reason, row.month), []).append(row.idx)
    for (old, new, reason, month), places in groups.items():
        lines.append(
            f"    {STATUS_NAMES[old]} -> {STATUS_NAMES[new]}, reason {REASON_NAMES[reason]}, "
            f"published as of {month // 100}-{month % 100:02}:"
        )
        if name_of is None:
            lines.append(f"      {_numbers(places)}")
        else:
            lines += [f"      {place} {name_of(part.uri, place)}".rstrip() for place in places]
    if len(shown) < len(part.rows):
        lines.append(f"    and {len(part.rows) - len(shown)} more; --all names them")
    return lines


def _numbers(places: Sequence[int]) -> str:
    return " ".join(map(str, places))
