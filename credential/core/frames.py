"""A message that is too large for one code, as the texts of several: on a screen, in turn, or in one picture.

docs/protocol.md, section 11, "Frames", and `frame` in docs/safeconduct.cddl. The message is deflated and cut
into parts of one length; each frame is `SCF1:` and Base45 of the CBOR array `[kind, id, number, count, part]`,
`id` being the first 8 bytes of the SHA-256 of the deflated message. Frames come in any order and more than
once. They are not signed: whoever joins them judges the message by its own signatures.

>>> texts = format_frames("head", b"example.com/log" * 90)
>>> frames = FrameSet()
>>> [frames.add(parse_frame(text)) for text in reversed(texts)]
[True]
>>> frames.kind, frames.message() == b"example.com/log" * 90
('head', True)
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import Any, Final

from credential.core import base45
from credential.core.qr_text import recognise
from ledger.core import cbor
from ledger.errors import MalformedError

FRAME_PREFIX: Final = "SCF1:"
HEAD_KIND: Final = "head"
"""Kind of a message that is a checkpoint note."""
DELTA_KIND: Final = "delta"
"""Kind of a message that is a delta, as the ledger gave it."""
BUNDLE_KIND: Final = "bundle"
"""Kind of a message that is a whole trust bundle, of a ledger that is small enough."""
PART_BYTES: Final = 900
"""Length of the parts of our own frames: version 25 at error correction M, which a cheap camera still reads."""
MAX_FRAMES: Final = 256
MAX_PART_BYTES: Final = 1400
MAX_MESSAGE_BYTES: Final = 128 * 1024
"""Largest message, inflated: a head with its signatures, or the changes of a day."""
ID_BYTES: Final = 8
_MAX_FRAME_BYTES: Final = MAX_PART_BYTES + 64
_MAX_CHARACTERS: Final = len(FRAME_PREFIX) + (_MAX_FRAME_BYTES + 1) // 2 * 3
_KIND: Final = re.compile(r"[a-z]{1,16}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        kind: what the message is, 1 to 16 small letters.
        message_id: 8 bytes, the same in all frames of a message.
        number: from 0.
        count: frames of the message, 1 to 256.
        part: 1 to 1,400 bytes of the deflated message.
    """

    kind: str
    message_id: bytes
    number: int
    count: int
    part: bytes


def format_frames(kind: str, message: bytes, part_bytes: int = PART_BYTES) -> list[str]:
    """Return the texts of a message's frames, in their order.

    Raises:
        ValueError: no such kind or length of parts, or a message that is empty, above 128 KiB or needs more
            than 256 frames.
    """
    deflated = zlib.compress(message, 9)
    parts = [deflated[start : start + part_bytes] for start in range(0, len(deflated), part_bytes)]
    message_id = hashlib.sha256(deflated).digest()[:ID_BYTES]
    if not 0 < len(message) <= MAX_MESSAGE_BYTES:
        raise ValueError("a message has 1 to 131072 bytes")
    frames = [Frame(kind, message_id, number, len(parts), part) for number, part in enumerate(parts)]
    for frame in frames:
        fault = _fault_of(frame)
        if fault:
            raise ValueError(fault)
    return [_format(frame) for frame in frames]


def parse_frame(text: str) -> Frame:
    """Return the frame of a text.

    Raises:
        MalformedError: another prefix (code unsupported, the field being what `recognise` says of it); longer
            than any frame (code too_large); not Base45, or CBOR that is not of the form of a frame.
    """
    if not text.startswith(FRAME_PREFIX):
        raise MalformedError("a code of another kind", field=recognise(text), code="unsupported")
    if len(text) > _MAX_CHARACTERS:
        raise MalformedError("longer than any frame", field="frame", code="too_large")
    data = base45.decode(text[len(FRAME_PREFIX) :])
    value: Any = cbor.decode(data, max_size=_MAX_FRAME_BYTES, field="frame")
    if type(value) is not list or len(value) != 5:
        raise MalformedError("a frame is an array of five", field="frame")
    frame = Frame(*value)
    fault = _fault_of(frame)
    if fault:
        raise MalformedError(fault, field="frame")
    return frame


