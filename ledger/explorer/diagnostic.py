"""Diagnostic notation of an entry: its bytes as people read CBOR. RFC 8949 section 8, RFC 8610 appendix G.

The protected header and the payload of a COSE_Sign1 are byte strings that hold CBOR: they are shown opened,
between `<<` and `>>`.

>>> print(diagnose(bytes.fromhex("d28443a10126a0420102404100")[:-2]))
18([
  <<{
    1: -7
  }>>,
  {},
  h'0102',
  h''
])
>>> diagnose(b"\\xf6"), diagnose(b"\\xff")
('null', 'These bytes are not CBOR in the one form that the protocol allows.')
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ledger.core import cbor, cose
from ledger.core.statement import MAX_ENTRY_BYTES
from ledger.errors import MalformedError

_NOT_CBOR: Final = "These bytes are not CBOR in the one form that the protocol allows."
_INDENT: Final = "  "
_PROTECTED, _PAYLOAD = 0, 2


def diagnose(entry: bytes) -> str:
    """Return an entry of at most 65,535 bytes in diagnostic notation, one sentence where it is not CBOR."""
    try:
        value = cbor.decode(entry, max_size=MAX_ENTRY_BYTES)
    except MalformedError:
        return _NOT_CBOR
    if isinstance(value, cbor.CBORTag) and value.tag == cose.SIGN1_TAG and _is_sign1(value.value):
        items = [_opened(item, at, "") for at, item in enumerate(value.value)]
        return f"{value.tag}([\n" + ",\n".join(f"{_INDENT}{item}" for item in items) + "\n])"
    return _format(value, "")


def _is_sign1(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4


def _opened(item: Any, at: int, indent: str) -> str:
    """Return one of the four parts, opened where it is a byte string that holds a map."""
    inner = indent + _INDENT
    if at in (_PROTECTED, _PAYLOAD) and isinstance(item, bytes):
        try:
            value = cbor.decode(item, max_size=MAX_ENTRY_BYTES)
        except MalformedError:
            return _format(item, inner)
        if isinstance(value, Mapping):
            return f"<<{_format(value, inner)}>>"
    return _format(item, inner)


def _format(value: Any, indent: str) -> str:
    match value:
        case bytes():
            return f"h'{value.hex()}'"
        case str():
            return json.dumps(value)  # escapes everything that is not ASCII: marks of direction are seen
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case int():
            return str(value)
        case cbor.CBORTag():
            return f"{value.tag}({_format(value.value, indent)})"
        case cbor.CBORSimpleValue():
            return f"simple({value.value})"
        case Mapping():
            return _lines("{}", _rows(value.items(), indent), indent)
        case list() | tuple():
            return _lines("[]", [_format(item, indent + _INDENT) for item in value], indent)
        case _:
            return json.dumps(str(value))


def _rows(items: Iterable[tuple[Any, Any]], indent: str) -> list[str]:
    inner = indent + _INDENT
    return [f"{_format(key, inner)}: {_format(value, inner)}" for key, value in items]


def _lines(brackets: str, items: list[str], indent: str) -> str:
    if not items:
        return brackets
    inner = indent + _INDENT
    return brackets[0] + "\n" + ",\n".join(inner + item for item in items) + "\n" + indent + brackets[1]
