"""The list of a station, from a verified bundle. docs/protocol.md, section 9.

A station pins one ledger by origin and charter hash. The ground floor takes the seven steps of that section
(ledger/core/opened_bundle.py); what stands here makes the result fast to ask.

    trusted = open_bundle(data, pin)
    issuer = trusted.issuers["civil-1"]
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.core import opened_bundle
from ledger.core.opened_bundle import IssuerChange
from ledger.core.pin import Pin
from ledger.core.registry.issuers import Issuer
from verifier.core.evidence import IssuerName
from verifier.core.trusted_list import ScopeRecord, TrustedIssuer, TrustedList, TrustedStatusList


def open_bundle(data: bytes, pin: Pin) -> TrustedList:
    """Verify a bundle against the pin and return the list that it is.

    Raises:
        BundleError: code bundle_invalid, with the step that failed.
    """
    opened = opened_bundle.open_bundle(data, pin)
    return TrustedList(
        origin=opened.governance.origin,
        tree_size=opened.checkpoint.tree_size,
        root_hash=opened.checkpoint.root_hash,
        cells=memoryview(opened.cells),
        issuers={
            name: _trusted_issuer(issuer, opened.history[name])
            for name, issuer in opened.governance.issuers.items()
        },
        lists={uri: TrustedStatusList(raw, reasons) for uri, (raw, reasons) in opened.lists.items()},
        checkpoint=opened.note,
        log_keys=opened.log_keys,
        witness_policy=opened.governance.witness_policy,
        now_min_s=opened.now_min_s,
        size_bytes=opened.size_bytes,
    )


def _trusted_issuer(issuer: Issuer, changes: Sequence[IssuerChange]) -> TrustedIssuer:
    return TrustedIssuer(
        name=IssuerName(issuer.issuer_id, issuer.title, issuer.authority),
        number=issuer.number,
        keys=issuer.keys,
        scopes=tuple(
            ScopeRecord(change.index, frozenset(change.issuer.scope.vcts), change.issuer.suspended)
            for change in reversed(changes)
        ),
        list_prefix=f"sc:{issuer.number}/",
    )
