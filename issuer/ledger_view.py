"""What a desk reads from a trust bundle: its own admission, and the status of its places.

The bundle is verified as a station verifies it (ledger/core/opened_bundle.py). Whatever a desk signs on the
strength of this view, the ledger judges again.

    view = open_view(bundle_bytes, charter_hash)
    view.issuer("civil-1").number, view.status("sc:1/0", 4711)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from issuer.errors import IssuerError
from issuer.ledger_client import LedgerPin, pin_charter
from ledger.core.bundle import parse_bundle
from ledger.core.opened_bundle import open_bundle
from ledger.core.pin import Pin
from ledger.core.registry.issuers import Issuer


@dataclass(frozen=True, slots=True)
class LedgerView:
    """A ledger as of its last seal.

    Attributes:
        pin: its identity and receipts key.
        time_ms: time of the seal.
        issuers: by id.
        lists: raw status lists of 65,536 bytes by URI.
    """

    pin: LedgerPin
    time_ms: int
    issuers: Mapping[str, Issuer]
    lists: Mapping[str, bytes]

    def issuer(self, issuer_id: str) -> Issuer:
        """Return an admitted issuer.

        Raises:
            IssuerError: unknown_issuer, it is not admitted yet.
        """
        if issuer_id not in self.issuers:
            raise IssuerError("unknown_issuer", "the governors have not admitted this issuer", field="id")
        return self.issuers[issuer_id]

    def status(self, uri: str, idx: int) -> int:
        """Return the status of a place, 0 to 15.

        Raises:
            IssuerError: not_found, the list has no place taken.
        """
        raw = self.lists.get(uri)
        if raw is None:
            raise IssuerError("not_found", "no credential has a place on this list", field="uri")
        return raw[idx >> 1] >> 4 * (idx & 1) & 15


def open_view(data: bytes, charter_hash: bytes) -> LedgerView:
    """Read a bundle of the pinned ledger.

    Raises:
        MalformedError: not a bundle.
        BundleError: code bundle_invalid, it cannot be trusted, or is of another charter.
        VerificationError: bundle_invalid for another charter.
    """
    pin = pin_charter(parse_bundle(data).charter.entry, charter_hash)
    opened = open_bundle(data, Pin(pin.origin, charter_hash))
    lists = {uri: raw for uri, (raw, _) in opened.lists.items()}
    return LedgerView(pin, opened.seal.time_ms, dict(opened.governance.issuers), lists)
