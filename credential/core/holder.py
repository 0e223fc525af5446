"""The holder's secret: twelve words, and the keys that follow from them (docs/protocol.md, section 6).

The secret is 128 bits and is written down as twelve words of the English BIP-39 list; nothing stores
it. For each card it gives, by HKDF-SHA256 (RFC 5869) with `salt = iss || 0x00 || sub`: the holder's
Ed25519 key that the card confirms (`cnf`), one sealing key per group of claims, and the key of the
desk's case file. Two cards share no key, so nobody can link them by one.

>>> format_words(bytes(16)).split()[-1], parse_words("Abandon " * 11 + "about") == bytes(16)
('about', True)
"""

from __future__ import annotations

import hashlib
import unicodedata
from functools import cache
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from mnemonic import Mnemonic

from credential.errors import InputError, SecretError
from ledger.core.cose_key import SoftwareSigner

SECRET_BYTES: Final = 16
WORD_COUNT: Final = 12
KEY_BYTES: Final = 32
_WORD_BITS: Final = 11
_CHECKSUM_BITS: Final = 4
_TEXT_MAX_CHARACTERS: Final = 400


def format_words(secret: bytes) -> str:
    """Return the twelve words of a 16-byte secret, separated by single spaces (BIP-39).

    Raises:
        InputError: the secret is not 16 bytes long.
    """
    _check_secret(secret)
    number = int.from_bytes(secret, "big") << _CHECKSUM_BITS | _checksum(secret)
    words, _ = _word_list()
    shifts = range((WORD_COUNT - 1) * _WORD_BITS, -1, -_WORD_BITS)
    return " ".join(words[number >> shift & 0x7FF] for shift in shifts)


def parse_words(text: str) -> bytes:
    """Return the 16-byte secret of twelve words, in any case and with any white space between them.

    No error repeats a word.

    Raises:
        InputError: not twelve words, or a word that is not on the list (its number is in the detail).
        SecretError: the words are on the list but their checksum is wrong (BIP-39), so at least one
            is not the word that was written down.
    """
    words = unicodedata.normalize("NFKD", text[: _TEXT_MAX_CHARACTERS + 1]).lower().split()
    if len(text) > _TEXT_MAX_CHARACTERS or len(words) != WORD_COUNT:
        raise InputError("a secret has twelve words", field="words")
    _, index_of = _word_list()
    number = 0
    for position, word in enumerate(words, start=1):
        index = index_of.get(word)
        if index is None:
            raise InputError(f"word {position} is not on the list", field="words")
        number = number << _WORD_BITS | index
    secret = (number >> _CHECKSUM_BITS).to_bytes(SECRET_BYTES, "big")
    if number & 0xF != _checksum(secret):
        raise SecretError("the twelve words do not belong together", field="words")
    return secret


def holder_signer(secret: bytes, iss: str, sub: str) -> SoftwareSigner:
    """Return the Ed25519 signer of the card (iss, sub); its public key is the card's `cnf`.

    Raises:
        InputError: the secret is not 16 bytes long, or `iss` is empty or holds a NUL.
    """
    return SoftwareSigner.from_seed("ed25519", _derive(secret, iss, sub, "safeconduct/v1/holder"))


def seal_key(secret: bytes, iss: str, sub: str, group: str) -> bytes:
    """Return the 32-byte AES key that seals the claims of `group` on the card (iss, sub).

    Raises:
        InputError: the secret is not 16 bytes long, `iss` is empty or holds a NUL, or `group` is empty.
    """
    if not group:
        raise InputError("a group has a name", field="group")
    return _derive(secret, iss, sub, f"safeconduct/v1/seal/{group}")


def case_key(secret: bytes, iss: str, sub: str) -> bytes:
    """Return the 32-byte key of the issuing desk's case file of the card (iss, sub).

    Raises:
        InputError: the secret is not 16 bytes long, or `iss` is empty or holds a NUL.
    """
    return _derive(secret, iss, sub, "safeconduct/v1/case")


def _derive(secret: bytes, iss: str, sub: str, info: str) -> bytes:
    _check_secret(secret)
    if not iss or "\0" in iss:  # a NUL in iss would let two pairs (iss, sub) share one salt
        raise InputError("an issuer is a text without NUL", field="iss")
    salt = iss.encode() + b"\0" + sub.encode()
    return HKDF(SHA256(), KEY_BYTES, salt, info.encode()).derive(secret)


def _check_secret(secret: bytes) -> None:
    if len(secret) != SECRET_BYTES:
        raise InputError("a secret is 16 bytes long", field="secret")


def _checksum(secret: bytes) -> int:
    return hashlib.sha256(secret).digest()[0] >> 8 - _CHECKSUM_BITS


@cache
def _word_list() -> tuple[tuple[str, ...], dict[str, int]]:
    # Part of the installed package, as constant as code; read once, on first use.
    words = tuple(Mnemonic("english").wordlist)
    return words, {word: index for index, word in enumerate(words)}
