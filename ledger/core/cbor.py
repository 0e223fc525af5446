"""Deterministic CBOR: one value, one encoding, and a parser that takes nothing else.

Implements the core deterministic encoding of RFC 8949 section 4.2.1 as narrowed by docs/protocol.md
section 1: shortest integers, definite lengths, map keys in bytewise order of their encodings, no
duplicate keys, nesting of at most 16, no trailing bytes, no floats, no tags but the three that
docs/safeconduct.cddl names. A tag always stays a `CBORTag`; nothing is turned into a date, a set or a reference.

`cbor2` does the coding. What makes the encoding the one encoding is ours: maps are put in bytewise order
before they are written (its canonical mode orders by length first, RFC 7049), and what was read is
written again and compared, which refuses every other spelling of a value.

A map key is an integer, a byte string, a text string or a simple value. `true` and `null` are refused
as keys: Python holds `True == 1`, so a lookup of label 1 would find them. A map with both 59 and
`simple(59)` is refused for the same reason; where only one of them may be meant, test
`type(key) is CBORSimpleValue`.

>>> encode({15: {1: "iss"}, 4: b"kid", -1: None}).hex()
'a304436b69640fa1016369737320f6'
>>> decode(bytes.fromhex("a304436b69640fa1016369737320f6"), max_size=64)
{4: b'kid', 15: {1: 'iss'}, -1: None}
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from cbor2 import CBORDecoder, CBORSimpleValue, CBORTag, dumps, loads

from ledger.errors import MalformedError

__all__ = ["MAX_DEPTH", "REDACTED_KEYS", "CBORSimpleValue", "CBORTag", "decode", "encode"]

MAX_DEPTH: Final = 16
"""The most arrays, maps and tags that may enclose an item."""
MAX_ITEMS: Final = 1 << 22
"""The most items of a deterministic encoding, unless the caller allows more: each takes some 150 bytes of memory,
whatever little it takes in the encoding."""
INT_MIN: Final = -(2**64)
INT_MAX: Final = 2**64 - 1
"""The integers of CBOR major types 0 and 1; beyond them lie bignums, which are refused."""
REDACTED_KEYS: Final = CBORSimpleValue(59)
"""The map key `simple(59)`: digests of redacted claims (draft-ietf-spice-sd-cwt). Equals the integer 59
in Python; see the module text."""

_NAMED_TAGS: Final = frozenset((16, 18, 60))
"""COSE_Encrypt0, COSE_Sign1 and the redacted array element: the tags of docs/safeconduct.cddl."""
_REFUSED_TAGS: Final = frozenset((2, 3, 25, 28, 29, 256))
"""Bignums, and the tags by which one part of an item refers to another: refused from others too."""
_KEY_TYPES: Final = frozenset((int, str, bytes, CBORSimpleValue))
_LEAF_TYPES: Final = frozenset((str, bytes, bool, type(None)))


def encode(value: Any) -> bytes:
    """Encode a value in the one deterministic form.

    Allowed: int from -2^64 to 2^64 - 1, str, bytes, bool, None, list, tuple, mapping, `CBORTag` and
    `CBORSimpleValue` (except 20 to 31, which are not simple values of their own).

    Raises:
        ValueError: any other type (floats above all), an integer out of range, a tag but 16, 18 and 60, a key that
            is not int, str, bytes or simple value, nesting beyond `MAX_DEPTH`, or text that is not
            Unicode scalar values.

    Source: RFC 8949 section 4.2.1.
    """
    return dumps(_ordered(value, 0))


def decode(
    data: bytes,
    *,
    max_size: int,
    deterministic: bool = True,
    field: str = "cbor",
    max_items: int | None = MAX_ITEMS,
) -> Any:
    """Decode exactly one data item that fills `data`.

    Arrays become lists, maps dicts in the order of the bytes, tags `CBORTag`.

    Args:
        data: the encoded item.
        max_size: the most bytes accepted.
        deterministic: True for everything of our own: the bytes must be what `encode` gives. False only
            for tokens published by others: floats (not NaN), other tags, unsorted maps and integers or lengths that
            are not the shortest are let through.
        field: name of the part being parsed, for the error.
        max_items: the most items, keys and the outermost among them, of a deterministic encoding; None for bytes
            that the caller made itself.

    Raises:
        MalformedError: code too_large if `data` is longer than `max_size` or of more items; otherwise malformed:
            not well-formed, trailing bytes, indefinite length, duplicate or unusable map key, a tag without a place,
            `undefined`, NaN, nesting beyond `MAX_DEPTH`, or (deterministic) not the one encoding.

    Source: RFC 8949 sections 4.2.1 and 5.3.1.
    """
    if len(data) > max_size:
        raise MalformedError(f"more than {max_size} bytes", field=field, code="too_large")
    try:
        if not deterministic:
            return _decode_foreign(data)
        if max_items is not None and len(data) > max_items and _has_more_items(data, max_items):
            raise MalformedError(f"more than {max_items} items", field=field, code="too_large")
        value = loads(data, **_STRICT, semantic_decoders=_OWN_TAGS)
        canonical = encode(value) == data
    except MalformedError:
        raise
    except Exception as error:
        # The library answers hostile bytes with errors of many types; to the caller they are one.
        raise MalformedError("not an item of the CBOR profile", field=field) from error
    if not canonical:
        raise MalformedError("not in deterministic encoding", field=field)
    return value


def _has_more_items(data: bytes, most: int) -> bool:
    """Count heads, one item each, without making anything of them; what is not well-formed is not judged."""
    place, count, end = 0, 0, len(data)
    while place < end:
        major, info = data[place] >> 5, data[place] & 0x1F
        place += 1
        value = info
        if 24 <= info <= 27:
            width = 1 << (info - 24)
            value = int.from_bytes(data[place : place + width], "big")
            place += width
        if major in (2, 3):  # byte and text strings: the content is no item
            place += value
        count += 1
        if count > most:
            return True
    return False


def _decode_foreign(data: bytes) -> Any:
    stream = io.BytesIO(data)
    value = CBORDecoder(stream, **_STRICT, semantic_decoders=_FOREIGN_TAGS).decode()
    if stream.tell() != len(data):
        raise ValueError("trailing bytes")
    _ordered(value, 0, foreign=True)  # for its refusals only
    return value


class _PlainTags(Mapping[int, Callable[[Any, bool], Any]]):
    """Table of tag decoders with one answer for every tag that has a place: it stays a tag."""

    def __init__(self, *, foreign: bool) -> None:
        self._foreign = foreign

    def __getitem__(self, tag: int) -> Callable[[Any, bool], Any]:
        if not _has_place(tag, foreign=self._foreign):
            raise ValueError("a tag that has no place in the profile")
        return lambda value, _immutable: CBORTag(tag, value)

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 1


def _has_place(tag: int, *, foreign: bool) -> bool:
    return tag not in _REFUSED_TAGS if foreign else tag in _NAMED_TAGS


_OWN_TAGS: Final = _PlainTags(foreign=False)
_FOREIGN_TAGS: Final = _PlainTags(foreign=True)
_STRICT: Final[dict[str, Any]] = {
    "allow_duplicate_keys": False,
    "allow_indefinite": False,
    "max_depth": MAX_DEPTH + 2,
}


def _ordered(value: Any, depth: int, *, foreign: bool = False) -> Any:
    """Return `value` in plain types with every map in bytewise order; refuse what has no place in it."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    kind = type(value)
    if kind in _LEAF_TYPES:
        return value
    if kind is int:
        if not INT_MIN <= value <= INT_MAX:
            raise ValueError("integer beyond 64 bits")
        return value
    if kind is list or kind is tuple:
        return [_ordered(item, depth + 1, foreign=foreign) for item in value]
    if isinstance(value, Mapping):
        return _ordered_map(value, depth + 1, foreign=foreign)
    if kind is CBORTag:
        if not _has_place(value.tag, foreign=foreign):
            raise ValueError("a tag that has no place in the profile")
        return CBORTag(value.tag, _ordered(value.value, depth + 1, foreign=foreign))
    if kind is CBORSimpleValue:
        if 20 <= value.value <= 31:
            raise ValueError("not a simple value of its own")
        return value
    # Enumerations of integers and of text are what they count or spell.
    if isinstance(value, int):
        return _ordered(int(value), depth)
    if isinstance(value, str):
        return str.__str__(value)
    if foreign and kind is float and not math.isnan(value):
        return value
    raise ValueError(f"not a type of the CBOR profile: {kind.__name__}")


def _ordered_map(value: Mapping[Any, Any], depth: int, *, foreign: bool) -> dict[Any, Any]:
    pairs = []
    for key, item in value.items():
        plain = key if type(key) in _KEY_TYPES else _ordered(key, depth)
        if type(plain) not in _KEY_TYPES:
            raise ValueError("not a map key")
        pairs.append((dumps(plain), plain, _ordered(item, depth, foreign=foreign)))
    pairs.sort(key=_encoded_key)
    ordered = {key: item for _, key, item in pairs}
    if len(ordered) != len(pairs):
        raise ValueError("two keys that Python holds equal")
    return ordered


def _encoded_key(pair: tuple[bytes, Any, Any]) -> bytes:
    return pair[0]
