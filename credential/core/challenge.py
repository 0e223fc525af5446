"""What a station shows to a holder's device: its name, and a nonce to be answered now.

docs/protocol.md, section 10, "Key binding", and `challenge` in docs/safeconduct.cddl. The text is `SCN1:` and
Base45 of the CBOR array `[aud, cnonce]`: one scan gives the device all that a presentation to this station
needs. A challenge says nothing about anybody and is used once.

>>> challenge = Challenge("hut-7", bytes(8))
>>> parse_challenge(format_challenge(challenge)) == challenge
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from credential.core import base45
from credential.core.key_binding import AUD_MAX_BYTES, CNONCE_MAX_BYTES, CNONCE_MIN_BYTES
from credential.core.qr_text import recognise
from ledger.core import cbor
from ledger.core.fields import is_seen
from ledger.errors import MalformedError

CHALLENGE_PREFIX: Final = "SCN1:"
NONCE_BYTES: Final = 16
"""Size of the nonces that stations of this version draw."""
_MAX_BYTES: Final = AUD_MAX_BYTES + CNONCE_MAX_BYTES + 8
_MAX_CHARACTERS: Final = len(CHALLENGE_PREFIX) + (_MAX_BYTES + 1) // 2 * 3


@dataclass(frozen=True, slots=True)
class Challenge:
    """The name of a station, 1 to 255 bytes of text that can be seen, and its nonce, 8 to 64 bytes."""

    aud: str
    cnonce: bytes


def format_challenge(challenge: Challenge) -> str:
    """Return the text of a challenge.

    Raises:
        ValueError: a name or a nonce that is not as `Challenge` describes it.
    """
    fault = _fault_of(challenge.aud, challenge.cnonce)
    if fault:
        raise ValueError(fault)
    return CHALLENGE_PREFIX + base45.encode(cbor.encode([challenge.aud, challenge.cnonce]))


def parse_challenge(text: str) -> Challenge:
    """Return the challenge of a text.

    Raises:
        MalformedError: another prefix (code unsupported, the field being what `recognise` says of it); longer
            than any challenge (code too_large); not Base45, or CBOR that is not `[aud, cnonce]`.
    """
    if not text.startswith(CHALLENGE_PREFIX):
        raise MalformedError("a code of another kind", field=recognise(text), code="unsupported")
    if len(text) > _MAX_CHARACTERS:
        raise MalformedError("longer than any challenge", field="challenge", code="too_large")
    data = base45.decode(text[len(CHALLENGE_PREFIX) :])
    value = cbor.decode(data, max_size=_MAX_BYTES, field="challenge")
    if type(value) is not list or len(value) != 2:
        raise MalformedError("a challenge is a name and a nonce", field="challenge")
    fault = _fault_of(*value)
    if fault:
        raise MalformedError(fault, field="challenge")
    return Challenge(*value)


def _fault_of(aud: object, cnonce: object) -> str:
    """Return what is wrong with a challenge, or an empty text."""
    if type(aud) is not str or not is_seen(aud) or not 1 <= len(aud.encode()) <= AUD_MAX_BYTES:
        return f"a station's name is a text of 1 to {AUD_MAX_BYTES} bytes that can be seen"
    if type(cnonce) is not bytes or not CNONCE_MIN_BYTES <= len(cnonce) <= CNONCE_MAX_BYTES:
        return f"a nonce is {CNONCE_MIN_BYTES} to {CNONCE_MAX_BYTES} bytes"
    return ""
