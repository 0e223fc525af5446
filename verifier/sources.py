"""Where a command reads from: codes in pictures, in text files, on standard input or typed; and times.

read_texts("photo.jpg"), read_texts("SC1:6BF...")
read_time("2026-11-22T10:00:00Z")
"""

from __future__ import annotations

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Final

from credential.core.challenge import CHALLENGE_PREFIX, Challenge, parse_challenge
from credential.core.key_binding import CNONCE_MAX_BYTES, CNONCE_MIN_BYTES
from credential.core.qr_text import PREFIX, SEAL_KEY_PREFIX, SealKeys, parse_seal_keys
from ledger.core.calendar_days import date_of_seconds
from ledger.errors import MalformedError, StorageError
from verifier.errors import StationError
from verifier.images import IMAGE_MAX_BYTES, read_codes

IMAGE_STARTS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")
_TYPED: Final = (PREFIX, SEAL_KEY_PREFIX, CHALLENGE_PREFIX)


def read_texts(source: str) -> list[str]:
    """Return the texts of the codes in one source: a code itself, an image or text file, - for standard input.

    Raises:
        StationError: code usage, there is no such file.
        StorageError: the file cannot be read.
        MalformedError: too large, or neither an image nor text.
    """
    text = source.strip()
    if text.upper().startswith(_TYPED):
        return [text]
    return texts_of(read_source(source))


def texts_of(data: bytes) -> list[str]:
    """Return the texts of the codes in the bytes of a file; errors as `read_texts`."""
    if data.startswith(IMAGE_STARTS):
        return read_codes(data)
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as error:
        raise MalformedError("neither an image nor text", field="image", code="unsupported") from error
    return [line.rstrip("\r") for line in lines if line.strip()]


def read_source(source: str) -> bytes:
    """Return the bytes of a file, or of standard input for -; errors as `read_texts`."""
    if source == "-":
        data = sys.stdin.buffer.read(IMAGE_MAX_BYTES + 1)
        if len(data) > IMAGE_MAX_BYTES:
            raise MalformedError("more than 8 MiB", field="image", code="too_large")
        return data
    return read_file(Path(source), IMAGE_MAX_BYTES)


def read_file(path: Path, max_size_bytes: int) -> bytes:
    """Return the bytes of a file; errors as `read_texts`.

    What was given is never repeated in an error: it may be a code that somebody pasted.
    """
    try:
        with path.open("rb") as file:  # a device or a pipe has no size to ask for beforehand
            data = file.read(max_size_bytes + 1)
    except FileNotFoundError as error:
        raise StationError("usage", "there is no such file, and it is no code", field="source") from error
    except (OSError, ValueError) as error:
        raise StorageError("the file cannot be read", field="source") from error
    if len(data) > max_size_bytes:
        raise MalformedError("the file is too large", field="file", code="too_large")
    return data


def read_slip(source: str) -> SealKeys:
    """Return the seal keys of a slip; errors as `read_texts`, and bad_input for several codes."""
    return parse_seal_keys(_one_text(source, "slip"))


def read_challenge(source: str) -> Challenge:
    """Return the challenge of a station; errors as `read_texts`, and bad_input for several codes."""
    return parse_challenge(_one_text(source, "challenge"))


def read_nonce(text: str) -> bytes:
    """Return the nonce of its hexadecimal digits.

    Raises:
        StationError: code usage, not 8 to 64 bytes in hexadecimal digits.
    """
    try:
        nonce = bytes.fromhex(text)
    except ValueError:
        nonce = b""
    if not CNONCE_MIN_BYTES <= len(nonce) <= CNONCE_MAX_BYTES:
        raise StationError("usage", "a nonce is 8 to 64 bytes in hexadecimal digits", field="nonce")
    return nonce


def read_time(at: str | None) -> int:
    """Return the seconds of a time, ISO 8601 with a zone or seconds since 1970; None is the clock of the device.

    Raises:
        StationError: code usage, not a time.
    """
    if at is None:
        return int(time.time())
    try:
        if at.isascii() and at.isdigit():
            date_of_seconds(int(at))  # refuses what lies beyond the year 9999
            return int(at)
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise StationError("usage", "a time needs a zone, such as Z", field="at")
        return int(moment.timestamp())
    except (ValueError, OverflowError, MalformedError) as error:
        raise StationError("usage", "a time is ISO 8601 or seconds since 1970", field="at") from error


def _one_text(source: str, field: str) -> str:
    texts = read_texts(source)
    if len(texts) != 1:
        raise StationError("bad_input", "give exactly one code", field=field)
    return texts[0]
