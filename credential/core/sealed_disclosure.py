"""Sealed disclosures: parts of a card that only a key on the holder's slip opens.

Implements the AEAD encrypted disclosures of draft-ietf-spice-sd-cwt (read: April 2026): header 171 is an
array of `[nonce, ciphertext, tag]`, the algorithm stands in protected header 172 and is always 2,
AEAD_AES_256_GCM (RFC 5116): a key of 32 bytes, a nonce of 12, a tag of 16, no associated data.

The plaintext is the draft's `bstr-encoded-salted`: the CBOR byte string *with its head*, as it would
stand in header 17. It is also exactly what the digest in the payload is taken over.

>>> sealed = seal_disclosure(b"\\x81\\x50" + bytes(16), key=bytes(32), nonce=bytes(12))
>>> open_sealed(sealed, bytes(32)).hex()[:4]
'8150'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from credential.core.disclosure import DISCLOSURE_MAX_BYTES, DISCLOSURES_MAX, wrap_disclosure
from credential.errors import SecretError
from ledger.core import cbor
from ledger.errors import MalformedError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
_HEAD_MAX_BYTES: Final = 3
_HEAD_MIN_BYTES: Final = 1


@dataclass(frozen=True, slots=True)
class SealedDisclosure:
    """One item of header 171.

    Attributes:
        nonce: 12 bytes, used with this key nowhere else.
        ciphertext: as long as the wrapped disclosure.
        tag: 16 bytes.
    """

    nonce: bytes
    ciphertext: bytes
    tag: bytes


def seal_disclosure(content: bytes, key: bytes, nonce: bytes) -> SealedDisclosure:
    """Encrypt a disclosure.

    Args:
        content: the encoded disclosure, without the byte string's head.
        key: 32 bytes, one per card and group (`holder.seal_key`).
        nonce: 12 random bytes, fresh for every disclosure.

    Raises:
        ValueError: key or nonce have another length, or the disclosure is over 4,096 bytes.
    """
    if len(key) != KEY_BYTES or len(nonce) != NONCE_BYTES or len(content) > DISCLOSURE_MAX_BYTES:
        raise ValueError("a key is 32 bytes, a nonce 12, a disclosure at most 4,096")
    sealed = AESGCM(key).encrypt(nonce, wrap_disclosure(content), None)
    return SealedDisclosure(nonce, sealed[:-TAG_BYTES], sealed[-TAG_BYTES:])


def open_sealed(sealed: SealedDisclosure, key: bytes) -> bytes:
    """Return the encoded disclosure, ready for `apply_disclosures`, which checks its digest.

    An AEAD cannot tell a wrong key from changed bytes: both are wrong_secret. A disclosure that opens
    but is not part of this card fails later, with bad_disclosure.

    Raises:
        SecretError: the key does not open it, because it is another key or the bytes were changed.
        MalformedError: what comes out is not a CBOR byte string.
    """
    if len(key) != KEY_BYTES:
        raise SecretError("a seal key is 32 bytes", field="sealed")
    try:
        wrapped = AESGCM(key).decrypt(sealed.nonce, sealed.ciphertext + sealed.tag, None)
    except InvalidTag:
        raise SecretError("the key does not open this part", field="sealed") from None
    content = cbor.decode(wrapped, max_size=DISCLOSURE_MAX_BYTES + _HEAD_MAX_BYTES, field="sealed")
    if type(content) is not bytes:
        raise MalformedError("a sealed part is not a byte string", field="sealed")
    return content


def format_sealed_list(sealed: Sequence[SealedDisclosure]) -> list[list[bytes]]:
    """Return the value of header 171. Where nothing is sealed the header is left out instead.

    Raises:
        ValueError: no sealed disclosure.
    """
    if not sealed:
        raise ValueError("without sealed disclosures the header is left out")
    return [[item.nonce, item.ciphertext, item.tag] for item in sealed]


def parse_sealed_list(value: object) -> tuple[SealedDisclosure, ...]:
    """Return the items of header 171.

    Raises:
        MalformedError: not an array of 1 to 64 arrays of a 12-byte nonce, a ciphertext of at most 4,099
            bytes and a 16-byte tag; the draft makes an empty array invalid.
    """
    if type(value) is not list or not 1 <= len(value) <= DISCLOSURES_MAX:
        raise MalformedError("header 171 is an array of 1 to 64 sealed disclosures", field="sealed")
    return tuple(_parse_sealed(item) for item in value)


def _parse_sealed(item: object) -> SealedDisclosure:
    if type(item) is not list or len(item) != 3 or not all(type(part) is bytes for part in item):
        raise MalformedError("a sealed disclosure is three byte strings", field="sealed")
    nonce, ciphertext, tag = item
    if len(nonce) != NONCE_BYTES or len(tag) != TAG_BYTES:
        raise MalformedError("a nonce is 12 bytes and a tag 16", field="sealed")
    if not _HEAD_MIN_BYTES <= len(ciphertext) <= DISCLOSURE_MAX_BYTES + _HEAD_MAX_BYTES:
        raise MalformedError("a sealed disclosure is empty or too long", field="sealed")
    return SealedDisclosure(nonce, ciphertext, tag)
