"""Base45 (RFC 9285): the text of a QR code in alphanumeric mode, 3 characters for 2 bytes.

Two bytes are one number `n = c + 45 d + 2025 e`, written least significant digit first; a last single
byte is two characters. Decoding is strict: no other characters, no length of the form 3k + 1, no group
of three above 65535, no group of two above 255. With these rules every byte string has exactly one text.

Speed: a scan decodes about 900 characters, and a loop over 300 groups would cost more than a third of
the signature check. So all groups are computed at once as *lanes* of one big integer: the text itself,
digit for digit, is a number with one group per 24-bit lane, and a multiplication by 45 multiplies every
lane, because no lane ever overflows.

>>> encode(b"AB"), decode("QED8WEX0")
('BB8', b'ietf!')
"""

from __future__ import annotations

from typing import Final

from ledger.errors import MalformedError

ALPHABET: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

_DIGIT_OF: Final = bytes(ALPHABET.find(c) if c in ALPHABET else 255 for c in range(256))
_CHARACTER_OF: Final = ALPHABET + bytes(256 - len(ALPHABET))

# Decoding: 3 bytes a lane, the largest value is 44 + 45 * 44 + 2025 * 44 = 91124 < 2**24.
_CACHED_LANES: Final = 4296 // 3
_LOW_OF_3: Final = int.from_bytes(b"\x00\x00\xff" * _CACHED_LANES, "big")
_HIGH_OF_3: Final = _LOW_OF_3 << 16

# Encoding: 5 bytes a lane. n // 2025 == (n * 66281) >> 27 for n < 65536 (product < 2**33), and
# n // 45 == (n * 1457) >> 16 for n < 2025; the tests check both for every n.
_LOW_OF_5: Final = int.from_bytes(b"\x00\x00\x00\x00\xff" * _CACHED_LANES, "big")


def decode(text: str | bytes) -> bytes:
    """Return the bytes that `text` stands for.

    Args:
        text: characters of the Base45 alphabet, nothing before or after them.

    Raises:
        MalformedError: a character outside the alphabet; a length of 3k + 1; a group of three above
            65535 or of two above 255 (RFC 9285, section 4.2).
    """
    try:
        raw = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise MalformedError("a character outside the Base45 alphabet", field="base45") from None
    digits = raw.translate(_DIGIT_OF)
    if b"\xff" in digits:
        raise MalformedError("a character outside the Base45 alphabet", field="base45")
    lanes, rest = divmod(len(raw), 3)
    if rest == 1:
        raise MalformedError("a Base45 text cannot have this length", field="base45")
    low, high = _LOW_OF_3, _HIGH_OF_3
    if lanes > _CACHED_LANES:
        low = int.from_bytes(b"\x00\x00\xff" * lanes, "big")
        high = low << 16
    groups = int.from_bytes(digits[: 3 * lanes], "big")
    values = (groups >> 16 & low) + 45 * (groups >> 8 & low) + 2025 * (groups & low)
    if values & high:
        raise MalformedError("a Base45 group of three is above 65535", field="base45")
    data = bytearray(values.to_bytes(3 * lanes, "big"))
    del data[0::3]
    if rest:
        last = digits[-2] + 45 * digits[-1]
        if last > 255:
            raise MalformedError("a Base45 group of two is above 255", field="base45")
        data.append(last)
    return bytes(data)


def encode(data: bytes) -> str:
    """Return the one Base45 text of `data` (3 characters for 2 bytes, 2 for a last single byte)."""
    lanes = len(data) // 2
    spread = bytearray(5 * lanes)
    spread[3::5] = data[0 : 2 * lanes : 2]
    spread[4::5] = data[1 : 2 * lanes : 2]
    low = _LOW_OF_5 if lanes <= _CACHED_LANES else int.from_bytes(b"\x00\x00\x00\x00\xff" * lanes, "big")
    numbers = int.from_bytes(spread, "big")
    e = numbers * 66281 >> 27 & low
    remainders = numbers - 2025 * e
    d = remainders * 1457 >> 16 & low
    c = remainders - 45 * d
    in_lanes = (c << 16 | d << 8 | e).to_bytes(5 * lanes, "big")
    digits = bytearray(3 * lanes)
    digits[0::3] = in_lanes[2::5]
    digits[1::3] = in_lanes[3::5]
    digits[2::3] = in_lanes[4::5]
    if len(data) % 2:
        digits += bytes((data[-1] % 45, data[-1] // 45))
    return digits.translate(_CHARACTER_OF).decode("ascii")
