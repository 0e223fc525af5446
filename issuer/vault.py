"""Secrets that wait at the desk, from the signature until the papers are written, and how those are made.

Twelve words are made before their credential is sent and handed over after it is registered. If the desk
fails in between, the credential is on the ledger and its words would be lost with the process: a card that
nobody can ever print. So the holder's 16 bytes are stored together with the signed bytes, in one
transaction, under a key that only the passphrase of the issuer's key gives:

    root = scrypt(passphrase, salt of the desk, N = 2^15, r = 8, p = 1)            RFC 7914
    key  = HKDF-SHA256(root, info "safeconduct/v1/desk/secrets")                   RFC 5869
    row  = nonce || AES-256-GCM(key, nonce, cbor([secret, words, print name]), sub)

The row is deleted, and overwritten in the database, as soon as the case file and the papers are on the disk.
What a thief gains stands in docs/threat-model.md: with the disk and the passphrase, the words of those whose
papers were not written yet, and whatever a disk that copies before it overwrites still holds.

>>> vault = Vault("correct horse", bytes(16))
>>> sealed = vault.seal("A" * 16, Held(bytes(16), WORDS_ON_SHEET), bytes(12))
>>> vault.open("A" * 16, sealed).words
'sheet'
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from credential.core.holder import SECRET_BYTES
from issuer.errors import IssuerError
from ledger.core import cbor

WORDS_ON_SHEET: Final = "sheet"
WORDS_ON_SCREEN: Final = "screen"
WORDS_KNOWN: Final = "known"
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_SCRYPT_N: Final = 2**15
_SCRYPT_R: Final = 8
_HELD_MAX_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Papers:
    """How one person's papers are made.

    Attributes:
        words: how the bearer gets the words: `WORDS_ON_SHEET`, `WORDS_ON_SCREEN`, or `WORDS_KNOWN`, not at all.
        print_name: whether the bearer wants the name on the card.
    """

    words: str = WORDS_ON_SHEET
    print_name: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What is held for one credential: the holder's 16 bytes, and the wishes of `Papers`."""

    secret: bytes
    words: str = WORDS_ON_SHEET
    print_name: bool = False

    @property
    def papers(self) -> Papers:
        """How the papers are made."""
        return Papers(self.words, self.print_name)


class Vault:
    """Seals and opens what is held; the passphrase is stretched once, when it is first needed."""

    def __init__(self, passphrase: str, salt: bytes) -> None:
        """Prepare.

        Args:
            passphrase: of the issuer's key.
            salt: 16 random bytes of this desk.
        """
        self._passphrase = passphrase.encode()
        self._salt = salt

    def seal(self, sub: str, held: Held, nonce: bytes) -> bytes:
        """Return the row of one credential.

        Args:
            sub: its subject; the row opens for no other.
            held: what is held.
            nonce: 12 random bytes, never used before at this desk.
        """
        content = cbor.encode([held.secret, held.words, held.print_name])
        return nonce + AESGCM(self._secrets_key).encrypt(nonce, content, sub.encode())

    def open(self, sub: str, sealed: bytes) -> Held:
        """Return what a row holds; the inverse of `seal`.

        Raises:
            IssuerError: wrong_secret, it was sealed under another passphrase, for another credential, or
                was changed.
        """
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            content = AESGCM(self._secrets_key).decrypt(nonce, ciphertext, sub.encode())
        except (InvalidTag, ValueError):
            raise IssuerError(
                "wrong_secret", "the passphrase does not open what the desk holds", field="desk"
            ) from None
        match cbor.decode(content, max_size=_HELD_MAX_BYTES, field="desk"):
            case [bytes(secret), str(words), bool(print_name)] if len(secret) == SECRET_BYTES:
                return Held(secret, words, print_name)
        raise IssuerError("malformed", "what the desk holds is not of its form", field="desk")

    def fingerprint(self, data: bytes) -> bytes:
        """Return 32 bytes that tell equal data from changed data, and nothing to who lacks the passphrase."""
        return hmac.digest(self._rows_key, data, "sha256")

    @cached_property
    def _secrets_key(self) -> bytes:
        return self._derive("safeconduct/v1/desk/secrets")

    @cached_property
    def _rows_key(self) -> bytes:
        return self._derive("safeconduct/v1/desk/rows")

    @cached_property
    def _root(self) -> bytes:
        stretch = Scrypt(salt=self._salt, length=_KEY_BYTES, n=_SCRYPT_N, r=_SCRYPT_R, p=1)
        return stretch.derive(self._passphrase)

    def _derive(self, info: str) -> bytes:
        return HKDF(SHA256(), _KEY_BYTES, None, info.encode()).derive(self._root)
