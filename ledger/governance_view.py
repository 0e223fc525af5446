"""Who governs a ledger and who may issue on it, from a service, a bundle file or a data directory.

docs/protocol.md sections 3, 8 and 9. From a bundle the approvals are folded and held against the seal; open
proposals and what is held do not travel there. A service names them besides, and each is checked against the
bundle (`ledger.open_matters`). From a data directory all entries are replayed. With a pin the charter must be
the pinned one; without it the view says what the source says.

    governance, matters = read_view("https://ledger.example", pin)
    governance.issuers["civil-1"].counter, matters.held
"""

from __future__ import annotations

from pathlib import Path

from ledger.core.bundle import MAX_BUNDLE_SIZE, parse_bundle
from ledger.core.govern_hint import parse_govern_hint
from ledger.core.merkle import leaf_hash
from ledger.core.opened_bundle import OpenedBundle, open_bundle
from ledger.core.pin import Pin
from ledger.core.registry.governance import Governance
from ledger.errors import CodedError, StorageError, VerificationError
from ledger.files import read_file
from ledger.govern_files import parse_charter_file
from ledger.open_matters import OpenMatters, read_matters, unexplained_places
from ledger.remote import RemoteLedger, is_address


def read_view(source: str, pin: Pin | None = None) -> tuple[Governance, OpenMatters]:
    """Return the governance of a ledger with its open proposals, and the changes of status that are held.

    Args:
        source: address of a service, a bundle file, or a data directory.
        pin: the ledger that it must be, or None.

    Raises:
        StorageError: not_reachable, not_found, storage_failed; too_large, the service names too much.
        MalformedError, VerificationError: the bundle is not one, or does not hold together; what the service
            says of open matters has no form.
        ForkAlarm: the data directory contradicts itself; bad_entry, bad_epoch, a service gives other entries
            than its bundle commits to.
    """
    if is_address(source):
        with RemoteLedger(source) as remote:
            return read_remote_view(remote, pin)
    path = Path(source)
    if path.is_dir():
        return _replay_directory(path, pin)
    opened = _open(_read_bundle(path), pin)
    notes = (*unexplained_places(opened, []), "A list does not carry open proposals; a service names them.")
    return opened.governance, OpenMatters(notes=notes)


def read_remote_view(remote: RemoteLedger, pin: Pin | None) -> tuple[Governance, OpenMatters]:
    """Return what `read_view` does, of an open connection to a service."""
    opened = _open(remote.bundle(), pin)
    try:
        hint = parse_govern_hint(remote.govern_hint())
    except CodedError as error:
        if error.code not in ("not_found", "read_only"):
            raise
        # One of an earlier version, or a ledger that stopped; who hides behind this hides what he could anyway.
        notes = (*unexplained_places(opened, []), "The service does not say which proposals are open.")
        return opened.governance, OpenMatters(notes=notes)
    matters = read_matters(opened, hint, remote.entry_bundle)
    return opened.governance, matters


def read_governance(source: str, pin: Pin | None = None) -> Governance:
    """Return the governance alone; from an address or a file without open proposals. Arguments and errors as
    `read_view`.
    """
    if is_address(source):
        with RemoteLedger(source) as remote:
            return fold_bundle(remote.bundle(), pin)
    path = Path(source)
    return _replay_directory(path, pin)[0] if path.is_dir() else fold_bundle(_read_bundle(path), pin)


def fold_bundle(data: bytes, pin: Pin | None = None) -> Governance:
    """Return the governance that a bundle amounts to, after all the checks of a station.

    Raises:
        MalformedError: not a bundle, or its charter does not parse.
        VerificationError: bundle_invalid for another charter than the pinned one, or whatever a station
            would refuse; the code of a charter that is not signed as it must be.
    """
    return _open(data, pin).governance


def _open(data: bytes, pin: Pin | None) -> OpenedBundle:
    charter = parse_charter_file(parse_bundle(data).charter.entry)
    own = Pin(charter.body.origin, leaf_hash(charter.entry))
    _check_pin(own.charter_hash, own.origin, pin)
    return open_bundle(data, pin or own)


def _read_bundle(path: Path) -> bytes:
    return read_file(path, max_size=MAX_BUNDLE_SIZE, field="source")


def _replay_directory(path: Path, pin: Pin | None) -> tuple[Governance, OpenMatters]:
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
        registry = replay.advance(head.size, head.root)
    finally:
        engine.dispose()
    governance = registry.governance
    _check_pin(governance.charter_hash, governance.origin, pin)
    return governance, OpenMatters(tuple(registry.places.quarantine.held.values()))


def _check_pin(charter_hash: bytes, origin: str, pin: Pin | None) -> None:
    if pin is not None and (charter_hash, origin) != (pin.charter_hash, pin.origin):
        raise VerificationError("bundle_invalid", "this is not the pinned ledger", field="charter")
