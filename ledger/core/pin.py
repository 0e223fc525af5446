"""The pin: which one ledger somebody believes. docs/protocol.md, sections 3 and 9.

Everything else (keys, issuers, witnesses) follows from the charter, so two values on paper are enough to
set up a station, a desk or an auditor by hand. A pin that is shipped with a station may carry the least tree
that the station ever takes for the newest.

Origins at `practice.invalid` are those of practice cards, whose keys everybody can make: no pin names one.

>>> parse_pin(format_pin(Pin("ledger.example/one", bytes(32)))).origin
'ledger.example/one'
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Final

from ledger.core.fields import parse_origin
from ledger.errors import MalformedError

PIN_MAX_BYTES: Final = 4_096
MAX_SIZE: Final = 2**53 - 1
PRACTICE_HOST: Final = "practice.invalid"
"""Host of the origins of practice cards; RFC 2606 keeps `.invalid` from ever being anybody's."""
_CELL_SIZE: Final = 16
_HEX_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LeastTree:
    """The tree that was known when a pin was shipped: its size, a multiple of 16, and its root (32 bytes)."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Pin:
    """The one ledger that somebody believes: its origin, the leaf hash of its charter (32 bytes), and the
    least tree of it that is used, or None.
    """

    origin: str
    charter_hash: bytes
    least: LeastTree | None = None

    def same_ledger(self, other: Pin) -> bool:
        """Return whether both are of one ledger, whatever the least tree."""
        return (self.origin, self.charter_hash) == (other.origin, other.charter_hash)


def parse_pin(data: bytes) -> Pin:
    """Read a pin file `{"origin": ..., "charter": <64 hex digits>}`, perhaps with `"least": {"size", "root"}`.

    Raises:
        MalformedError: code bad_input, not JSON of exactly this form, over 4,096 bytes, or of practice cards.
    """
    value: Any = None
    try:
        if len(data) <= PIN_MAX_BYTES:
            value = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedError("a pin is a JSON file", field="pin", code="bad_input") from error
    match value:
        case {"origin": str(origin), "charter": str(charter)} if len(value) == 2:
            return make_pin(origin, charter)
        case {
            "origin": str(origin),
            "charter": str(charter),
            "least": {"size": int(size), "root": str(root)} as least,
        } if len(value) == 3 and len(least) == 2 and type(size) is int:
            return replace(make_pin(origin, charter), least=_make_least(size, root))
    raise MalformedError("a pin has an origin and a charter", field="pin", code="bad_input")


def make_pin(origin: str, charter_hex: str) -> Pin:
    """Return the pin of an origin and the charter's leaf hash in hex.

    Raises:
        MalformedError: code bad_input, an origin or a hash that is not one, or the origin of practice cards.
    """
    try:
        parse_origin(origin, field="origin")
    except MalformedError as error:
        raise MalformedError("an origin is a URL without scheme", field="origin", code="bad_input") from error
    if is_practice(origin):
        raise MalformedError("practice cards are never believed", field="origin", code="bad_input")
    if not _HEX_HASH.fullmatch(charter_hex):
        raise MalformedError("a charter hash is 64 small hex digits", field="charter", code="bad_input")
    return Pin(origin, bytes.fromhex(charter_hex))


def is_practice(origin: str) -> bool:
    """Return whether an origin is one of practice cards, which nobody may believe.

    >>> is_practice("practice.invalid/deck"), is_practice("ledger.example/practice.invalid")
    (True, False)
    """
    host = re.split("[:/]", origin, maxsplit=1)[0].lower().rstrip(".")
    return host == PRACTICE_HOST or host.endswith("." + PRACTICE_HOST)


def format_pin(pin: Pin) -> bytes:
    """Return the pin file; the inverse of `parse_pin`."""
    value: dict[str, Any] = {"origin": pin.origin, "charter": pin.charter_hash.hex()}
    if pin.least is not None:
        value["least"] = {"size": pin.least.size, "root": pin.least.root.hex()}
    return json.dumps(value, indent=2).encode() + b"\n"


def _make_least(size: int, root_hex: str) -> LeastTree:
    if not _CELL_SIZE <= size <= MAX_SIZE or size % _CELL_SIZE or not _HEX_HASH.fullmatch(root_hex):
        raise MalformedError(
            "a least tree has a size, a multiple of 16, and a root", field="least", code="bad_input"
        )
    return LeastTree(size, bytes.fromhex(root_hex))
