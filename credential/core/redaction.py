"""Redaction: from a tree of claims with marks to the payload that is signed and its disclosures.

Implements the issuer's side of draft-ietf-spice-sd-cwt (read: April 2026). Marks say what to hide:
`RedactedKey(key)` as the key of a map entry, `Redacted(value)` as an array element, `Decoy(n)` as
either, each n once. Marks may be nested; a child is redacted before its parent, so the parent's
disclosure holds the child's digest.

The digests of one map stand in bytewise order (docs/protocol.md, section 3), so their order tells
neither claims from decoys nor one claim from another.

>>> done = redact({1: "iss", RedactedKey("n"): "X"}, bytes)
>>> done.disclosure_at("n").value, len(done.payload)
('X', 2)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from credential.core.disclosure import (
    NEVER_REDACTED,
    REDACTED_ELEMENT_TAG,
    SALT_BYTES,
    Disclosure,
    Key,
    Kind,
    format_disclosure,
    is_key,
)
from credential.errors import InputError
from ledger.core.cbor import REDACTED_KEYS, CBORTag

Path = tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Redacted:
    """Mark of an array element that is to be redacted."""

    value: Any


@dataclass(frozen=True, slots=True)
class RedactedKey:
    """Mark of a map key that is to be redacted together with its value."""

    key: Key


@dataclass(frozen=True, slots=True)
class Decoy:
    """Mark of a place for a digest that stands for nothing; as a map key its value is None."""

    number: int


@dataclass(frozen=True, slots=True)
class SaltedValue:
    """Value of a redacted entry or element that depends on its own disclosure's salt.

    A companion's authorisation names two people only by hashes under that salt.
    """

    make: Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class IssuedDisclosure:
    """A disclosure and where it belongs: map keys, and positions in arrays as they were marked.

    The path of a decoy ends with its number.
    """

    path: Path
    disclosure: Disclosure


@dataclass(frozen=True, slots=True)
class Redaction:
    """A redacted tree: the payload to sign and all disclosures, children before their parents."""

    payload: dict[Any, Any]
    disclosures: tuple[IssuedDisclosure, ...]

    def disclosure_at(self, *path: Key) -> Disclosure:
        """Return the disclosure of the place `path`.

        Raises:
            KeyError: nothing is redacted there.
        """
        for issued in self.disclosures:
            if issued.path == path:
                return issued.disclosure
        raise KeyError("nothing is redacted at this path")


def redact(claims: dict[Any, Any], random_bytes: Callable[[int], bytes]) -> Redaction:
    """Redact every marked part of `claims`, which is not changed.

    Args:
        claims: the claims with marks, any depth; unmarked values pass unchanged.
        random_bytes: returns so many bytes from a cryptographic source.

    Raises:
        InputError: a map key that is neither an integer, nor a text of 1 to 255 bytes, nor a mark; a
            key that is there both marked and in clear; a claim that must stand in clear marked at the
            top level; the integer key 59 beside redacted keys (Python cannot hold both); a decoy's
            number used twice; a value that CBOR cannot encode; a salt repeated by the random source.
    """
    work = _Work(random_bytes)
    payload = work.map(claims, ())
    return Redaction(payload, tuple(work.issued))


class _Work:
    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._salts: set[bytes] = set()
        self._decoys: set[int] = set()
        self.issued: list[IssuedDisclosure] = []

    def map(self, item: dict[Any, Any], path: Path) -> dict[Any, Any]:
        clear: dict[Any, Any] = {}
        hidden: set[Key] = set()
        digests: list[bytes] = []
        for key, value in item.items():
            if type(key) is RedactedKey:
                self._check_key(key.key, hidden, top=not path)
                hidden.add(key.key)
                digests.append(self._issue("claim", path + (key.key,), value, key.key))
            elif type(key) is Decoy:
                digests.append(self._decoy(key, path))
            elif is_key(key):
                clear[key] = self.value(value, path + (key,))
            else:
                raise InputError("a claim key is an integer or a text", field="claims")
        if hidden & clear.keys():
            raise InputError("a claim is there both in clear and redacted", field="claims")
        if digests:
            if REDACTED_KEYS in clear:
                raise InputError("the claim 59 cannot stand beside redacted claims", field="claims")
            clear[REDACTED_KEYS] = sorted(digests)
        return clear

    def array(self, items: list[Any] | tuple[Any, ...], path: Path) -> list[Any]:
        result: list[Any] = []
        for position, item in enumerate(items):
            if type(item) is Redacted:
                digest = self._issue("element", path + (position,), item.value, None)
                result.append(CBORTag(REDACTED_ELEMENT_TAG, digest))
            elif type(item) is Decoy:
                result.append(CBORTag(REDACTED_ELEMENT_TAG, self._decoy(item, path)))
            else:
                result.append(self.value(item, path + (position,)))
        return result

    def value(self, item: Any, path: Path) -> Any:
        if isinstance(item, dict):
            return self.map(item, path)
        if isinstance(item, list | tuple):
            return self.array(item, path)
        if isinstance(item, Redacted | RedactedKey | Decoy | SaltedValue):
            raise InputError("a mark stands where nothing can be redacted", field="claims")
        return item

    def _issue(self, kind: Kind, path: Path, value: Any, key: Key | None) -> bytes:
        salt = self._salt()
        plain = value.make(salt) if isinstance(value, SaltedValue) else value
        try:
            disclosure = format_disclosure(salt, self.value(plain, path), key, kind=kind)
        except ValueError:
            raise InputError("a claim has a value that CBOR cannot encode", field="claims") from None
        self.issued.append(IssuedDisclosure(path, disclosure))
        return disclosure.digest

    def _decoy(self, mark: Decoy, path: Path) -> bytes:
        if mark.number in self._decoys:
            raise InputError("a decoy's number is used twice", field="claims")
        self._decoys.add(mark.number)
        disclosure = format_disclosure(self._salt(), kind="decoy")
        self.issued.append(IssuedDisclosure(path + (mark.number,), disclosure))
        return disclosure.digest

    def _salt(self) -> bytes:
        salt = self._random_bytes(SALT_BYTES)
        if salt in self._salts or len(salt) != SALT_BYTES:
            raise InputError("the random source repeated a salt", field="salt")
        self._salts.add(salt)
        return salt

    def _check_key(self, key: Key, hidden: set[Key], *, top: bool) -> None:
        if not is_key(key):
            raise InputError("a claim key is an integer or a text", field="claims")
        if key in hidden:
            raise InputError("a claim is redacted twice", field="claims")
        if top and key in NEVER_REDACTED:
            raise InputError("this claim must stand in clear", field="claims")