class FrameSet:
    """The frames of one message, as they are read."""

    def __init__(self) -> None:
        self.kind: str | None = None
        self.count = 0
        self._message_id = b""
        self._parts: dict[int, bytes] = {}

    @property
    def missing(self) -> list[int]:
        """Numbers of the frames that have not been read; nobody knows them before the first frame."""
        return [number for number in range(self.count) if number not in self._parts]

    def add(self, frame: Frame) -> bool:
        """Take a frame; tell whether all are there now.

        Raises:
            MalformedError: it is of another message than the first one, or contradicts one that is there.
        """
        if self.kind is None:
            self.kind, self.count, self._message_id = frame.kind, frame.count, frame.message_id
        if (frame.kind, frame.count, frame.message_id) != (self.kind, self.count, self._message_id):
            raise MalformedError("a frame of another message", field="frame")
        if self._parts.setdefault(frame.number, frame.part) != frame.part:
            raise MalformedError("two frames of one number differ", field="frame")
        return not self.missing

    def message(self) -> bytes:
        """Return the message.

        Raises:
            MalformedError: frames are missing, the parts are not those that were cut (their lengths, or their
                hash is not the id), or they do not inflate to 1 to 131,072 bytes (code too_large above).
        """
        if not self._parts or self.missing:
            raise MalformedError(f"frames are missing: {self._named_missing()}", field="frame")
        parts = [self._parts[number] for number in range(self.count)]
        deflated = b"".join(parts)
        same = {len(part) for part in parts[:-1]} <= {len(parts[0])} and len(parts[-1]) <= len(parts[0])
        if not same or hashlib.sha256(deflated).digest()[:ID_BYTES] != self._message_id:
            raise MalformedError("the frames are not those of one message", field="frame")
        inflater = zlib.decompressobj()
        try:
            message = inflater.decompress(deflated, MAX_MESSAGE_BYTES + 1)
        except zlib.error as error:
            raise MalformedError("the message does not inflate", field="frame") from error
        if len(message) > MAX_MESSAGE_BYTES:
            raise MalformedError("larger than any message", field="frame", code="too_large")
        if not message or not inflater.eof or inflater.unused_data:
            raise MalformedError("the message is cut short or followed by other bytes", field="frame")
        return message

    def _named_missing(self) -> str:
        return ", ".join(f"{number + 1} of {self.count}" for number in self.missing[:8]) or "all"


def join_frames(texts: list[str]) -> tuple[str, bytes]:
    """Return (kind, message) of the texts of all frames of one message, in any order.

    Raises:
        MalformedError: as `parse_frame`, `FrameSet.add` and `FrameSet.message`.
    """
    frames = FrameSet()
    for text in texts:
        frames.add(parse_frame(text))
    message = frames.message()
    assert frames.kind is not None
    return frames.kind, message


def _format(frame: Frame) -> str:
    value = [frame.kind, frame.message_id, frame.number, frame.count, frame.part]
    return FRAME_PREFIX + base45.encode(cbor.encode(value))


def _fault_of(frame: Frame) -> str:
    """Return what is wrong with a frame, or an empty text."""
    if type(frame.kind) is not str or not _KIND.fullmatch(frame.kind):
        return "a kind is a word of small letters"
    if type(frame.message_id) is not bytes or len(frame.message_id) != ID_BYTES:
        return "an id has 8 bytes"
    if type(frame.count) is not int or type(frame.number) is not int:
        return "number and count are integers"
    if not 0 <= frame.number < frame.count <= MAX_FRAMES:
        return "a message has 1 to 256 frames, numbered from 0"
    if type(frame.part) is not bytes or not 1 <= len(frame.part) <= MAX_PART_BYTES:
        return "a part has 1 to 1400 bytes"
    return ""
