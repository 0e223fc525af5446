"""Selective disclosure: restore and check the redacted claims of an SD-CWT.

Implements the claims of draft-ietf-spice-sd-cwt (read: April 2026). The digest of each disclosure stands
in the signed payload, under the map key `simple(59)` or as tag 60 in an array; this module puts back
what is disclosed and deletes the rest. `disclosure` has the encoding of one disclosure, `redaction`
makes what this module checks, `sealed_disclosure` encrypts disclosures; all their names are here too.

>>> first = bytes.fromhex("8350bae611067bb823486797da1ebbb52f836b414243442d3132333435361901f5")
>>> payload = {1: "iss", REDACTED_KEYS: [disclosure_digest(first)]}
>>> apply_disclosures(payload, [first]).claims
{1: 'iss', 501: 'ABCD-123456'}
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from credential.core.disclosure import (
    DIGEST_BYTES,
    NEVER_REDACTED,
    REDACTED_ELEMENT_TAG,
    SALT_BYTES,
    Disclosure,
    Key,
    Kind,
    disclosure_digest,
    format_disclosure,
    format_disclosure_list,
    is_key,
    parse_disclosure,
    parse_disclosure_array,
    parse_disclosure_list,
    wrap_disclosure,
)
from credential.core.redaction import (
    Decoy,
    IssuedDisclosure,
    Redacted,
    RedactedKey,
    Redaction,
    SaltedValue,
    redact,
)
from credential.core.sealed_disclosure import (
    SealedDisclosure,
    format_sealed_list,
    open_sealed,
    parse_sealed_list,
    seal_disclosure,
)
from credential.errors import DisclosureError
from ledger.core.cbor import REDACTED_KEYS, CBORSimpleValue, CBORTag
from ledger.errors import MalformedError

__all__ = [
    "AEAD_AES_256_GCM",
    "ALG_SHA_256",
    "DIGEST_BYTES",
    "HEADER_SD_AEAD",
    "HEADER_SD_AEAD_ENCRYPTED_CLAIMS",
    "HEADER_SD_ALG",
    "HEADER_SD_CLAIMS",
    "NEVER_REDACTED",
    "REDACTED_KEYS",
    "SALT_BYTES",
    "TYP_SD_CWT",
    "Decoy",
    "DisclosedClaims",
    "Disclosure",
    "IssuedDisclosure",
    "Key",
    "Kind",
    "Redacted",
    "RedactedKey",
    "Redaction",
    "SaltedValue",
    "SealedDisclosure",
    "apply_disclosures",
    "disclose_top_level",
    "disclosure_digest",
    "format_disclosure",
    "format_disclosure_list",
    "format_sealed_list",
    "open_sealed",
    "parse_disclosure",
    "parse_disclosure_list",
    "parse_sealed_list",
    "redact",
    "seal_disclosure",
    "wrap_disclosure",
]

TYP_SD_CWT: Final = 293
HEADER_SD_CLAIMS: Final = 17
HEADER_SD_ALG: Final = 170
HEADER_SD_AEAD_ENCRYPTED_CLAIMS: Final = 171
HEADER_SD_AEAD: Final = 172
ALG_SHA_256: Final = -16
AEAD_AES_256_GCM: Final = 2

MAX_DEPTH: Final = 16
"""Levels of claims, as the draft counts them: the claims themselves are level 1."""
_PRE_ISSUANCE_TAGS: Final = frozenset((58, 62))


@dataclass(frozen=True, slots=True)
class DisclosedClaims:
    """What a token says once its disclosures are applied.

    Attributes:
        claims: the claims in clear and the disclosed ones; no digest is left.
        used: digests of the disclosures given, in the order given.
        undisclosed: digests that were met and not opened (claims and decoys look alike).
    """

    claims: dict[Key, Any]
    used: tuple[bytes, ...]
    undisclosed: tuple[bytes, ...]


def apply_disclosures(
    payload: dict[Any, Any], disclosures: Sequence[bytes], *, deterministic: bool = True
) -> DisclosedClaims:
    """Restore every disclosed claim, at any depth, and delete the digests that stay closed.

    The disclosures may come in any order, a child before its parent: each is looked up by its digest
    where the digest stands. `payload` is not changed.

    Args:
        payload: the decoded claims of the token (its payload, or the claims in header 15).
        disclosures: contents of the byte strings of header 17.
        deterministic: False only for tokens that others published.

    Raises:
        DisclosureError: two equal disclosures; one without a digest in the claims; an element where a
            claim belongs or the reverse; a claim whose key is there already; iss, aud, exp, nbf, iat,
            cti, cnf or cnonce among the redacted claims.
        MalformedError: a disclosure that does not parse; a map key that is not an integer, a text of 1
            to 255 bytes or `simple(59)`; digests that are not 32 bytes or stand twice; claims nested
            deeper than 16 levels.

    Source: draft-ietf-spice-sd-cwt, sections "Level of Nesting of Claims" and "SD-KBT and SD-CWT
    Verifier Validation", step 7.
    """
    reveal = _Reveal(disclosures, deterministic)
    claims = reveal.map(payload, level=1)
    return reveal.finish(claims)


def disclose_top_level(
    payload: dict[Any, Any], disclosures: Sequence[bytes], *, deterministic: bool = True
) -> dict[Key, Any]:
    """Return what `apply_disclosures` returns as claims, for a payload whose clear claims are flat.

    The fast path of a scan. The ledger admits only payloads in which nothing but the top level is
    redacted, so the clear claims need no walk: they are copied, and each disclosure is looked up among
    the digests of the top level. Redactions nested inside a disclosed value are handled as ever.

    Raises:
        DisclosureError, MalformedError: as `apply_disclosures`.
    """
    # simple(59) is the last key in bytewise order; a plain look-up would also find the integer 59.
    last = next(reversed(payload), None)
    digests = payload[last] if type(last) is CBORSimpleValue and last == REDACTED_KEYS else None
    if type(digests) is not list:
        return apply_disclosures(payload, disclosures, deterministic=deterministic).claims
    claims = payload.copy()
    del claims[REDACTED_KEYS]
    seen: set[bytes] = set()
    for content in disclosures:
        digest = hashlib.sha256(wrap_disclosure(content)).digest()
        array = parse_disclosure_array(content, deterministic)
        is_plain = len(array) == 3 and not _needs_walk(array[1])
        if not is_plain or digest not in digests or digest in seen or not _is_free(claims, array[2]):
            # Whatever is wrong is said by the one walk, so that both ways say the same of it.
            return apply_disclosures(payload, disclosures, deterministic=deterministic).claims
        seen.add(digest)
        claims[array[2]] = array[1]
    return claims


class _Reveal:
    """One walk over the claims: looks up each digest, descends into what it reveals, keeps count."""

    def __init__(self, disclosures: Sequence[bytes], deterministic: bool) -> None:
        self._order = tuple(disclosure_digest(content) for content in disclosures)
        self._parts = {
            digest: parse_disclosure(content, deterministic=deterministic)
            for digest, content in zip(self._order, disclosures, strict=True)
        }
        if len(self._parts) != len(self._order):
            raise DisclosureError("a disclosure stands twice")
        self._met: dict[bytes, bool] = {}

    def finish(self, claims: dict[Key, Any]) -> DisclosedClaims:
        if not all(digest in self._met for digest in self._order):
            raise DisclosureError("a disclosure has no digest in the signed claims")
        closed = tuple(digest for digest, opened in self._met.items() if not opened)
        return DisclosedClaims(claims, self._order, closed)

    def map(self, item: dict[Any, Any], level: int) -> dict[Key, Any]:
        """Return the map whose contents are at `level`, with what is disclosed and without digests."""
        _check_level(item, level)
        digests: object = []
        claims: dict[Key, Any] = {}
        for key, value in item.items():
            if type(key) is CBORSimpleValue and key.value == REDACTED_KEYS.value:
                digests = value
            elif is_key(key):
                claims[key] = self.value(value, level)
            else:
                raise MalformedError("a claim key is neither integer nor text", field="claims")
        if type(digests) is not list:
            raise MalformedError("simple(59) has no array of digests", field="claims")
        for digest in digests:
            part = self._look_up(digest)
            if part is None or part.kind == "decoy":
                continue
            if part.key is None:
                raise DisclosureError("an array element is disclosed where a claim belongs")
            _add_claim(claims, part.key, self.value(part.value, level), top=level == 1)
        return claims

    def array(self, items: list[Any], level: int) -> list[Any]:
        """Return the array whose contents are at `level`; closed elements are left out."""
        _check_level(items, level)
        result = []
        for item in items:
            if type(item) is not CBORTag or item.tag != REDACTED_ELEMENT_TAG:
                result.append(self.value(item, level))
                continue
            part = self._look_up(item.value)
            if part is not None and part.kind == "claim":
                raise DisclosureError("a claim is disclosed where an array element belongs")
            if part is not None and part.kind == "element":
                result.append(self.value(part.value, level))
        return result

    def value(self, item: Any, level: int) -> Any:
        """Return one item that itself stands at `level`."""
        if type(item) is dict:
            return self.map(item, level + 1)
        if type(item) is list:
            return self.array(item, level + 1)
        if type(item) is CBORTag:
            if item.tag == REDACTED_ELEMENT_TAG or item.tag in _PRE_ISSUANCE_TAGS:
                raise MalformedError("a tag of redaction stands where it must not", field="claims")
            _check_level((item.value,), level + 1)
            return CBORTag(item.tag, self.value(item.value, level + 1))
        return item

    def _look_up(self, digest: object) -> Disclosure | None:
        if type(digest) is not bytes or len(digest) != DIGEST_BYTES:
            raise MalformedError("a digest is not 32 bytes", field="claims")
        if digest in self._met:
            raise MalformedError("a digest stands twice", field="claims")
        part = self._parts.get(digest)
        self._met[digest] = part is not None
        return part


def _add_claim(claims: dict[Key, Any], key: Key, value: Any, *, top: bool) -> None:
    if key in claims:
        raise DisclosureError("a disclosed claim is there already")
    if top and key in NEVER_REDACTED:
        raise DisclosureError("a claim that must stand in clear is disclosed")
    claims[key] = value


def _is_free(claims: dict[Key, Any], key: Key) -> bool:
    return key not in claims and key not in NEVER_REDACTED


def _needs_walk(item: Any) -> bool:
    """Tell whether a value holds, at any depth, a tag or a map key that is no claim key."""
    kind = type(item)
    if kind is list:
        for inner in item:
            kind = type(inner)
            if (kind is list or kind is dict or kind is CBORTag) and _needs_walk(inner):
                return True
        return False
    if kind is dict:
        return any(not is_key(key) or _needs_walk(inner) for key, inner in item.items())
    return kind is CBORTag


def _check_level(contents: Sequence[Any] | dict[Any, Any], level: int) -> None:
    if contents and level > MAX_DEPTH:
        raise MalformedError("claims are nested deeper than 16 levels", field="claims")
