"""The issuer's key at rest: P-256 in PKCS #8, encrypted with a passphrase, for the owner only.

RFC 5958 with the best encryption that the library offers (PBES2, AES-256-CBC, at present). The file is
written once and never overwritten: whoever lost the passphrase asks the governors for a new key. What a
thief of this key can and cannot do stands in docs/threat-model.md.

    signer = make_key(folder / "key.pem", passphrase)
    load_key(folder / "key.pem", passphrase).public_key == signer.public_key
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from issuer.errors import InputError, IssuerError
from issuer.files import read_file, write_new
from ledger.core.cose_key import SoftwareSigner

PASSPHRASE_MIN_CHARACTERS: Final = 8
PASSPHRASE_MAX_BYTES: Final = 1023
KEY_FILE_MAX_BYTES: Final = 16_384
_ENCRYPTED_PEM: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


def make_key(path: Path, passphrase: str) -> SoftwareSigner:
    """Make a key, store it and return its signer (ESP256).

    Args:
        path: the file, which must not be there.
        passphrase: at least 8 characters, at most 1,023 bytes in UTF-8.

    Raises:
        InputError: the passphrase is too short or too long, or the file is there.
        IssuerError: storage_failed.
    """
    secret = _check_passphrase(passphrase)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(secret))
    write_new(path, pem)
    return SoftwareSigner.from_private_key(key)


def load_key(path: Path, passphrase: str) -> SoftwareSigner:
    """Return the signer of a stored key.

    Raises:
        IssuerError: not_found; malformed for a file that is not an encrypted private key; wrong_secret;
            unsupported for another kind of key.
        InputError: others than the owner can read the file.
    """
    pem = read_file(path, "key", max_size=KEY_FILE_MAX_BYTES)
    if os.name != "nt" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise InputError("key", "others can read the key file; run: chmod 600")
    if not pem.startswith(_ENCRYPTED_PEM):
        raise IssuerError("malformed", "not an encrypted private key", field="key")
    try:
        key = load_pem_private_key(pem, passphrase.encode())
    except (ValueError, TypeError):
        # The library answers a wrong passphrase and damaged bytes alike.
        raise IssuerError("wrong_secret", "the passphrase does not open the key", field="key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise IssuerError("unsupported", "an issuer's key is on P-256", field="key")
    return SoftwareSigner.from_private_key(key)


def _check_passphrase(passphrase: str) -> bytes:
    secret = passphrase.encode()
    if len(passphrase) < PASSPHRASE_MIN_CHARACTERS:
        raise InputError("passphrase", f"must have at least {PASSPHRASE_MIN_CHARACTERS} characters")
    if len(secret) > PASSPHRASE_MAX_BYTES:
        raise InputError("passphrase", f"must have at most {PASSPHRASE_MAX_BYTES} bytes")
    return secret
