"""The pin: which one ledger a station or an auditor believes. docs/protocol.md, section 9.

Everything else (keys, issuers, witnesses) follows from the charter, so two values on paper are enough to
set up a station by hand.

>>> parse_pin(format_pin(Pin("ledger.example/one", bytes(32)))).origin
'ledger.example/one'
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import LedgerError

PIN_MAX_BYTES: Final = 4_096
_HEX_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ORIGIN: Final = re.compile(r"[A-Za-z0-9._~:/-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pin:
    """The one ledger that is believed: its origin, and the leaf hash of its charter (32 bytes)."""

    origin: str
    charter_hash: bytes


def parse_pin(data: bytes) -> Pin:
    """Read a pin file `{"origin": ..., "charter": <64 hex digits>}`.

    Raises:
        LedgerError: code bad_input, not JSON of exactly this form, or over 4,096 bytes.
    """
    value: Any = None
    try:
        if len(data) <= PIN_MAX_BYTES:
            value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise LedgerError("bad_input", "a pin is a JSON file", field="pin") from error
    match value:
        case {"origin": str(origin), "charter": str(charter)} if len(value) == 2:
            return make_pin(origin, charter)
    raise LedgerError("bad_input", "a pin has an origin and a charter", field="pin")


def make_pin(origin: str, charter_hex: str) -> Pin:
    """Return the pin of an origin and the charter's leaf hash in hex.

    Raises:
        LedgerError: code bad_input, an origin or a hash that is not one.
    """
    if not _ORIGIN.fullmatch(origin):
        raise LedgerError("bad_input", "an origin is a URL without scheme", field="origin")
    if not _HEX_HASH.fullmatch(charter_hex):
        raise LedgerError("bad_input", "a charter hash is 64 small hex digits", field="charter")
    return Pin(origin, bytes.fromhex(charter_hex))


def format_pin(pin: Pin) -> bytes:
    """Return the pin file; the inverse of `parse_pin`."""
    return json.dumps({"origin": pin.origin, "charter": pin.charter_hash.hex()}, indent=2).encode() + b"\n"
