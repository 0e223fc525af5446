"""The registry: what the entries of a ledger mean, as a fold. docs/protocol.md section 4."""

from ledger.core.registry.fold import Registry
from ledger.core.registry.governance import Governance, Issuer, KeyRecord

__all__ = ["Governance", "Issuer", "KeyRecord", "Registry"]
