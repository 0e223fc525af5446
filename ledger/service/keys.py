"""The ledger's four private keys, and where they live.

Each key has one purpose: the service key signs charter and seals, the receipts key signs receipts and status
tokens, the two log keys sign checkpoints. `LedgerKeys` is what the service needs; `open_key_files` is one
source of it, PKCS #8 files encrypted with a passphrase. A token or another process can be another.

    keys = open_key_files(data_dir / "keys", origin, passphrase)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.core.bridges import log_verifier_keys
from ledger.core.cose_key import ES256, Signer, SoftwareSigner
from ledger.core.cosignature import MlDsa44Cosigner
from ledger.core.note import (
    Ed25519NoteSigner,
    NoteSigner,
)
from ledger.errors import StorageError

__all__ = [
    "LOG_ROLES",
    "ROLES",
    "SERVICE_ROLES",
    "LedgerKeys",
    "Passphrase",
    "RandomBytes",
    "create_key_files",
    "log_verifier_keys",
    "make_key",
    "open_key_file",
    "open_key_files",
    "to_signer",
    "write_key_file",
]

Passphrase = Callable[[], bytes]
"""Asked only when the files are made or opened, so that the shell can prompt."""
RandomBytes = Callable[[int], bytes]

SERVICE: Final = "service"
RECEIPTS: Final = "receipts"
LOG_ED25519: Final = "log-ed25519"
LOG_MLDSA44: Final = "log-mldsa44"
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_TYPES: Final[dict[str, type[Any]]] = {
    SERVICE: EllipticCurvePrivateKey,
    RECEIPTS: EllipticCurvePrivateKey,
    LOG_ED25519: Ed25519PrivateKey,
    LOG_MLDSA44: MLDSA44PrivateKey,
}
ROLES: Final = tuple(_TYPES)
SERVICE_ROLES: Final = (SERVICE, RECEIPTS)
LOG_ROLES: Final = (LOG_ED25519, LOG_MLDSA44)


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """Signers of one ledger.

    Attributes:
        service: signs charter and seals.
        receipts: signs receipts and status tokens, ES256.
        log: sign checkpoints: Ed25519 (0x01) and ML-DSA-44 (0x06), both named like the origin.
    """

    service: Signer
    receipts: Signer
    log: tuple[NoteSigner, NoteSigner]


def create_key_files(
    keys_dir: Path, origin: str, random_bytes: RandomBytes, passphrase: Passphrase
) -> LedgerKeys:
    """Make the four keys of a new ledger and write them, readable by their owner only.

    Raises:
        StorageError: the directory exists or cannot be written; code usage for an empty passphrase.
    """
    secret = passphrase()
    if not secret:
        raise StorageError(
            "private keys are never written without a passphrase", field="passphrase", code="usage"
        )
    keys = {role: make_key(role, random_bytes) for role in ROLES}
    try:
        keys_dir.mkdir(mode=0o700)
        for name, key in keys.items():
            write_key_file(keys_dir / f"{name}.pem", key, secret)
    except OSError as error:
        raise StorageError("the private keys cannot be written", field="keys") from error
    return _to_keys(keys, origin)


def open_key_files(keys_dir: Path, origin: str, passphrase: Passphrase) -> LedgerKeys:
    """Open the four keys of a ledger.

    Raises:
        StorageError: code wrong_secret for a wrong passphrase; otherwise a file is missing or damaged.
    """
    secret = passphrase()
    return _to_keys({role: open_key_file(keys_dir / f"{role}.pem", role, secret) for role in ROLES}, origin)


def make_key(role: str, random_bytes: RandomBytes) -> Any:
    """Return a new private key for a role."""
    if role == LOG_ED25519:
        return Ed25519PrivateKey.from_private_bytes(random_bytes(32))
    if role == LOG_MLDSA44:
        return MLDSA44PrivateKey.from_seed_bytes(random_bytes(32))
    return _p256(random_bytes)


def write_key_file(path: Path, key: Any, secret: bytes) -> None:
    """Write a private key, encrypted, for its owner only; OSError if the file exists or cannot be written."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(secret)))


def open_key_file(path: Path, role: str, secret: bytes) -> Any:
    """Return the private key of a role.

    Raises:
        StorageError: code wrong_secret for a wrong passphrase; otherwise the file is missing or damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError("a private key cannot be read", field=role) from error
    try:
        key = load_pem_private_key(data, secret)
    except (ValueError, TypeError) as error:
        raise StorageError(
            "the passphrase does not open the private keys", field=role, code="wrong_secret"
        ) from error
    if not isinstance(key, _TYPES[role]):
        raise StorageError("a private key is of another kind", field=role)
    return key


def to_signer(role: str, key: Any, origin: str) -> Any:
    """Return the signer of a private key: of statements, or of checkpoints of the ledger `origin`."""
    if role == SERVICE:
        return SoftwareSigner.from_private_key(key)
    if role == RECEIPTS:
        return SoftwareSigner.from_private_key(key, alg=ES256)
    if role == LOG_ED25519:
        return Ed25519NoteSigner(origin, key.private_bytes_raw())
    return MlDsa44Cosigner(origin, key.private_bytes_raw())


def _to_keys(keys: dict[str, Any], origin: str) -> LedgerKeys:
    signers = {role: to_signer(role, key, origin) for role, key in keys.items()}
    return LedgerKeys(signers[SERVICE], signers[RECEIPTS], (signers[LOG_ED25519], signers[LOG_MLDSA44]))


def _p256(random_bytes: RandomBytes) -> EllipticCurvePrivateKey:
    # 48 bytes: the bias of the reduction is below 2^-128.
    return derive_private_key(int.from_bytes(random_bytes(48)) % (_P256_ORDER - 1) + 1, SECP256R1())
