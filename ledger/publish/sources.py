"""Where a published folder comes from: the data directory of a ledger, or another address that serves it.

docs/protocol.md sections 8 and 9. A source shows its newest publication: the head that has its quorum of
witnesses, with the trust bundle of that head, opened against the pin. Tiles are read as they are stored;
`ledger.core.authentic_tiles` decides what is believed of them.

    with opened_source("data", None) as source:
        publication = source.newest()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from ledger.core.bundle import MAX_BUNDLE_SIZE, MAX_NOTE_SIZE, parse_bundle
from ledger.core.charter import Charter
from ledger.core.cose_key import PublicKey
from ledger.core.key_set import MAX_KEY_SET_BYTES, parse_key_set
from ledger.core.ledger_verbs import SetServiceKeys
from ledger.core.opened_bundle import OpenedBundle, open_bundle
from ledger.core.pin import Pin
from ledger.core.statement import parse_statement
from ledger.core.tiles import TilePath
from ledger.errors import LedgerError, MalformedError, StorageError
from ledger.publish.stored import Progress, StoredHeads
from ledger.published_files import CHECKPOINT, Files, HttpFiles, read_tile
from ledger.remote import is_address

KEYS_PATH: Final = ".well-known/scitt-keys.cbor"
"""The key set in a folder: a file and a folder cannot have one name, and each key stands below that name."""
KEYS_ADDRESS: Final = ".well-known/scitt-keys"


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be seen at one moment.

    Attributes:
        opened: the verified bundle; its checkpoint is the head.
        bundle: its bytes.
        keys: every receipts key, the newest first; empty where the source shows none that the bundle
            vouches for.
        deltas: the days `YYYY-MM-DD` that are over and have a delta; none from an address.
    """

    opened: OpenedBundle = field(repr=False)
    bundle: bytes = field(repr=False)
    keys: tuple[PublicKey, ...]
    deltas: tuple[str, ...]

    @property
    def checkpoint(self) -> str:
        """The text of the head."""
        return self.opened.note

    @property
    def size(self) -> int:
        """Tree size of the head."""
        return self.opened.checkpoint.tree_size


class PublicationSource(Protocol):
    """A copy of a ledger that is published."""

    def newest(self) -> Publication:
        """Return the newest publication; StorageError with code no_bundle where there is none yet."""

    def read_tile(self, path: TilePath) -> bytes:
        """Return a tile or entry bundle of the newest publication, not checked."""

    def read_delta(self, day: str) -> bytes:
        """Return the delta of a day that the newest publication names."""

    def sizes(self, above: int, upto: int) -> Iterable[int]:
        """Return the sizes in (above, upto] at which epochs ended, as far as the source knows them."""


class StoredSource:
    """The data directory of a ledger, whose service may be running; it is only read."""

    def __init__(self, data_dir: Path, pin: Pin | None, progress: Progress) -> None:
        self._heads = StoredHeads(data_dir, progress)
        self._pin = pin
        self._opened: tuple[bytes, OpenedBundle] | None = None

    def newest(self) -> Publication:
        """Replay what is new, and return the newest head with its quorum; errors as `StoredHeads.newest`.

        Raises:
            BundleError: the bundle does not verify, or is not of the pinned ledger.
        """
        stored = self._heads.newest()
        if self._opened is None or self._opened[0] is not stored.bundle:
            self._opened = (stored.bundle, open_bundle(stored.bundle, self._pin or stored.pin))
        return Publication(self._opened[1], stored.bundle, stored.keys, self._heads.deltas())

    def read_tile(self, path: TilePath) -> bytes:
        """Read a tile; ForkAlarm bad_tile where it is missing."""
        return self._heads.read_tile(path)

    def read_delta(self, day: str) -> bytes:
        """Read a delta; StorageError where it cannot be read."""
        return self._heads.read_delta(day)

    def sizes(self, above: int, upto: int) -> Iterable[int]:
        """Return the sizes of the stored heads."""
        return self._heads.sizes(above, upto)

    def close(self) -> None:
        """Close the database."""
        self._heads.close()


class RemoteSource:
    """A service, or a folder that was published and is served by anybody.

    Args:
        files: of the copy.
        pin: which ledger it must be.
    """

    def __init__(self, files: Files, pin: Pin) -> None:
        self._files = files
        self._pin = pin
        self._last: Publication | None = None

    def newest(self) -> Publication:
        """Fetch the trust bundle and verify it against the pin; its head is what is mirrored.

        Raises:
            BundleError: it does not verify.
            StorageError: code not_reachable, not_found or too_large.
        """
        last = self._last
        # The checkpoint is small and the bundle is not; an address that goes on showing an old one is behind.
        if (
            last is not None
            and last.keys
            and self._files.get(CHECKPOINT, MAX_NOTE_SIZE) == last.checkpoint.encode()
        ):
            return last
        data = self._files.get("bundle", MAX_BUNDLE_SIZE)
        opened = open_bundle(data, self._pin)
        self._last = Publication(opened, data, self._keys(data, opened), ())
        return self._last

    def read_tile(self, path: TilePath) -> bytes:
        """Fetch a tile; errors as `read_tile`."""
        return read_tile(self._files, path)

    def read_delta(self, day: str) -> bytes:
        """Raise StorageError not_found: an address has no delta that can be proven."""
        raise StorageError("deltas are not mirrored", field=f"delta/{day}", code="not_found")

    def sizes(self, above: int, upto: int) -> Iterable[int]:
        """Return the newest size alone: an address shows no other."""
        return (upto,) if above < upto else ()

    def _keys(self, bundle: bytes, opened: OpenedBundle) -> tuple[PublicKey, ...]:
        """Return the key set if governors decided on each of its keys, and the one in use is among them."""
        decided = _decided(bundle, opened)
        for path in (KEYS_PATH, KEYS_ADDRESS):
            try:
                keys = parse_key_set(self._files.get(path, MAX_KEY_SET_BYTES))
            except (StorageError, MalformedError):
                continue  # many servers answer for the folder of that name; a mirror can do without keys
            if opened.governance.receipts_key in keys and set(keys) <= decided:
                return tuple(keys)
        return ()


@contextmanager
def opened_source(
    name: str, pin: Pin | None, progress: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[PublicationSource]:
    """Open a source and close it at the end.

    Args:
        name: `http://...`, `https://...`, or a data directory.
        pin: which ledger it must be; an address is not believed without.
        progress: told how many entries of how many were replayed.

    Raises:
        LedgerError: code usage, an address without a pin.
        StorageError: code not_found, there is no ledger in the directory.
    """
    if not is_address(name):
        with closing(StoredSource(Path(name), pin, progress)) as source:
            yield source
    elif pin is None:
        raise LedgerError("usage", "an address is believed as far as a pin goes: give --pin", field="pin")
    else:
        with closing(HttpFiles(name)) as files:
            yield RemoteSource(files, pin)


def _decided(bundle: bytes, opened: OpenedBundle) -> set[PublicKey]:
    """Return every receipts key that the charter or an action of governors names."""
    verbs = [verb for effect in opened.governance.effects for verb in effect.action.verbs]
    changed = {verb.receipts_key for verb in verbs if isinstance(verb, SetServiceKeys)}
    charter = parse_statement(parse_bundle(bundle).charter.entry).body
    assert isinstance(charter, Charter)  # the bundle was opened
    return {charter.receipts_key, *changed}
