"""The pin of a station is the ledger's: see ledger/core/pin.py."""

from ledger.core.pin import PIN_MAX_BYTES, Pin, format_pin, make_pin, parse_pin

__all__ = ["PIN_MAX_BYTES", "Pin", "format_pin", "make_pin", "parse_pin"]
