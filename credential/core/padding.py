"""Padding of sealed values: the length of a sealed part says nothing about what is in it.

docs/protocol.md, section 6, "Padding", and `padded` in docs/safeconduct.cddl. The value of a disclosure
that is printed sealed is `[value, padding]`. The padding brings the whole encoded disclosure to a multiple of
its claim's bucket, a number in the profile. A value that is not known is null and padded like any other.

Every byte of padding is 0xff. Zeros would do as well on paper, but a disclosure that is opened stands in a
code as it is, and 47 zeros in a row are a block of a QR symbol that an encoder in use cannot handle.

One byte string cannot have every length: with its head it takes 1 to 24 bytes, then 26 and more. Where one
would step over the length that is wanted, two stand in its place, the first of them empty.

>>> format_padded(None, "sex", 32)
[None, b'\\xff\\xff\\xff\\xff\\xff\\xff\\xff']
>>> parse_padded(format_padded(1, "sex", 32), "sex")
1
"""

from __future__ import annotations

from typing import Any, Final

from credential.core.disclosure import SALT_BYTES
from ledger.core import cbor
from ledger.errors import MalformedError

_FILL: Final = b"\xff"
_FRAME_BYTES: Final = 1 + 1 + SALT_BYTES + 1
"""Heads of the disclosure, of its salt and of the padded value, and the salt."""


def format_padded(value: Any, key: str, bucket_bytes: int) -> list[Any]:
    """Return the padded value of a claim; the inverse of `parse_padded`.

    Args:
        value: what is attested, None where nothing is.
        key: the claim's key.
        bucket_bytes: the disclosure's length becomes the smallest multiple of it that holds everything.

    Raises:
        ValueError: a bucket of no bytes, or a value that CBOR cannot encode.
    """
    if bucket_bytes < 1:
        raise ValueError("a bucket has at least one byte")
    fixed_bytes = _FRAME_BYTES + len(cbor.encode(value)) + len(cbor.encode(key))
    return [value, *_padding(bucket_bytes - fixed_bytes % bucket_bytes)]


def parse_padded(padded: object, field: str) -> Any:
    """Return the value of a padded claim, None where nothing is attested.

    The bucket is the issuer's choice, which the digest fixes; it is not checked again.

    Raises:
        MalformedError: not an array of a value and one or two byte strings, of two the first empty, or
            padding with a byte that is not 0xff.
    """
    match padded:
        case [value, bytes(padding)]:
            pass
        case [value, b"", bytes(padding)]:
            pass
        case _:
            raise MalformedError("a sealed value stands with its padding", field=field)
    if padding.strip(_FILL):
        raise MalformedError("every byte of padding is 0xff", field=field)
    return value


def _padding(size_bytes: int) -> list[bytes]:
    """Return one or two byte strings that together take so many bytes with their heads, at least 1."""
    for head_bytes in (1, 2, 3):
        padding = _FILL * (size_bytes - head_bytes)
        if len(cbor.encode(padding)) == size_bytes:
            return [padding]
    return [b"", *_padding(size_bytes - 1)]
