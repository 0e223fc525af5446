"""The audit: replay a whole ledger from a copy and trust nobody. docs/protocol.md sections 2 to 5."""

from ledger.audit.report import AuditReport
from ledger.audit.run import audit

__all__ = ["AuditReport", "audit"]
