"""Deterministic CBOR: one value, one encoding, and a parser that takes nothing else.

Implements the core deterministic encoding of RFC 8949 section 4.2.1 as narrowed by docs/protocol.md
section 1: shortest integers, definite lengths, map keys in bytewise order of their encodings, no
duplicate keys, nesting of at most 16, no trailing bytes, no floats, no bignums. A tag always stays a
`CBORTag`; nothing is turned into a date, a set or a reference.

The parser checks each rule at the byte where it applies. That accepts exactly what a decoder that
re-encodes and compares would accept (the tests hold the two equal) and takes half the time. The value
types come from `cbor2`; its coder is not used, as it orders map keys by length first (RFC 7049), reads
many encodings of one value and takes tags apart.

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

import math
import struct
from collections.abc import Mapping
from typing import Any, Final

from cbor2 import CBORSimpleValue, CBORTag

from ledger.errors import MalformedError

__all__ = ["MAX_DEPTH", "REDACTED_KEYS", "CBORSimpleValue", "CBORTag", "decode", "encode"]

MAX_DEPTH: Final = 16
"""The most arrays, maps and tags that may enclose an item."""
REDACTED_KEYS: Final = CBORSimpleValue(59)
"""The map key `simple(59)`: digests of redacted claims (draft-ietf-spice-sd-cwt). Equals the integer 59
in Python; see the module text."""

_BIGNUM_TAGS: Final = frozenset((2, 3))
_KEY_TYPES: Final = frozenset((int, bytes, str, CBORSimpleValue))
# The first byte of an item: three bits of major type, five bits of argument.
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE, _TRUE, _NULL = 20, 21, 22
_FLOAT_FORMATS: Final = {25: ">e", 26: ">f", 27: ">d"}
# One byte for every head whose argument is below 24, at [major << 5 | argument].
_SHORT_HEADS: Final = tuple(bytes((first,)) for first in range(256))


def encode(value: Any) -> bytes:
    """Encode a value in the one deterministic form.

    Allowed: int from -2^64 to 2^64 - 1, str, bytes, bool, None, list, tuple, mapping, `CBORTag` and
    `CBORSimpleValue` (except 20 to 31, which are not simple values of their own).

    Raises:
        ValueError: any other type (floats above all), an integer out of range, a bignum tag, a key that
            is not int, str, bytes or simple value, nesting beyond `MAX_DEPTH`, or text that is not
            Unicode scalar values.

    Source: RFC 8949 section 4.2.1.
    """
    return _write(value, 0)


def decode(data: bytes, *, max_size: int, deterministic: bool = True, field: str = "cbor") -> Any:
    """Decode exactly one data item that fills `data`.

    Arrays become lists, maps dicts in the order of the bytes, tags `CBORTag`.

    Args:
        data: the encoded item.
        max_size: the most bytes accepted.
        deterministic: True for everything of our own: the bytes must be what `encode` gives. False only
            for tokens published by others: floats (not NaN), unsorted maps and integers or lengths that
            are not the shortest are let through.
        field: name of the part being parsed, for the error.

    Raises:
        MalformedError: code too_large if `data` is longer than `max_size`; otherwise code malformed:
            not well-formed, trailing bytes, indefinite length, duplicate or unusable map key, bignum,
            `undefined`, NaN, nesting beyond `MAX_DEPTH`, or (deterministic) not the one encoding.

    Source: RFC 8949 sections 4.2.1 and 5.3.1.
    """
    if len(data) > max_size:
        raise MalformedError(f"more than {max_size} bytes", field=field, code="too_large")
    try:
        value, end = _read(data, 0, 0, deterministic)
    except IndexError as error:
        raise MalformedError("the bytes end within an item", field=field) from error
    except ValueError as error:
        detail = "text is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise MalformedError(detail, field=field) from error
    if end != len(data):
        # An item that claims more bytes than there are moves the end beyond the data.
        detail = "trailing bytes" if end < len(data) else "the bytes end within an item"
        raise MalformedError(detail, field=field)
    return value


def _read(data: bytes, at: int, depth: int, deterministic: bool) -> tuple[Any, int]:
    """Read the item at `at`; return it and the place after it, which may lie beyond the data."""
    first = data[at]
    at += 1
    major = first >> 5
    argument = first & 0x1F
    if argument >= 24:
        if major == _SIMPLE:
            return _read_simple(data, at, argument, deterministic)
        argument, at = _read_argument(data, at, argument, deterministic)
    if major == _UNSIGNED:
        return argument, at
    if major == _BYTES:
        end = at + argument
        return data[at:end], end
    if major == _TEXT:
        end = at + argument
        return data[at:end].decode(), end
    if major == _NEGATIVE:
        return -1 - argument, at
    if major == _SIMPLE:
        return _short_simple(argument), at
    if depth == MAX_DEPTH and (argument or major == _TAG):
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if major == _MAP:
        return _read_map(data, at, argument, depth + 1, deterministic)
    if major == _TAG:
        if argument in _BIGNUM_TAGS:
            raise ValueError("bignum")
        value, at = _read(data, at, depth + 1, deterministic)
        return CBORTag(argument, value), at
    items = []
    for _ in range(argument):
        item, at = _read(data, at, depth + 1, deterministic)
        items.append(item)
    return items, at


def _read_argument(data: bytes, at: int, width: int, deterministic: bool) -> tuple[int, int]:
    """Read the argument that follows a first byte, and return it with the place after it."""
    if width == 24:
        argument = data[at]
        if deterministic and argument < 24:
            raise ValueError("integer or length is not the shortest")
        return argument, at + 1
    if width > 27:
        raise ValueError("indefinite length or reserved head")
    size = 1 << (width - 24)
    argument = int.from_bytes(data[at : at + size])
    if deterministic and not argument >> (4 * size):
        raise ValueError("integer or length is not the shortest")
    return argument, at + size


def _read_map(data: bytes, at: int, count: int, depth: int, deterministic: bool) -> tuple[Any, int]:
    items: dict[Any, Any] = {}
    previous = b""
    for _ in range(count):
        start = at
        key = data[at]
        if key < 24:  # the label itself: most keys of COSE and CWT take this one byte
            at += 1
        else:
            key, at = _read(data, at, depth, deterministic)
        if type(key) not in _KEY_TYPES:
            raise ValueError("not a map key")
        if deterministic:
            encoded = data[start:at]
            if encoded <= previous:
                raise ValueError("map keys out of order")
            previous = encoded
        if key in items:
            raise ValueError("duplicate map key")
        items[key], at = _read(data, at, depth, deterministic)
    return items, at


def _short_simple(argument: int) -> Any:
    if argument == _NULL:
        return None
    if argument < _FALSE:
        return CBORSimpleValue(argument)
    if argument > _NULL:
        raise ValueError("undefined")
    return argument == _TRUE


def _read_simple(data: bytes, at: int, argument: int, deterministic: bool) -> tuple[Any, int]:
    if argument == 24:
        if data[at] < 32:
            raise ValueError("not a simple value of its own")
        return CBORSimpleValue(data[at]), at + 1
    if deterministic or argument not in _FLOAT_FORMATS:
        raise ValueError("float, break or reserved head")
    end = at + (1 << (argument - 24))
    if end > len(data):
        raise IndexError
    (number,) = struct.unpack(_FLOAT_FORMATS[argument], data[at:end])
    if math.isnan(number):
        raise ValueError("NaN")
    return number, end


def _write(value: Any, depth: int) -> bytes:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    kind = type(value)
    if kind is bytes:
        content: bytes = value
        return _head(_BYTES, len(content)) + content
    if kind is int:
        return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
    if kind is str:
        text: bytes = value.encode()
        return _head(_TEXT, len(text)) + text
    if kind is list or kind is tuple:
        return _head(_ARRAY, len(value)) + b"".join([_write(item, depth + 1) for item in value])
    if kind is dict:
        return _write_map(value, depth + 1)
    if value is None:
        return b"\xf6"
    if kind is bool:
        return b"\xf5" if value else b"\xf4"
    return _write_rare(value, depth)


def _write_rare(value: Any, depth: int) -> bytes:
    if isinstance(value, CBORTag):
        if value.tag in _BIGNUM_TAGS:
            raise ValueError("bignum tag")
        return _head(_TAG, value.tag) + _write(value.value, depth + 1)
    if isinstance(value, CBORSimpleValue):
        if 20 <= value.value < 32:
            raise ValueError("not a simple value of its own")
        return _head(_SIMPLE, value.value)
    if isinstance(value, Mapping):
        return _write_map(value, depth + 1)
    # Enumerations of integers and of text are what they count or spell.
    if isinstance(value, int):
        return _write(int(value), depth)
    if isinstance(value, str):
        return _write(str.__str__(value), depth)
    raise ValueError(f"not a type of the CBOR profile: {type(value).__name__}")


def _write_map(items: Mapping[Any, Any], depth: int) -> bytes:
    parts = []
    for key, item in items.items():
        if type(key) not in _KEY_TYPES and (isinstance(key, bool) or not isinstance(key, int | str)):
            raise ValueError(f"not a map key: {type(key).__name__}")
        parts.append((_write(key, depth), _write(item, depth)))
    parts.sort()
    return _head(_MAP, len(parts)) + b"".join([part for pair in parts for part in pair])


def _head(major: int, argument: int) -> bytes:
    first = major << 5
    if argument < 24:
        return _SHORT_HEADS[first | argument]
    if argument < 0x100:
        return bytes((first | 24, argument))
    if argument < 0x10000:
        return bytes((first | 25, argument >> 8, argument & 0xFF))
    if argument < 0x100000000:
        return _SHORT_HEADS[first | 26] + argument.to_bytes(4)
    if argument < 0x10000000000000000:
        return _SHORT_HEADS[first | 27] + argument.to_bytes(8)
    raise ValueError("integer beyond 64 bits")
