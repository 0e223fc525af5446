"""Field grammars that several statements share: names, numbers, hashes.

Each `parse_` function takes a decoded CBOR value and returns it typed, or raises
`MalformedError` that names the field. Source: docs/safeconduct.cddl, section "names".

>>> parse_party("civil-1", field="iss")
'civil-1'
>>> parse_list_uri("sc:3/0", field="uri")
(3, 0)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ledger.errors import MalformedError

UINT53_MAX: Final = 2**53 - 1
"""Largest integer that every reader, a browser too, holds exactly."""
MAX_ORIGIN_BYTES: Final = 200
MAX_TITLE_CHARS: Final = 80
PLACES: Final = 131_072
"""Places of one status list."""

_PARTY = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?")
_ORIGIN = re.compile(r"[A-Za-z0-9._~:/-]{1,200}")
_SUBJECT = re.compile(r"[A-Za-z0-9_-]{16}")
# C0 and C1 controls, marks and overrides of direction, separators of lines, and characters of no width
# but U+200C and U+200D, which Persian and the scripts of India spell with.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_LIST_URI = re.compile(r"sc:([1-9][0-9]{0,6})/(0|[1-9][0-9]{0,6})")


def parse_party(value: Any, *, field: str) -> str:
    """Return an issuer id, authority or governor name: 1 to 32 of a-z, 0-9, dot, hyphen."""
    if not isinstance(value, str) or not _PARTY.fullmatch(value):
        raise MalformedError("not a name of 1 to 32 characters of a-z, 0-9, dot and hyphen", field=field)
    return value


def parse_origin(value: Any, *, field: str) -> str:
    """Return a ledger origin: a schema-less URL of 1 to 200 characters (C2SP tlog-checkpoint)."""
    if not isinstance(value, str) or not _ORIGIN.fullmatch(value):
        raise MalformedError("not a schema-less URL of 1 to 200 characters", field=field)
    return value


def parse_subject(value: Any, *, field: str) -> str:
    """Return the `sub` of a credential: base64url of 12 random bytes, 16 characters."""
    if not isinstance(value, str) or not _SUBJECT.fullmatch(value):
        raise MalformedError("not 16 characters of base64url", field=field)
    return value


def parse_title(value: Any, *, field: str) -> str:
    """Return a title for people: 1 to 80 characters, no control characters of lines or of direction.

    The characters that are refused are counted out, and not asked of Python's table of Unicode, which
    changes from version to version: two readers of one ledger must agree for ever.
    """
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TITLE_CHARS or not is_seen(value):
        raise MalformedError("not 1 to 80 characters that can be seen", field=field)
    return value


def is_seen(text: str) -> bool:
    """Tell whether a text has none of the characters that a title must not have (docs/protocol.md section 3)."""
    return not _UNSEEN.search(text)


def parse_uint(value: Any, *, field: str, low: int = 0, high: int = UINT53_MAX) -> int:
    """Return an integer in [low, high]."""
    if type(value) is not int or not low <= value <= high:
        raise MalformedError(f"not an integer from {low} to {high}", field=field)
    return value


def parse_bytes(value: Any, size_bytes: int, *, field: str) -> bytes:
    """Return a byte string of exactly `size_bytes`."""
    if type(value) is not bytes or len(value) != size_bytes:
        raise MalformedError(f"not {size_bytes} bytes", field=field)
    return value


def parse_text(value: Any, *, field: str, max_bytes: int) -> str:
    """Return a text of 1 to `max_bytes` bytes of UTF-8, as `tstr .size` counts."""
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= max_bytes:
        raise MalformedError(f"not a text of 1 to {max_bytes} bytes", field=field)
    return value


def parse_list_uri(value: Any, *, field: str) -> tuple[int, int]:
    """Return (issuer number, list number) of a status list URI `sc:<issuer number>/<list number>`."""
    match = _LIST_URI.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise MalformedError("not a status list URI", field=field)
    return int(match[1]), int(match[2])


def format_list_uri(issuer_number: int, list_number: int) -> str:
    """Return the URI of a status list."""
    return f"sc:{issuer_number}/{list_number}"


def parse_map(
    value: Any, required: Sequence[int], *, optional: Sequence[int] = (), field: str
) -> Mapping[Any, Any]:
    """Return a map whose keys are all of `required`, any of `optional` and no other."""
    if not isinstance(value, dict) or any(type(key) is not int for key in value):
        raise MalformedError("not a map with integer keys", field=field)
    keys = set(value)
    if not set(required) <= keys <= set(required) | set(optional):
        raise MalformedError("keys missing or unknown", field=field)
    return value


def parse_array(value: Any, *, field: str, low: int, high: int) -> list[Any]:
    """Return an array of `low` to `high` items."""
    if not isinstance(value, list) or not low <= len(value) <= high:
        raise MalformedError(f"not an array of {low} to {high} items", field=field)
    return value
