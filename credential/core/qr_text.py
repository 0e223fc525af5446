"""The text in a QR code: a credential, or the slip with a card's seal keys.

`SC1:` and Base45 (RFC 9285) of the credential's CBOR, uncompressed (docs/protocol.md, section 6): only
characters of the alphanumeric mode, so a scanner that returns text cannot spoil it. The slip is `SCK1:`
and Base45 of the CBOR array `[sub, {group: key}]`. Texts of other systems are recognised by their look,
so that a worker reads "this is a vaccination certificate" and not "unreadable".

>>> parse_qr_text(format_qr_text(b"\\xd2\\x84")) == b"\\xd2\\x84"
True
>>> recognise("HC1:6BFOXN")
'eu_health_certificate'
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from credential.core import base45
from ledger.core import cbor
from ledger.errors import MalformedError

PREFIX: Final = "SC1:"
SEAL_KEY_PREFIX: Final = "SCK1:"
TEXT_MAX_CHARACTERS: Final = 4296
"""What a QR code of version 40-L holds in alphanumeric mode."""
GROUPS_MAX: Final = 16
KEY_BYTES: Final = 32

_SUB: Final = re.compile(r"[A-Za-z0-9_-]{16}")
_GROUP: Final = re.compile(r"[a-z0-9_-]{1,32}")
_SLIP_MAX_BYTES: Final = 2048
_URL: Final = re.compile(r"(?:https?://|www\.)", re.IGNORECASE)
_OF_BASE45: Final = re.compile(r"[0-9A-Z $%*+\-./:]{6,}")
_OURS: Final = frozenset(("credential", "seal_keys", "challenge", "frame"))
_STARTS: Final = (
    (PREFIX, "credential"),
    (SEAL_KEY_PREFIX, "seal_keys"),
    ("SCN1:", "challenge"),
    ("SCF1:", "frame"),
    ("HC1:", "eu_health_certificate"),
    ("SHC:/", "smart_health_card"),
    ("MDOC:", "mobile_document"),
    ("OPENID4VP:", "wallet_request"),
    ("OPENID-CREDENTIAL-OFFER:", "wallet_offer"),
    ("WIFI:", "wifi"),
    ("BEGIN:VCARD", "contact"),
    ("MECARD:", "contact"),
    ("TEL:", "contact"),
    ("MAILTO:", "contact"),
    ("GEO:", "place"),
)


@dataclass(frozen=True, slots=True)
class SealKeys:
    """A slip: the keys that open the sealed parts of one card.

    Attributes:
        sub: the card, 16 base64url characters.
        keys: group of claims -> 32-byte key; 1 to 16 groups, names of a-z, 0-9, "-" and "_".
    """

    sub: str
    keys: Mapping[str, bytes]


def format_qr_text(data: bytes) -> str:
    """Return the text of a credential's QR code.

    Raises:
        ValueError: the text would be longer than any QR code holds (4,296 characters).
    """
    return _fitting(PREFIX + base45.encode(data))


def parse_qr_text(text: str) -> bytes:
    """Return the bytes of a credential's QR code.

    Raises:
        MalformedError: more than 4,296 characters (code too_large); another prefix (code unsupported,
            the field being what `recognise` says of it); not Base45.
    """
    return _content(text, PREFIX)


def format_seal_keys(slip: SealKeys) -> str:
    """Return the text of the slip with a card's seal keys.

    Raises:
        ValueError: a part of the slip is not as `SealKeys` describes it.
    """
    fault = _fault_of(slip)
    if fault:
        raise ValueError(fault)
    return _fitting(SEAL_KEY_PREFIX + base45.encode(cbor.encode([slip.sub, dict(slip.keys)])))


def parse_seal_keys(text: str) -> SealKeys:
    """Return the seal keys of a slip.

    Raises:
        MalformedError: as `parse_qr_text` for the text; CBOR that is not exactly
            `[sub, {group: key}]` with parts as `SealKeys` describes them.
    """
    data = _content(text, SEAL_KEY_PREFIX)
    value = cbor.decode(data, max_size=_SLIP_MAX_BYTES, field="seal_keys")
    if type(value) is not list or len(value) != 2 or type(value[1]) is not dict:
        raise MalformedError("a slip is a subject and a map of keys", field="seal_keys")
    slip = SealKeys(value[0], value[1])
    fault = _fault_of(slip)
    if fault:
        raise MalformedError(fault, field="seal_keys")
    return slip


def recognise(text: str) -> str:
    """Say what a scanned text looks like, judging by its beginning only.

    Returns:
        "credential", "seal_keys", "challenge", "frame", "eu_health_certificate", "smart_health_card",
        "mobile_document", "wallet_request", "wallet_offer", "wifi", "contact", "place", "url",
        "visible_digital_seal", "claim_169" (a MOSIP identity code), "number" or "unknown".
    """
    head = text[:64]
    for start, name in _STARTS:
        # Our own prefixes are exact; the schemes of others come in any case.
        if head.startswith(start) or (name not in _OURS and head.upper().startswith(start)):
            return name
    if _URL.match(head):
        return "url"
    if head.startswith("{") and '"hdr"' in text[:200]:
        return "visible_digital_seal"
    if head.isascii() and head.isdigit():
        return "number"
    if _looks_like_zlib_in_base45(head):
        return "claim_169"
    return "unknown"


def _looks_like_zlib_in_base45(head: str) -> bool:
    # Claim 169 has no prefix: Base45 of a zlib stream, which begins with 0x78 and a check of 5 bits.
    if not _OF_BASE45.fullmatch(head):
        return False
    try:
        first, second = base45.decode(head[:3])
    except MalformedError:
        return False
    return first == 0x78 and (first << 8 | second) % 31 == 0


def _content(text: str, prefix: str) -> bytes:
    if len(text) > TEXT_MAX_CHARACTERS:
        raise MalformedError("longer than any QR code", field="text", code="too_large")
    if not text.startswith(prefix):
        raise MalformedError("a code of another kind", field=recognise(text), code="unsupported")
    return base45.decode(text[len(prefix) :])


def _fitting(text: str) -> str:
    if len(text) > TEXT_MAX_CHARACTERS:
        raise ValueError("longer than any QR code")
    return text


def _fault_of(slip: SealKeys) -> str:
    """Return what is wrong with a slip, or an empty text."""
    if type(slip.sub) is not str or not _SUB.fullmatch(slip.sub):
        return "a subject is 16 base64url characters"
    if not 1 <= len(slip.keys) <= GROUPS_MAX:
        return "a slip has 1 to 16 keys"
    if not all(type(group) is str and _GROUP.fullmatch(group) for group in slip.keys):
        return "a group has a short name of small letters"
    if not all(type(key) is bytes and len(key) == KEY_BYTES for key in slip.keys.values()):
        return "a seal key is 32 bytes"
    return ""
