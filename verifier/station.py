"""A station: a folder with a pin, the newest list, and evidence if the ledger ever contradicts itself.

    station/
      pin.json        which ledger is believed
      bundle.cbor     the newest list that was accepted
      head.json       its tree: the station never goes back below it, whatever becomes of the file
      evidence/       what contradicts each other (fork), and the file that proves it, to hand on to an auditor
      deltas/         public daily changes that were applied, for phones (verifier/kept_deltas.py)
      https.pem       key and certificate, where the station made one for itself (verifier/https.py)
      ledgers/<name>/ the same again for every further ledger that is believed

Nothing of any scan is written, here or anywhere. A list takes the place of the one at hand only after it
was verified, only if it is not older, and in one step: a power cut leaves the old list or the new one.

    station = Station(Path("station"))
    trusted = station.trusted_lists()
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from ledger.core.bundle import parse_bundle
from ledger.core.checkpoint import parse_checkpoint
from ledger.core.evidence.bundles import prove_bundle_fork
from ledger.core.note import parse_note
from ledger.core.pin import LeastTree, Pin, format_pin, is_practice, parse_pin
from ledger.core.statement import parse_statement
from ledger.errors import CodedError, ForkAlarm, StorageError, VerificationError
from verifier.core.trust import open_bundle
from verifier.core.trusted_list import TrustedList, check_newer
from verifier.errors import BundleError, StationError

PIN_FILE: Final = "pin.json"
BUNDLE_FILE: Final = "bundle.cbor"
HEAD_FILE: Final = "head.json"
EVIDENCE_FOLDER: Final = "evidence"
LEDGERS_FOLDER: Final = "ledgers"
_LOCK_FILE: Final = ".lock"
_LOCK_TIMEOUT_S: Final = 30.0
_NOT_IN_A_NAME: Final = re.compile(r"[^a-z0-9.-]")


@dataclass(slots=True)
class Station:
    """One station's folder. Opening it reads nothing; the list is read once and again when it changed.

    `pin`, `trusted` and `export_bundle` are about the first ledger; `ledgers` returns a `Station` for each,
    and `trusted_lists`, `import_bundle` and `evidence_files` are about all of them.
    """

    folder: Path
    _seen: tuple[int, int] | None = field(default=None, repr=False)
    _trusted: TrustedList | None = field(default=None, repr=False)
    _further: dict[Path, Station] = field(default_factory=dict, repr=False)

    def set_pin(self, pin: Pin) -> None:
        """Believe a ledger from now on; of the same ledger, the larger of two least trees is kept.

        Raises:
            StationError: code bad_input, the station believes another ledger of the same origin, or the
                ledger is that of practice cards.
            StorageError: code storage_failed, the folder cannot be written.
        """
        if is_practice(pin.origin):
            raise StationError("bad_input", "practice cards are never believed", field="origin")
        if not self._path(PIN_FILE).exists():
            self._write(PIN_FILE, format_pin(pin))
            return
        for ledger in self.ledgers():
            known = ledger.pin()
            if known.same_ledger(pin):
                if pin.least is not None and (known.least is None or known.least.size < pin.least.size):
                    ledger._write(PIN_FILE, format_pin(pin))
                    ledger._seen = None
                return
            if known.origin == pin.origin:
                detail = "the station believes another ledger of this origin; use a new folder"
                raise StationError("bad_input", detail, field="pin")
        Station(self._path(LEDGERS_FOLDER) / _folder_name(pin))._write(PIN_FILE, format_pin(pin))

    def ledgers(self) -> tuple[Station, ...]:
        """Return one station for each ledger that is believed, this one first."""
        folders = sorted(path.parent for path in self._path(LEDGERS_FOLDER).glob(f"*/{PIN_FILE}"))
        return (self, *(self._further.setdefault(folder, Station(folder)) for folder in folders))

    def ledger_of(self, origin: str) -> Station | None:
        """Return the station of the ledger with this origin, None where it is not believed."""
        return next((ledger for ledger in self.ledgers() if ledger.pin().origin == origin), None)

    def pin(self) -> Pin:
        """Return the pin.

        Raises:
            StationError: code usage, the station has none; code bad_input, the file is not a pin.
            StorageError: code storage_failed, it cannot be read.
        """
        data = self._read(PIN_FILE)
        if data is None:
            raise StationError("usage", "the station has no pin; run the command pin first", field="pin")
        return parse_pin(data)

    def trusted_lists(self) -> tuple[TrustedList, ...]:
        """Return the lists at hand of all ledgers, verified.

        A damaged list of one ledger does not stop the others.

        Raises:
            BundleError: code bundle_invalid, every file that is there was damaged.
            StationError, StorageError: as `pin`.
        """
        lists, damage = [], None
        for ledger in self.ledgers():
            try:
                trusted = ledger.trusted()
            except BundleError as error:
                damage = error
            else:
                lists += [] if trusted is None else [trusted]
        if damage is not None and not lists:
            raise damage
        return tuple(lists)

    def trusted(self) -> TrustedList | None:
        """Return the list at hand, verified, or None where none was imported.

        Raises:
            BundleError: code bundle_invalid, the file was damaged.
            StationError, StorageError: as `pin`.
        """
        try:
            stat = self._path(BUNDLE_FILE).stat()
        except FileNotFoundError:
            self._seen = self._trusted = None
            return None
        except OSError as error:
            raise _failed("the list cannot be read") from error
        seen = (stat.st_mtime_ns, stat.st_size)
        if seen != self._seen:
            self._trusted = open_bundle(self.export_bundle(), self._floor())
            self._seen = seen
        return self._trusted

    def import_bundle(self, data: bytes) -> TrustedList:
        """Verify a list and put it in the place of the one at hand of its ledger.

        A damaged list at hand does not stand in the way of a good one.

        Raises:
            BundleError: code bundle_invalid, it does not verify, is older, or is of a ledger that the
                station does not believe.
            ForkAlarm: code fork, it contradicts the one at hand; both are kept as evidence.
            StationError, StorageError: as `pin`.
        """
        ledgers = self.ledgers()
        if len(ledgers) == 1:
            return self._import(data)
        target = self.ledger_of(_origin_of(data))
        if target is None:
            raise BundleError(2, "the list is of a ledger that is not pinned", field="origin")
        return target._import(data)

    def _import(self, data: bytes) -> TrustedList:
        try:
            new = open_bundle(data, self.pin())
        except BundleError:
            self._check_no_fork(data)
            raise
        with self._locked():
            try:
                old = self.trusted()
            except BundleError:
                old = None
            if old is None:
                # The file is damaged or lost, or there was none; what it was stays the least that is taken.
                new = open_bundle(data, self._floor())
            else:
                self._check_newer(old, new, data)
            self._write(BUNDLE_FILE, data)
            self._write(
                HEAD_FILE, format_pin(replace(self.pin(), least=LeastTree(new.tree_size, new.root_hash)))
            )
        return new

    def _check_no_fork(self, data: bytes) -> None:
        """Raise ForkAlarm where a list is refused for the least tree of the pin alone and contradicts the one at hand.

        The least tree says that it is not used; that the log signed another history is to be said all the same.
        """
        pin = self.pin()
        if pin.least is None:
            return
        with suppress(BundleError), self._locked():
            new, old = open_bundle(data, replace(pin, least=None)), self.trusted()
            if old is not None:
                self._check_newer(old, new, data)

    def _check_newer(self, old: TrustedList, new: TrustedList, data: bytes) -> None:
        try:
            check_newer(old, new)
        except ForkAlarm:
            self._keep_sides(old, self.export_bundle(), new.checkpoint, data)
            raise

    def _floor(self) -> Pin:
        """Return the pin with the largest tree that the station was shipped with or has ever accepted."""
        pin, data = self.pin(), self._read(HEAD_FILE)
        head = None if data is None else parse_pin(data)
        if head is None or head.least is None or not head.same_ledger(pin):
            return pin
        if pin.least is not None and pin.least.size >= head.least.size:
            return pin
        return head

    def export_bundle(self) -> bytes:
        """Return the bytes of the list at hand, for another station.

        Raises:
            StationError: code no_bundle, there is none.
            StorageError: code storage_failed, it cannot be read.
        """
        data = self._read(BUNDLE_FILE)
        if data is None:
            raise StationError("no_bundle", "no list is loaded", field="bundle")
        return data

    def evidence_files(self) -> list[Path]:
        """Return the files that prove a contradiction of the ledger; none on a good day."""
        folders = [ledger._path(EVIDENCE_FOLDER) for ledger in self.ledgers()]
        return [path for folder in folders for path in sorted(folder.glob("fork-*"))]

    def keep_fork(self, note: str, bundle: bytes | None = None) -> list[Path]:
        """Keep the list at hand and a head that contradicts it, and what proves it; return the files.

        Args:
            note: the head, compared before (verifier/core/heads.py).
            bundle: the list in which it came, where it came in one.

        Raises:
            StationError: code no_bundle, there is no list at hand.
            StorageError: code storage_failed, the folder cannot be written.
        """
        with self._locked():
            mine = self.trusted()
            if mine is None:
                raise StationError("no_bundle", "no list is loaded", field="bundle")
            self._keep_sides(mine, self.export_bundle(), note, bundle)
        return self.evidence_files()

    def _keep_sides(self, mine: TrustedList, data: bytes, note: str, bundle: bytes | None) -> None:
        """Keep both sides of a fork as they are, then the evidence file that can be made of them."""
        head = parse_checkpoint(parse_note(note).text)
        self._keep(f"{_fork_name(mine.tree_size, mine.root_hash)}.cbor", data)
        if bundle is None:
            self._keep(f"{_fork_name(head.tree_size, head.root_hash)}.note", note.encode())
        else:
            self._keep(f"{_fork_name(head.tree_size, head.root_hash)}.cbor", bundle)
        # The list with the larger tree can prove what the other head is not; some ledgers need an auditor.
        sides = [(data, note)] if bundle is None else [(data, note), (bundle, mine.checkpoint)]
        pin = replace(self.pin(), least=None)
        for larger, other in sides:
            with suppress(VerificationError):
                made = prove_bundle_fork(larger, pin, other)
                name = f"{_fork_name(mine.tree_size, mine.root_hash)}-{head.root_hash[:8].hex()}"
                self._keep(f"{name}.evidence", made)
                return

    def _keep(self, name: str, data: bytes) -> None:
        if not self._path(name).exists():
            self._write(name, data)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self._path(_LOCK_FILE), timeout=_LOCK_TIMEOUT_S)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise _failed("another import holds the station") from error
        except OSError as error:
            raise _failed("the station cannot be written") from error
        try:
            yield
        finally:
            lock.release()

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _read(self, name: str) -> bytes | None:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed(f"{name} cannot be read") from error

    def _write(self, name: str, data: bytes) -> None:
        """Replace a file in one step: beside it, flushed to the disk, then renamed."""
        target = self._path(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(target)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            _sync_folder(target.parent)
        except OSError as error:
            raise _failed(f"{name} cannot be written") from error


def _fork_name(tree_size: int, root_hash: bytes) -> str:
    return f"{EVIDENCE_FOLDER}/fork-{tree_size}-{root_hash[:8].hex()}"


def _folder_name(pin: Pin) -> str:
    """Return a name that every file system takes and that two ledgers never share."""
    return f"{_NOT_IN_A_NAME.sub('_', pin.origin.lower())[:60]}-{pin.charter_hash[:8].hex()}"


def _origin_of(data: bytes) -> str:
    """Return the origin that a list's charter names; whether it is that ledger's is looked at later.

    Raises:
        BundleError: code bundle_invalid, not a list.
    """
    try:
        return parse_statement(parse_bundle(data).charter.entry).sub
    except CodedError as error:
        raise BundleError(1, f"{error.detail} ({error.code})", field=error.field) from error


def _sync_folder(folder: Path) -> None:
    """Flush a rename to the disk, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(detail: str) -> StorageError:
    return StorageError(detail, field="station")
