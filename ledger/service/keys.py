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

from ledger.core.cose_key import ES256, Signer, SoftwareSigner
from ledger.core.cosignature import MlDsa44Cosigner
from ledger.core.note import (
    TYPE_ED25519,
    TYPE_MLDSA44_COSIGNATURE,
    Ed25519NoteSigner,
    NoteSigner,
    VerifierKey,
)
from ledger.errors import StorageError

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


def log_verifier_keys(origin: str, raw: tuple[bytes, bytes]) -> tuple[VerifierKey, VerifierKey]:
    """Return the verifier keys of a log from the raw public keys in its charter."""
    return (
        VerifierKey(origin, TYPE_ED25519, raw[0]),
        VerifierKey(origin, TYPE_MLDSA44_COSIGNATURE, raw[1]),
    )


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
    keys: dict[str, Any] = {
        SERVICE: _p256(random_bytes),
        RECEIPTS: _p256(random_bytes),
        LOG_ED25519: Ed25519PrivateKey.from_private_bytes(random_bytes(32)),
        LOG_MLDSA44: MLDSA44PrivateKey.from_seed_bytes(random_bytes(32)),
    }
    try:
        keys_dir.mkdir(mode=0o700)
        for name, key in keys.items():
            path = keys_dir / f"{name}.pem"
            path.touch(mode=0o600, exist_ok=False)
            path.write_bytes(
                key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(secret))
            )
    except OSError as error:
        raise StorageError("the private keys cannot be written", field="keys") from error
    return _to_keys(keys, origin)


def open_key_files(keys_dir: Path, origin: str, passphrase: Passphrase) -> LedgerKeys:
    """Open the four keys of a ledger.

    Raises:
        StorageError: code wrong_secret for a wrong passphrase; otherwise a file is missing or damaged.
    """
    secret = passphrase()
    keys: dict[str, Any] = {}
    for name, expected in _TYPES.items():
        try:
            data = (keys_dir / f"{name}.pem").read_bytes()
        except OSError as error:
            raise StorageError("a private key cannot be read", field=name) from error
        try:
            keys[name] = load_pem_private_key(data, secret)
        except (ValueError, TypeError) as error:
            raise StorageError(
                "the passphrase does not open the private keys", field=name, code="wrong_secret"
            ) from error
        if not isinstance(keys[name], expected):
            raise StorageError("a private key is of another kind", field=name)
    return _to_keys(keys, origin)


def _to_keys(keys: dict[str, Any], origin: str) -> LedgerKeys:
    return LedgerKeys(
        service=SoftwareSigner.from_private_key(keys[SERVICE]),
        receipts=SoftwareSigner.from_private_key(keys[RECEIPTS], alg=ES256),
        log=(
            Ed25519NoteSigner(origin, keys[LOG_ED25519].private_bytes_raw()),
            MlDsa44Cosigner(origin, keys[LOG_MLDSA44].private_bytes_raw()),
        ),
    )


def _p256(random_bytes: RandomBytes) -> EllipticCurvePrivateKey:
    # 48 bytes: the bias of the reduction is below 2^-128.
    return derive_private_key(int.from_bytes(random_bytes(48)) % (_P256_ORDER - 1) + 1, SECP256R1())
