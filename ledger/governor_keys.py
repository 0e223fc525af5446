"""A governor's key: made once, encrypted at rest, opened to sign; and public keys as files.

The private key is PKCS #8 with the best encryption that the library offers, in PEM, for its owner only. The
public key is the deterministic CBOR of a COSE_Key (RFC 9052 section 7).

    signer = make_governor_key(Path("ana.pem"), passphrase)
    read_public_key("ana.pem.pub") == signer.public_key
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.core import cbor
from ledger.core.cose_key import PublicKey, SoftwareSigner, format_cose_key, parse_cose_key
from ledger.errors import LedgerError, MalformedError
from ledger.files import OWNER_ONLY, read_file, write_file

KEY_FILE_MAX_BYTES: Final = 16_384
_HEX: Final = re.compile(r"(?:[0-9a-f]{2}){16,512}", re.ASCII)


def make_governor_key(path: Path, passphrase: bytes) -> SoftwareSigner:
    """Make an Ed25519 key and write it, encrypted, for its owner only; the public key goes beside it.

    Raises:
        LedgerError: code bad_input, a file of this name is there; code usage, the passphrase is empty.
        StorageError: a file cannot be written.
    """
    if not passphrase:
        raise LedgerError("usage", "a private key is never written without a passphrase", field="passphrase")
    key = Ed25519PrivateKey.generate()
    signer = SoftwareSigner.from_private_key(key)
    public_path = public_key_path(path)
    if public_path.exists():
        raise LedgerError("bad_input", f"{public_path} is there already and is not overwritten", field="file")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))
    write_file(path, pem, mode=OWNER_ONLY)
    write_file(public_path, cbor.encode(format_cose_key(signer.public_key)))
    return signer


def public_key_path(path: Path) -> Path:
    """Return where the public key of a private key file stands."""
    return path.with_name(path.name + ".pub")


def open_private_key(path: Path, passphrase: Callable[[], bytes]) -> SoftwareSigner:
    """Return the signer of an encrypted key file (PKCS #8, PEM; Ed25519 or P-256).

    Raises:
        StorageError: code not_found, or it cannot be read.
        LedgerError: code malformed, not an encrypted private key; wrong_secret; unsupported.
    """
    pem = read_file(path, max_size=KEY_FILE_MAX_BYTES, field="key")
    if b"-----BEGIN ENCRYPTED PRIVATE KEY-----" not in pem:
        raise MalformedError(f"{path} is not an encrypted private key", field="key")
    try:
        key = load_pem_private_key(pem, passphrase())
    except (ValueError, TypeError) as error:
        # The library answers a wrong passphrase and damaged bytes alike.
        raise LedgerError("wrong_secret", "the passphrase does not open the key", field="key") from error
    return SoftwareSigner.from_private_key(key)  # type: ignore[arg-type]  # it refuses other kinds


def parse_public_key(data: bytes) -> PublicKey:
    """Read a public key file: the deterministic CBOR of a COSE_Key; the inverse is `format_public_key`.

    Raises:
        MalformedError: not that form.
    """
    return parse_cose_key(cbor.decode(data, max_size=KEY_FILE_MAX_BYTES, field="cose_key"))


def format_public_key(key: PublicKey) -> bytes:
    """Return a public key file."""
    return cbor.encode(format_cose_key(key))


def read_public_key(text: str) -> PublicKey:
    """Return the public key that a person named: a public key file, or its bytes in hex.

    Raises:
        StorageError: code not_found, it is neither; or the file cannot be read.
        MalformedError: it is not a public key.
    """
    path = Path(text)
    if not path.is_file() and _HEX.fullmatch(text):
        return parse_public_key(bytes.fromhex(text))
    return parse_public_key(read_file(path, max_size=KEY_FILE_MAX_BYTES, field="cose_key"))
