"""Check of an evidence file with nothing but the file and the pin. docs/protocol.md section 12.

    finding = check_evidence(data, pin)

What is returned is proven; what is not proven raises. Nothing else is read, asked or believed.
"""

from __future__ import annotations

from ledger.core.evidence.finding import Finding
from ledger.core.evidence.form import (
    BrokenChain,
    BrokenRule,
    Evidence,
    Fork,
    OmittedAction,
    TamperedEntry,
    WrongRoot,
    parse_evidence,
)
from ledger.core.evidence.heads import check_fork, check_tampered_entry
from ledger.core.evidence.omissions import check_omitted_action
from ledger.core.evidence.rules import check_broken_rule
from ledger.core.evidence.spans import check_broken_chain, check_wrong_root
from ledger.core.evidence.standing import open_terms
from ledger.core.pin import Pin
from ledger.errors import CodedError, LedgerError, VerificationError


def check_evidence(data: bytes, pin: Pin) -> Finding:
    """Return what an evidence file proves about the pinned ledger.

    Raises:
        MalformedError: codes malformed, too_large and unsupported, the file is not of its form.
        VerificationError: code not_proven, it does not prove what it claims, or is of another ledger.
    Source: docs/protocol.md, section 12.
    """
    evidence = parse_evidence(data)
    try:
        return _check(evidence, pin)
    except LedgerError as error:
        if error.code == "not_proven":
            raise
        raise _not_proven(error) from error


def _check(evidence: Evidence, pin: Pin) -> Finding:
    standing = open_terms(evidence.terms, pin)
    if isinstance(evidence.body, BrokenRule):
        return check_broken_rule(evidence.body, evidence.head, standing)
    head = standing.open_head(evidence.head)
    match evidence.body:
        case Fork():
            return check_fork(evidence.body, head, standing)
        case TamperedEntry():
            return check_tampered_entry(evidence.body, head, standing)
        case BrokenChain():
            return check_broken_chain(evidence.body, head, standing)
        case WrongRoot():
            return check_wrong_root(evidence.body, head, standing)
        case OmittedAction():
            return check_omitted_action(evidence.body, head, standing, evidence.terms, pin)


def _not_proven(error: CodedError) -> VerificationError:
    return VerificationError("not_proven", f"{error.detail} ({error.code})", field=error.field)
