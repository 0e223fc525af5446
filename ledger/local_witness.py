"""Witnesses that run inside the ledger's own process, for demonstrations and tests.

C2SP tlog-witness asks for witnesses that other people run: one of our own proves nothing to anybody. A local
witness is a directory of its own with a key, the verifier key that a policy names, and the last checkpoint
that it cosigned.

    witness/key.pem        Ed25519, encrypted with the passphrase
    witness/witness.vkey   verifier key; its name is the witness's
    witness/state.json     the last cosigned checkpoint, from the first one on

    line = make_local_witness(Path("w1"), "w1.example", passphrase)
    clients = [open_local_witness(Path("w1"), passphrase, origin, log_keys, now_s)]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.core.cosignature import Ed25519Cosigner, parse_cosigner_vkey
from ledger.core.note import VerifierKey, format_vkey, parse_vkey
from ledger.errors import LedgerError, StorageError
from ledger.files import OWNER_ONLY, read_file, write_file
from ledger.service.witnesses import LocalWitness, Witness

KEY_NAME: Final = "key.pem"
VKEY_NAME: Final = "witness.vkey"
STATE_NAME: Final = "state.json"
_FILE_MAX_BYTES: Final = 16_384


def make_local_witness(folder: Path, name: str, passphrase: Callable[[], bytes]) -> str:
    """Make key and directory of a local witness and return its verifier key for the witness policy.

    Args:
        folder: the directory; it must be new or empty.
        name: key name of its cosignatures, a schema-less URL without spaces or "+".
        passphrase: encrypts the key.

    Raises:
        LedgerError: code bad_input, the directory is not empty; code usage, an empty passphrase.
        MalformedError: not a key name.
        StorageError: it cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    vkey = format_vkey(Ed25519Cosigner(name, key.private_bytes_raw()).verifier_key)
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
    return vkey


def open_local_witness(
    folder: Path,
    passphrase: Callable[[], bytes],
    origin: str,
    log_keys: Sequence[VerifierKey],
    now_s: Callable[[], int],
) -> LocalWitness:
    """Return the witness of a directory, watching one log.

    Raises:
        StorageError: code not_found, there is no witness; or a file cannot be read.
        LedgerError: code wrong_secret; malformed for files that do not belong together.
    """
    pem = read_file(folder / KEY_NAME, max_size=_FILE_MAX_BYTES, field="witness")
    vkey = parse_cosigner_vkey(_text_of(folder / VKEY_NAME))
    try:
        key = load_pem_private_key(pem, passphrase())
    except (ValueError, TypeError) as error:
        raise LedgerError(
            "wrong_secret", "the passphrase does not open the witness's key", field="witness"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerError("unsupported", "a local witness has an Ed25519 key", field="witness")
    signer = Ed25519Cosigner(vkey.name, key.private_bytes_raw())
    if signer.verifier_key != vkey:
        raise LedgerError("malformed", "key and verifier key do not belong together", field="witness")
    return LocalWitness(Witness(signer, origin, log_keys, folder / STATE_NAME, now_s))


def _text_of(path: Path) -> str:
    return read_file(path, max_size=_FILE_MAX_BYTES, field="witness").decode("utf-8", "replace").strip()
