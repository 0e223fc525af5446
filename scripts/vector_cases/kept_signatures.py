"""ML-DSA-44 signatures that stay what they were: the library draws randomness for each new one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ledger.core.note import TYPE_MLDSA44_COSIGNATURE, NoteSigner, VerifierKey, check_raw_signature
from ledger.errors import CodedError
from tests.support.ledgers import TinyLedger


class KeptSignatures:
    """Signatures by SHA-256 of key ID and message, from the file of the last run."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = dict(known)
        self.used: dict[str, str] = {}

    def sign(self, signer: NoteSigner, message: bytes) -> bytes:
        """Return the kept signature if it verifies, else a new one."""
        key = signer.verifier_key
        place = hashlib.sha256(key.key_id.to_bytes(4) + message).hexdigest()
        signature = bytes.fromhex(self.used.get(place) or self.known.get(place, ""))
        try:
            check_raw_signature(key, message, signature)
        except CodedError:
            signature = signer.sign(message)
        self.used[place] = signature.hex()
        return signature


class KeepingSigner:
    """A `NoteSigner` that asks what was kept before it signs."""

    def __init__(self, signer: NoteSigner, kept: KeptSignatures) -> None:
        self._signer = signer
        self._kept = kept

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half."""
        return self._signer.verifier_key

    def sign(self, message: bytes) -> bytes:
        """Return the bare signature over the message."""
        return self._kept.sign(self._signer, message)


def kept_ledger(origin: str, kept: KeptSignatures) -> TinyLedger:
    """Return a ledger whose log signs with kept signatures where they are random."""
    ledger = TinyLedger(origin)
    signers: Any = tuple(
        KeepingSigner(one, kept) if one.verifier_key.signature_type == TYPE_MLDSA44_COSIGNATURE else one
        for one in ledger.log_signers
    )
    ledger.log_signers = signers
    return ledger
