"""The private keys of a ledger by their public keys: those in use, and those prepared for a rotation.

docs/protocol.md section 3, verbs 13 and 14. Governors decide on public keys; which private key signs is
looked up by the public key that holds, never by the name of a file. So the files may be moved at leisure
once the first epoch under the new keys is on the disk, and an interruption between two of them changes
nothing.

    data/keys/*.pem            in use
    data/keys/next/*.pem       prepared by `sc-ledger keys next`
    data/keys/next/*.pub       their public keys, for the governors' action

    ring = KeyRing.open(data_dir / "keys", origin, passphrase)
    keys = ring.pick(terms)              # signers for an epoch
    ring.settle(terms)                   # after it: next/ becomes keys/, the keys before are gone
"""

from __future__ import annotations

import logging
import threading
from itertools import product
from pathlib import Path
from typing import Any, Final, Self

from ledger.core import cbor
from ledger.core.cose_key import PublicKey, Signer
from ledger.core.key_history import LogKeys
from ledger.core.ledger_verbs import format_service_keys
from ledger.core.registry.ledger_terms import Terms
from ledger.errors import StorageError
from ledger.files import sync_directory
from ledger.service.keys import (
    LOG_ED25519,
    LOG_MLDSA44,
    RECEIPTS,
    ROLES,
    SERVICE,
    LedgerKeys,
    Passphrase,
    RandomBytes,
    make_key,
    open_key_file,
    to_signer,
    write_key_file,
)

_log: Final = logging.getLogger("safeconduct.ledger")
NEXT_NAME: Final = "next"
LOG_KEYS_NAME: Final = "log-keys.pub"
SERVICE_KEYS_NAME: Final = "service-keys.pub"
_PUBLIC_FILES: Final = {LOG_KEYS_NAME: (LOG_ED25519, LOG_MLDSA44), SERVICE_KEYS_NAME: (SERVICE, RECEIPTS)}


class KeyRing:
    """Signers by role and public key. Methods may be called from any thread."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._signers: dict[tuple[str, Any], Any] = {}
        self._next: dict[str, Any] = {}
        self._read: dict[str, int] = {}  # role -> when the prepared file that was read was written
        self._dir: Path | None = None
        self._is_untidy = True  # an interruption may have left the folder of prepared keys half moved
        self._secret = b""
        self._guard = threading.Lock()

    @classmethod
    def of(cls, origin: str, *keys: LedgerKeys) -> Self:
        """Return a ring of signers from elsewhere."""
        ring = cls(origin)
        for item in keys:
            ring._add(SERVICE, item.service)
            ring._add(RECEIPTS, item.receipts)
            ring._add(LOG_ED25519, item.log[0])
            ring._add(LOG_MLDSA44, item.log[1])
        return ring

    @classmethod
    def open(cls, keys_dir: Path, origin: str, passphrase: Passphrase) -> Self:
        """Return the ring of a directory: its four keys, and any that are prepared.

        Raises:
            StorageError: code wrong_secret for a wrong passphrase; otherwise a file is missing or damaged.
        """
        ring = cls(origin)
        ring._dir, ring._secret = keys_dir, passphrase()
        for role in ROLES:
            ring._add(
                role, to_signer(role, open_key_file(keys_dir / f"{role}.pem", role, ring._secret), origin)
            )
        ring.reload()
        return ring

    def reload(self) -> None:
        """Look for prepared keys anew.

        Raises:
            StorageError: as `open`.
        """
        if self._dir is None:
            return
        with self._guard:
            for role in ROLES:
                path = self._dir / NEXT_NAME / f"{role}.pem"
                if path.is_file() and self._read.get(role) != (written := path.stat().st_mtime_ns):
                    signer = self._signer_in(path, role)
                    self._add(role, signer)
                    self._next[role] = _public(role, signer)
                    self._read[role] = written

    def holds(self, terms: Terms) -> bool:
        """Return whether the private keys of these public keys are here."""
        return all((role, public) in self._signers for role, public in _wanted(terms).items())

    def pick(self, terms: Terms) -> LedgerKeys:
        """Return the signers of an epoch in which these terms hold.

        Raises:
            StorageError: a private key is not here.
        """
        if not self.holds(terms):
            raise StorageError("the private keys are not those of the ledger", field="keys")
        found = {role: self._signers[role, public] for role, public in _wanted(terms).items()}
        return LedgerKeys(found[SERVICE], found[RECEIPTS], (found[LOG_ED25519], found[LOG_MLDSA44]))

    def receipts_signer(self, key: PublicKey) -> Signer:
        """Return the signer of a receipts key; StorageError if it is not here."""
        signer: Signer | None = self._signers.get((RECEIPTS, key))
        if signer is None:
            raise StorageError("the private key of the receipts is not here", field="keys")
        return signer

    def log_key_pairs(self) -> list[LogKeys]:
        """Return every pair of log keys that this process could sign with."""
        by_role = [
            [signer.verifier_key for (role, _), signer in self._signers.items() if role == wanted]
            for wanted in (LOG_ED25519, LOG_MLDSA44)
        ]
        return [(ed25519, mldsa44) for ed25519, mldsa44 in product(*by_role)]

    def settle(self, terms: Terms) -> None:
        """Move prepared keys that hold by now into the place of those before them, one rename for each.

        Called once an epoch under them is committed. Where a file cannot be moved, that is logged and tried
        again at the next start: signers are found by their public keys wherever the files are.
        """
        wanted = _wanted(terms)
        with self._guard:
            movable = any(wanted[role] == public for role, public in self._next.items())
            if self._dir is None or not (movable or self._is_untidy):
                return
            self._is_untidy = True
            try:
                for role, public in list(self._next.items()):
                    if wanted[role] == public:
                        self._take(self._dir, role, public)
                _tidy(self._dir)
                self._is_untidy = False
            except OSError as error:
                _log.warning("prepared keys could not be moved: %s", error.strerror)

    def _take(self, keys_dir: Path, role: str, public: Any) -> None:
        """Move the file of one prepared key into use, unless it is another's by now; then it is left alone."""
        path = keys_dir / NEXT_NAME / f"{role}.pem"
        try:
            found = _public(role, self._signer_in(path, role))
        except StorageError:
            found = None
        if found == public:
            move_file(path, keys_dir / path.name)
        else:
            _log.error("%s is not the key that the governors chose: put that one back and restart", path.name)
        # Looked at once: opening a key file takes long, and this runs after every epoch.
        del self._next[role]
        self._read.pop(role, None)

    def _signer_in(self, path: Path, role: str) -> Any:
        return to_signer(role, open_key_file(path, role, self._secret), self._origin)

    def _add(self, role: str, signer: Any) -> None:
        self._signers[role, _public(role, signer)] = signer


