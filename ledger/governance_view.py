"""Who governs a ledger and who may issue on it, from a service, a bundle file or a data directory.

docs/protocol.md sections 3 and 9. From a bundle the approvals are folded and held against the seal; open
proposals do not travel there. From a data directory all entries are replayed. With a pin the charter must be
the pinned one; without it the view says what the source says.

    governance = read_governance("https://ledger.example", pin)
    governance.issuers["civil-1"].counter
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ledger.core.bundle import MAX_BUNDLE_SIZE, parse_bundle
from ledger.core.merkle import leaf_hash
from ledger.core.pin import Pin
from ledger.core.registry.governance import Governance, approvals_complete
from ledger.core.seal import Seal
from ledger.core.statement import parse_statement
from ledger.errors import StorageError, VerificationError
from ledger.files import read_file
from ledger.govern_files import parse_charter_file
from ledger.remote import RemoteLedger, is_address

_APPROVALS_NEVER: Final = 1 << 30


def read_governance(source: str, pin: Pin | None = None) -> Governance:
    """Return the governance of a ledger.

    Args:
        source: address of a service, a bundle file, or a data directory.
        pin: the ledger that it must be, or None.

    Raises:
        StorageError: not_reachable, not_found, storage_failed.
        MalformedError, VerificationError: the bundle is not one, or does not hold together.
        ForkAlarm: the data directory contradicts itself.
    """
    if is_address(source):
        with RemoteLedger(source) as remote:
            return fold_bundle(remote.bundle(), pin)
    path = Path(source)
    if path.is_dir():
        return _replay_directory(path, pin)
    return fold_bundle(read_file(path, max_size=MAX_BUNDLE_SIZE, field="source"), pin)


def fold_bundle(data: bytes, pin: Pin | None = None) -> Governance:
    """Return the governance that a bundle's charter and approvals amount to, as its seal commits to it.

    Raises:
        MalformedError: not a bundle, or a statement in it does not parse.
        VerificationError: bundle_invalid for another charter, an approval too few, or a seal that does not
            belong to the approvals; bad_signature; the code of an approval that does not apply.
    """
    bundle = parse_bundle(data)
    charter = parse_charter_file(bundle.charter.entry)
    charter_hash = leaf_hash(bundle.charter.entry)
    _check_pin(charter_hash, charter.body.origin, pin)
    governance = Governance.from_charter(charter.body, charter_hash)
    statements = [parse_statement(placed.entry) for placed in bundle.approvals]
    if any(statement.kind != "govern" for statement in statements):
        raise VerificationError("bundle_invalid", "an approval is not a govern statement", field="approvals")
    complete = approvals_complete(statements)
    for placed, statement, completes in zip(bundle.approvals, statements, complete, strict=True):
        statement.check_signature(governance.governor_key(statement.iss, statement.kid))
        required = governance.threshold if completes else _APPROVALS_NEVER
        effect = governance.approve(placed.index, statement, time_ms=None, required=required)
        if completes and effect is None:
            raise VerificationError("bundle_invalid", "an action has too few approvals", field="approvals")
    seal = parse_statement(bundle.seal.entry)
    if not isinstance(seal.body, Seal) or seal.body.govern_head != governance.govern_head:
        raise VerificationError("bundle_invalid", "the seal does not belong to the approvals", field="seal")
    seal.check_signature(governance.service_key)
    return governance


def _replay_directory(path: Path, pin: Pin | None) -> Governance:
    from ledger.service.replay import Replay  # a bundle is read without the database's libraries
    from ledger.store.engine import DATABASE_NAME, open_engine
    from ledger.store.entries import LedgerReader

    if not (path / DATABASE_NAME).is_file():
        raise StorageError("there is no ledger in this directory", field="source", code="not_found")
    engine = open_engine(path / DATABASE_NAME, "read")
    try:
        reader = LedgerReader(engine)
        head = reader.head()
        if head is None:
            raise StorageError("the ledger has not begun", field="source", code="not_found")
        # An audit verifies signatures; who asks for the state of his own directory does not wait for that.
        replay = Replay(reader.entries, verify=lambda statement, key: None)
        governance = replay.advance(head.size, head.root).governance
    finally:
        engine.dispose()
    _check_pin(governance.charter_hash, governance.origin, pin)
    return governance


def _check_pin(charter_hash: bytes, origin: str, pin: Pin | None) -> None:
    if pin is not None and (charter_hash, origin) != (pin.charter_hash, pin.origin):
        raise VerificationError("bundle_invalid", "this is not the pinned ledger", field="charter")
