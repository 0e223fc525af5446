"""Evidence: files that prove a fault of a ledger to anybody who knows its pin. docs/protocol.md section 12.

finding = check_evidence(data, pin)
finding.against, finding.code, finding.index
"""

from ledger.core.evidence.check import check_evidence
from ledger.core.evidence.finding import Finding

__all__ = ["Finding", "check_evidence"]
