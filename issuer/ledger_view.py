"""What a desk reads from a trust bundle: its own admission, and the status of its places.

docs/protocol.md, section 9, steps 1 to 3, 6 and 7 without witnesses and cells: a desk decides nothing by
it. Whatever it signs on the strength of this view, the ledger judges again.

    view = open_view(bundle_bytes, charter_hash)
    view.issuer("civil-1").number, view.status("sc:1/0", 4711)
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from credential.core.status_list import RAW_BYTES, decompress_list
from issuer.errors import IssuerError
from issuer.ledger_client import LedgerPin, pin_charter
from ledger.core import cbor
from ledger.core.bundle import Bundle, parse_bundle
from ledger.core.fields import PLACES
from ledger.core.registry.governance import Governance, action_digest
from ledger.core.registry.issuers import Issuer
from ledger.core.seal import Seal
from ledger.core.statement import parse_statement
from ledger.errors import VerificationError

_REASONS_MAX_BYTES: Final = 5 + PLACES * 12


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
        MalformedError: not a bundle, or a statement in it does not parse.
        VerificationError: bundle_invalid for another charter, a seal that does not belong to the
            approvals or to the lists, or too few approvals; bad_signature; the code of an approval that
            does not apply.
    """
    bundle = parse_bundle(data)
    pin = pin_charter(bundle.charter.entry, charter_hash)
    governance = Governance.from_charter(parse_statement(bundle.charter.entry).body, charter_hash)
    _fold_approvals(bundle, governance)
    seal = _check_seal(bundle, governance)
    return LedgerView(pin, seal.time_ms, dict(governance.issuers), _open_lists(bundle, seal))


def _fold_approvals(bundle: Bundle, governance: Governance) -> None:
    statements = [(placed.index, parse_statement(placed.entry)) for placed in bundle.approvals]
    if any(statement.kind != "govern" for _, statement in statements):
        raise VerificationError("bundle_invalid", "an approval is not a govern statement", field="approvals")
    # The bundle has all approvals of each effective action and no others, so the last one completes it.
    needed = Counter(action_digest(statement.body) for _, statement in statements)
    if any(count < governance.threshold for count in needed.values()):
        raise VerificationError("bundle_invalid", "an action has too few approvals", field="approvals")
    for index, statement in statements:
        statement.check_signature(governance.governor_key(statement.iss, statement.kid))
        required = needed[action_digest(statement.body)]
        governance.approve(index, statement, time_ms=None, required=required)


def _check_seal(bundle: Bundle, governance: Governance) -> Seal:
    statement = parse_statement(bundle.seal.entry)
    seal = statement.body
    if not isinstance(seal, Seal) or seal.govern_head != governance.govern_head:
        raise VerificationError("bundle_invalid", "the seal does not belong to the approvals", field="seal")
    statement.check_signature(governance.service_key)
    return seal


def _open_lists(bundle: Bundle, seal: Seal) -> dict[str, bytes]:
    lists, rows = {}, []
    for packed in bundle.lists:
        raw = decompress_list(packed.raw_deflated, max_size=RAW_BYTES)
        reasons = decompress_list(packed.reasons_deflated, max_size=_REASONS_MAX_BYTES)
        if len(raw) != RAW_BYTES:
            raise VerificationError("bundle_invalid", "a status list does not have its size", field="lists")
        rows.append([packed.uri, hashlib.sha256(raw).digest(), hashlib.sha256(reasons).digest()])
        lists[packed.uri] = raw
    if hashlib.sha256(cbor.encode(rows)).digest() != seal.status_digest:
        raise VerificationError("bundle_invalid", "the lists do not belong to the seal", field="lists")
    return lists