def move_file(source: Path, target: Path) -> None:
    """Put a file in the place of another, in one step."""
    source.replace(target)


def prepare_next_keys(
    keys_dir: Path, origin: str, roles: tuple[str, ...], random_bytes: RandomBytes, passphrase: Passphrase
) -> list[Path]:
    """Make keys for a rotation and return the files with their public keys, which the action names.

    Args:
        keys_dir: directory of the keys in use.
        origin: the ledger's origin.
        roles: (LOG_ED25519, LOG_MLDSA44), (SERVICE, RECEIPTS), or all four.
        random_bytes: source of randomness.
        passphrase: the one of the keys in use; the service asks for one only.

    Raises:
        StorageError: code wrong_secret; bad_input where such keys are prepared already; or a file cannot be
            written.
    """
    secret = passphrase()
    open_key_file(keys_dir / f"{SERVICE}.pem", SERVICE, secret)
    folder = keys_dir / NEXT_NAME
    if any((folder / f"{role}.pem").exists() for role in roles):
        raise StorageError(f"{folder} holds prepared keys already", field="keys", code="bad_input")
    public: dict[str, Any] = {}
    written = []
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for role in roles:
            key = make_key(role, random_bytes)
            write_key_file(folder / f"{role}.pem", key, secret)
            public[role] = _public(role, to_signer(role, key, origin))
        for name, parts in _PUBLIC_FILES.items():
            if set(parts) <= set(roles):
                (folder / name).write_bytes(_format_public(name, [public[part] for part in parts]))
                written.append(folder / name)
        sync_directory(folder)
        sync_directory(keys_dir)
    except OSError as error:
        raise StorageError("the private keys cannot be written", field="keys") from error
    return written


def _format_public(name: str, keys: list[Any]) -> bytes:
    return cbor.encode(keys if name == LOG_KEYS_NAME else format_service_keys(keys[0], keys[1]))


def _tidy(keys_dir: Path) -> None:
    """Remove public files whose private keys are in use by now, and the folder once it is empty."""
    folder = keys_dir / NEXT_NAME
    if not folder.is_dir():
        return
    for name, roles in _PUBLIC_FILES.items():
        if not any((folder / f"{role}.pem").exists() for role in roles):
            (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
    else:
        sync_directory(folder)
    sync_directory(keys_dir)


def _wanted(terms: Terms) -> dict[str, Any]:
    return {
        SERVICE: terms.service_key,
        RECEIPTS: terms.receipts_key,
        LOG_ED25519: terms.log_keys[0],
        LOG_MLDSA44: terms.log_keys[1],
    }


def _public(role: str, signer: Any) -> Any:
    """Return the public key of a signer of statements, or the raw one of a signer of checkpoints."""
    return signer.public_key if role in (SERVICE, RECEIPTS) else signer.verifier_key.public_key
