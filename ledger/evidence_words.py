"""What an evidence file proves, in plain words. docs/protocol.md section 12.

Standard library and core only: the second opinion (`ledger.second_opinion`) says the same words.

    for line in describe_finding(check_evidence(data, pin)): print(line)
"""

from __future__ import annotations

from typing import Final

from ledger.core.evidence import Finding
from ledger.core.evidence.finding import OPERATOR

PROVEN: Final = {
    "fork": "The ledger's keys signed two heads that cannot both be true.",
    "tampered_entry": "Bytes that were given out as an entry are not the entry that the ledger signed for.",
    "broken_chain": "A seal of the ledger commits other entries than the tree that the ledger signed.",
    "wrong_root": "The ledger's keys signed a root that is not the root of the entries that its seal commits.",
    "broken_rule": "The ledger's keys signed an epoch that breaks the rules that everybody can replay.",
    "omitted_action": "A seal of the ledger leaves out an action of the governors that took effect.",
}
_SEAL_ALONE: Final = (
    "Against: the operator, or who has a stolen service key of this ledger, in use or replaced: nothing but the seal "
    "contradicts the head. Ask the operator for the entries of this head; the true ones have its root."
)
_CONVICTS: Final = {
    True: "Against: the operator. Whoever holds the ledger's keys signed this; nobody else could make it.",
    False: "Against: a copy. Nobody's signature is on these bytes: they say who was shown what, and convict "
    "nobody by themselves.",
}


def describe_finding(finding: Finding) -> list[str]:
    """Return what is proven, one line each."""
    place = "" if finding.index is None else f" at entry {finding.index}"
    field = f", field {finding.field}" if finding.field else ""
    lines = [
        f"The evidence holds: {finding.kind}",
        f"Ledger: {finding.origin}",
        PROVEN[finding.kind],
        f"Found: {finding.code}{place}{field}: {finding.detail}",
        _SEAL_ALONE if finding.kind == "wrong_root" else _CONVICTS[finding.against == OPERATOR],
    ]
    lines += [f"Head: {size} entries, root {root.hex()}" for size, root in finding.heads]
    both = "all of these heads" if len(finding.heads) > 1 else "this head"
    if finding.witnesses:
        lines.append(f"Witnesses that cosigned {both}: {', '.join(finding.witnesses)}")
    else:
        lines.append(f"No witness cosigned {both}, as far as the file shows.")
    return lines
