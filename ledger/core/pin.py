"""The pin: which one ledger somebody believes. docs/protocol.md, sections 3 and 9.

Everything else (keys, issuers, witnesses) follows from the charter, so two values on paper are enough to
set up a station, a desk or an auditor by hand.

>>> parse_pin(format_pin(Pin("ledger.example/one", bytes(32)))).origin
'ledger.example/one'
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from ledger.core.fields import parse_origin
from ledger.errors import MalformedError

PIN_MAX_BYTES: Final = 4_096
_HEX_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pin:
    """The one ledger that somebody believes: its origin, and the leaf hash of its charter (32 bytes)."""

    origin: str
    charter_hash: bytes


def parse_pin(data: bytes) -> Pin:
    """Read a pin file `{"origin": ..., "charter": <64 hex digits>}`.

    Raises:
        MalformedError: code bad_input, not JSON of exactly this form, or over 4,096 bytes.
    """
    value: Any = None
    try:
        if len(data) <= PIN_MAX_BYTES:
            value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedError("a pin is a JSON file", field="pin", code="bad_input") from error
    match value:
        case {"origin": str(origin), "charter": str(charter)} if len(value) == 2:
            return make_pin(origin, charter)
    raise MalformedError("a pin has an origin and a charter", field="pin", code="bad_input")


def make_pin(origin: str, charter_hex: str) -> Pin:
    """Return the pin of an origin and the charter's leaf hash in hex.

    Raises:
        MalformedError: code bad_input, an origin or a hash that is not one.
    """
    try:
        parse_origin(origin, field="origin")
    except MalformedError as error:
        raise MalformedError("an origin is a URL without scheme", field="origin", code="bad_input") from error
    if not _HEX_HASH.fullmatch(charter_hex):
        raise MalformedError("a charter hash is 64 small hex digits", field="charter", code="bad_input")
    return Pin(origin, bytes.fromhex(charter_hex))


def format_pin(pin: Pin) -> bytes:
    """Return the pin file; the inverse of `parse_pin`."""
    return json.dumps({"origin": pin.origin, "charter": pin.charter_hash.hex()}, indent=2).encode() + b"\n"
