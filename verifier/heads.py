"""Heads between stations: writing the own one as codes, reading another one, and saying how they stand.

A head is a checkpoint note (C2SP). It travels as a text file, as frames (credential/core/frames.py) in one
picture or several, or inside a whole list.

    Path("head.png").write_bytes(head_picture(trusted.checkpoint))
    judge_head(station, read_head([Path("photo.jpg").read_bytes()])).relation       # "same"
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from credential.core.frames import FRAME_PREFIX, HEAD_KIND, format_frames, join_frames
from credential.symbols import QUIET_ZONE_MODULES, QrSymbol, make_symbol, symbol_image, symbol_png
from ledger.core.bundle import parse_bundle
from ledger.errors import MalformedError, VerificationError
from verifier.core.heads import ComparedHead, compare_head, compare_list
from verifier.core.trusted_list import TrustedList
from verifier.errors import StationError
from verifier.images import read_codes
from verifier.sources import IMAGE_STARTS
from verifier.station import Station

_MAX_VERSION: Final = 25
_SCALE: Final = 4
"""Pixels a module: a code of version 25 is 500 pixels wide, six of them fit a phone's photo."""
_SCALES: Final = (_SCALE, 5, 3)
"""Of many codes in one picture a decoder misses some at one size and none at another."""
_SIGNATURES: Final = "\n\n\N{EM DASH} "
"""Between the text and the signatures of a C2SP signed note."""


@dataclass(frozen=True, slots=True)
class ReadHead:
    """A checkpoint note, and the bytes of the list that it came in, if it came in one; both unverified."""

    note: str
    bundle: bytes | None = None

    @property
    def origin(self) -> str:
        """The first line: whose head it says it is."""
        return self.note.split("\n", 1)[0]


@dataclass(frozen=True, slots=True)
class JudgedHead:
    """How another head stands to the list at hand.

    Attributes:
        relation: "same", "older", "newer", "unknown" (newer, and the list at hand cannot tell) or "fork".
        mine: the list at hand.
        compared: the other head.
        evidence: files that were kept of a fork.
    """

    relation: str
    mine: TrustedList
    compared: ComparedHead
    evidence: tuple[Path, ...]


def head_picture(note: str) -> bytes:
    """Return a PNG with all frames of a head, row by row, that has been read back.

    Raises:
        StationError: code too_large, so many witnesses have signed that one picture does not carry it.
    """
    symbols = _symbols(note)
    for scale in _SCALES:
        picture = _sheet(symbols, scale)
        with suppress(MalformedError):
            if read_head([picture]).note == note:
                return picture
    detail = "the head has too many signatures for one picture; give it as a file"
    raise StationError("too_large", detail, field="qr")


def _sheet(symbols: Sequence[QrSymbol], scale: int) -> bytes:
    side = (max(symbol.side_modules for symbol in symbols) + 2 * QUIET_ZONE_MODULES) * scale
    columns = math.ceil(math.sqrt(len(symbols)))
    rows = math.ceil(len(symbols) / columns)
    sheet = Image.new("1", (columns * side, rows * side), 1)
    for number, symbol in enumerate(symbols):
        row, column = divmod(number, columns)
        sheet.paste(symbol_image(symbol, scale), (column * side, row * side))
    out = io.BytesIO()
    sheet.save(out, format="PNG", optimize=False)
    return out.getvalue()


def head_pictures(note: str) -> list[bytes]:
    """Return a PNG for each frame of a head, for screens that are too small for all of them."""
    return [symbol_png(symbol, _SCALE) for symbol in _symbols(note)]


def _symbols(note: str) -> list[QrSymbol]:
    texts = format_frames(HEAD_KIND, note.encode())
    return [make_symbol(text, max_version=_MAX_VERSION) for text in texts]


def read_head(files: Sequence[bytes]) -> ReadHead:
    """Return the head of another station: a note, a list, or pictures or texts of all its frames.

    Raises:
        StationError: code bad_input, several files that are not parts of one head.
        MalformedError: none of these, or frames that are missing or of another message.
    """
    frames: list[str] = []
    for data in files:
        texts = _frames_in(data)
        if texts is None:
            if len(files) > 1:
                raise StationError("bad_input", "only frames may be given in several files", field="source")
            return _head_in(data)
        frames += texts
    kind, message = join_frames(frames)
    if kind != HEAD_KIND:
        raise MalformedError("the frames carry something else than a head", field="frame", code="unsupported")
    return ReadHead(_text_of(message))


def judge_head(station: Station, other: ReadHead) -> JudgedHead:
    """Compare the head of another station with the list at hand; a fork is kept as evidence.

    Raises:
        StationError: code bad_input, the ledger is not believed here or has not signed the head; no_bundle,
            there is no list at hand.
        BundleError: the list in which the head came does not verify.
        MalformedError: not a checkpoint.
        StorageError: the folder cannot be read or written.
    """
    ledger = station.ledger_of(other.origin)
    if ledger is None:
        detail = "a head of a ledger that this station does not believe"
        raise StationError("bad_input", detail, field="origin")
    mine = ledger.trusted()
    if mine is None:
        raise StationError("no_bundle", "no list is loaded", field="bundle")
    if other.bundle is not None:
        compared = compare_list(mine, other.note, other.bundle, ledger.pin())
    else:
        try:
            compared = compare_head(mine, other.note)
        except VerificationError as error:
            # Anybody can write a note with this origin; only what the log has signed is an alarm.
            detail = f"not a head that the list here knows the keys of: {error.detail}"
            raise StationError("bad_input", detail, field="head") from error
    is_fork, is_told = compared.relation == "fork", compared.relation != "newer" or other.bundle is not None
    evidence = ledger.keep_fork(other.note, other.bundle) if is_fork else []
    return JudgedHead(compared.relation if is_told else "unknown", mine, compared, tuple(evidence))


def _frames_in(data: bytes) -> list[str] | None:
    """Return the frames in a picture or a text file, None where the file is of another kind."""
    if data.startswith(IMAGE_STARTS):
        found = [text for text in read_codes(data, FRAME_PREFIX) if text.startswith(FRAME_PREFIX)]
        if not found:
            raise MalformedError("no code of a head is in the picture", field="image")
        return found
    if data.startswith(FRAME_PREFIX.encode()):
        return [line.rstrip("\r") for line in _text_of(data).split("\n") if line.strip()]
    return None


def _head_in(data: bytes) -> ReadHead:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    return ReadHead(text) if _SIGNATURES in text else ReadHead(parse_bundle(data).checkpoint, data)


def _text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MalformedError("a head is text", field="head") from error
