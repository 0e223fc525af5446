"""The folder of a witness: its key, what it remembers, and the logs that it watches.

    witness/key.pem        Ed25519 or ML-DSA-44, encrypted with the passphrase
    witness/witness.vkey   verifier key; its name is the witness's
    witness/state.db       what it cosigned, refused and learnt (ledger/store/witness_state.py)
    witness/logs.json      the logs that it watches; without it none (ledger/witness/logs.py)

A key has one purpose: a folder is one witness, with one key and one algorithm. It belongs to one process at a
time, and is never restored from a copy: what a witness forgets, a fork could use.

    vkey = make_witness(Path("w1"), "w1.example", passphrase)
    with open_witness_folder(Path("w1"), passphrase) as folder:
        folder.signer, folder.state
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.core.cosignature import Ed25519Cosigner, MlDsa44Cosigner, parse_cosigner_vkey
from ledger.core.note import SeedSigner, VerifierKey, format_vkey, parse_vkey
from ledger.errors import LedgerError, StorageError
from ledger.files import OWNER_ONLY, read_file, write_file
from ledger.store.lock import hold_directory
from ledger.store.witness_state import STATE_NAME, WitnessState

KEY_NAME: Final = "key.pem"
VKEY_NAME: Final = "witness.vkey"
ED25519: Final = "ed25519"
MLDSA44: Final = "ml-dsa-44"
ALGORITHMS: Final = (ED25519, MLDSA44)
_FILE_MAX_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class WitnessFolder:
    """An open folder: the signer, the state, and where it is."""

    path: Path
    signer: SeedSigner
    state: WitnessState


def make_witness(
    folder: Path, name: str, passphrase: Callable[[], bytes], *, algorithm: str = ED25519
) -> str:
    """Make the folder of a witness and return its verifier key for the witness policy.

    Args:
        folder: the directory; it must be new or empty.
        name: key name of its cosignatures, a schema-less URL without spaces or "+".
        passphrase: encrypts the key.
        algorithm: `ed25519` or `ml-dsa-44`.

    Raises:
        LedgerError: code bad_input, the directory is not empty, or no such algorithm; usage, an empty
            passphrase.
        MalformedError: not a key name.
        StorageError: it cannot be written.
    """
    if algorithm not in ALGORITHMS:
        raise LedgerError("bad_input", f"the algorithm is one of {', '.join(ALGORITHMS)}", field="algorithm")
    key: Any = MLDSA44PrivateKey.generate() if algorithm == MLDSA44 else Ed25519PrivateKey.generate()
    vkey = format_vkey(_signer(name, key).verifier_key)
    parse_vkey(vkey)
    secret = passphrase()
    if not secret:
        raise LedgerError("usage", "a private key is never written without a passphrase", field="passphrase")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.iterdir()):
            raise LedgerError("bad_input", f"{folder} is not empty", field="witness")
    except OSError as error:
        raise StorageError(f"{folder} cannot be made", field="witness") from error
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(secret))
    write_file(folder / KEY_NAME, pem, mode=OWNER_ONLY)
    write_file(folder / VKEY_NAME, vkey.encode() + b"\n")
    WitnessState.create(folder / STATE_NAME).close()
    return vkey


@contextmanager
def open_witness_folder(folder: Path, passphrase: Callable[[], bytes]) -> Iterator[WitnessFolder]:
    """Take the folder of a witness for this process.

    Raises:
        StorageError: code not_found, there is no witness; read_only, another process has it; or key or state
            cannot be read: a witness without its memory does not start.
        LedgerError: code wrong_secret; malformed for files that do not belong together.
    """
    vkey = read_witness_vkey(folder)
    with hold_directory(folder, "this witness"):
        signer = _open_signer(folder, vkey, passphrase)
        with closing(WitnessState.open(folder / STATE_NAME)) as state:
            yield WitnessFolder(folder, signer, state)


def read_witness_vkey(folder: Path) -> VerifierKey:
    """Return the verifier key of the witness in a folder.

    Raises:
        StorageError: code not_found, there is no witness; or it cannot be read.
        MalformedError: not the key of a witness.
    """
    data = read_file(folder / VKEY_NAME, max_size=_FILE_MAX_BYTES, field="witness")
    return parse_cosigner_vkey(data.decode("utf-8", "replace").strip())


def _open_signer(folder: Path, vkey: VerifierKey, passphrase: Callable[[], bytes]) -> SeedSigner:
    pem = read_file(folder / KEY_NAME, max_size=_FILE_MAX_BYTES, field="witness")
    try:
        key = load_pem_private_key(pem, passphrase())
    except (ValueError, TypeError) as error:
        raise LedgerError(
            "wrong_secret", "the passphrase does not open the witness's key", field="witness"
        ) from error
    if not isinstance(key, Ed25519PrivateKey | MLDSA44PrivateKey):
        raise LedgerError("unsupported", "a witness has an Ed25519 or ML-DSA-44 key", field="witness")
    signer = _signer(vkey.name, key)
    if signer.verifier_key != vkey:
        raise LedgerError("malformed", "key and verifier key do not belong together", field="witness")
    return signer


def _signer(name: str, key: Ed25519PrivateKey | MLDSA44PrivateKey) -> SeedSigner:
    kind = MlDsa44Cosigner if isinstance(key, MLDSA44PrivateKey) else Ed25519Cosigner
    return kind(name, key.private_bytes_raw())
