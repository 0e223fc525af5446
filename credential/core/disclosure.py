"""Disclosures of an SD-CWT: one salted claim each, its encoding and its digest.

Implements the Salted Disclosed Claims of draft-ietf-spice-sd-cwt (read: April 2026). A disclosure is
the CBOR of `[salt, value, key]` for a map entry, `[salt, value]` for an array element or `[salt]` for a
decoy, and stands as a byte string in header 17.

The digest is SHA-256 over the disclosure *wrapped as a CBOR byte string*, head included. Every
published token does so; the figure in the draft's text hashes the bare array and verifies nothing.

>>> salt = bytes.fromhex("bae611067bb823486797da1ebbb52f83")
>>> format_disclosure(salt, "ABCD-123456", 501, kind="claim").digest.hex()[:8]
'af375dc3'
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ledger.core import cbor
from ledger.errors import MalformedError

SALT_BYTES: Final = 16
DIGEST_BYTES: Final = 32
KEY_MAX_BYTES: Final = 255
DISCLOSURE_MAX_BYTES: Final = 4096
DISCLOSURES_MAX: Final = 64
REDACTED_ELEMENT_TAG: Final = 60
NEVER_REDACTED: Final = frozenset((1, 3, 4, 5, 6, 7, 8, 39))
"""iss, aud, exp, nbf, iat, cti, cnf, cnonce: always in clear at the top level."""

Key = int | str
Kind = Literal["claim", "element", "decoy"]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One parsed disclosure.

    Attributes:
        kind: "claim" for a map entry, "element" for an array element, "decoy" for neither.
        salt: 16 random bytes, used nowhere else.
        value: the value, in which redacted parts may be nested; None for a decoy.
        key: the map key of a claim; None otherwise.
        content: the encoded disclosure, the content of its byte string in header 17.
    """

    kind: Kind
    salt: bytes
    value: Any
    key: Key | None
    content: bytes

    @property
    def digest(self) -> bytes:
        """The 32 bytes that stand for this disclosure in the payload."""
        return disclosure_digest(self.content)


def wrap_disclosure(content: bytes) -> bytes:
    """Return `content` as the CBOR byte string that stands in header 17, head included."""
    size = len(content)
    if size < 24:
        return bytes((0x40 + size,)) + content
    if size < 256:
        return bytes((0x58, size)) + content
    if size < 65_536:
        return b"\x59" + size.to_bytes(2, "big") + content
    return cbor.encode(content)


def disclosure_digest(content: bytes) -> bytes:
    """Return the SHA-256 of a disclosure wrapped as a CBOR byte string (32 bytes)."""
    return hashlib.sha256(wrap_disclosure(content)).digest()


def format_disclosure(salt: bytes, value: Any = None, key: Key | None = None, *, kind: Kind) -> Disclosure:
    """Return the disclosure of a claim, an element or a decoy with its encoding.

    Raises:
        ValueError: the salt is not 16 bytes, a claim without a usable key, or a value that is not of
            the CBOR profile.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError("a salt is 16 bytes")
    if kind == "claim":
        if not is_key(key):
            raise ValueError("a claim key is an integer or a text of 1 to 255 bytes")
        return Disclosure(kind, salt, value, key, cbor.encode([salt, value, key]))
    if kind == "element":
        return Disclosure(kind, salt, value, None, cbor.encode([salt, value]))
    return Disclosure(kind, salt, None, None, cbor.encode([salt]))


def parse_disclosure(content: bytes, *, deterministic: bool = True) -> Disclosure:
    """Parse the content of one byte string of header 17.

    Args:
        content: the encoded array.
        deterministic: False only for tokens that others published.

    Raises:
        MalformedError: not CBOR of the profile, over 4,096 bytes (code too_large), not an array of one
            to three items, a salt that is not 16 bytes, or a key that is neither an integer nor a text
            of 1 to 255 bytes.
    """
    array = parse_disclosure_array(content, deterministic)
    if len(array) == 3:
        return Disclosure("claim", array[0], array[1], array[2], content)
    if len(array) == 2:
        return Disclosure("element", array[0], array[1], None, content)
    return Disclosure("decoy", array[0], None, None, content)


def format_disclosure_list(disclosures: Sequence[Disclosure]) -> list[bytes]:
    """Return the value of header 17. Where nothing is disclosed the header is left out instead.

    Raises:
        ValueError: no disclosure.
    """
    if not disclosures:
        raise ValueError("without disclosures the header is left out")
    return [disclosure.content for disclosure in disclosures]


def parse_disclosure_list(value: object) -> tuple[bytes, ...]:
    """Return the disclosures of header 17, not yet parsed.

    Raises:
        MalformedError: not an array of 1 to 64 byte strings; the draft makes an empty one invalid.
    """
    if type(value) is not list or not 1 <= len(value) <= DISCLOSURES_MAX:
        raise MalformedError("header 17 is an array of 1 to 64 byte strings", field="sd_claims")
    if not all(type(content) is bytes for content in value):
        raise MalformedError("header 17 is an array of byte strings", field="sd_claims")
    return tuple(value)


def is_key(key: object) -> bool:
    """Tell whether `key` may be a claim key: an integer, or a text of 1 to 255 bytes."""
    if type(key) is str:
        return 1 <= len(key.encode()) <= KEY_MAX_BYTES
    return type(key) is int


def parse_disclosure_array(content: bytes, deterministic: bool) -> list[Any]:
    """Return `[salt, value, key]`, `[salt, value]` or `[salt]`, checked as by `parse_disclosure`."""
    array = cbor.decode(
        content, max_size=DISCLOSURE_MAX_BYTES, deterministic=deterministic, field="disclosure"
    )
    if type(array) is not list or not 1 <= len(array) <= 3:
        raise MalformedError("a disclosure is an array of one to three items", field="disclosure")
    if type(array[0]) is not bytes or len(array[0]) != SALT_BYTES:
        raise MalformedError("the salt of a disclosure is not 16 bytes", field="disclosure.salt")
    if len(array) == 3 and not is_key(array[2]):
        raise MalformedError("a disclosed claim has no usable key", field="disclosure.key")
    return array
