"""Looks for anything of a card in what was left behind: files, databases, logs, in every spelling of its bytes.

A secret is looked for by its pieces of eight bytes, so that a part of it is found too: of 15 bytes that lie
together one of its pieces is among them whole. What is searched is read as it is, without zero bytes (UTF-16), with
every run of hexadecimal digits, of Base64 and of numbers below 256 turned back into bytes, and after decompression
where it is a stream of zlib or gzip. Digests of a card are secrets of it too: whoever has the card would know them
again. Pieces that say nothing of one card alone (they stand on several cards, or in the public list) do not count.

    traces = Traces({"00017": [b"SC1:6BF...", b"Zerfan"]}, public=[bundle])
    traces.search("profile/Default/History", data)     # [] or what was found, and of whom
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from credential.core.qr_text import PREFIX, parse_qr_text
from tests.support.browser_world import Card

PIECE: Final = 8
_HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2}){12,}")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{20,}")
_NUMBERS: Final = re.compile(rb"\d{1,3}(?:[^0-9a-zA-Z]{1,4}\d{1,3}){11,}")
"""As `[1,2,3]`, or `{"0":1,"1":2,"2":3}`, which is what JSON makes of bytes."""
_PACKED: Final = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
_UNPACKED_MAX_BYTES: Final = 4_000_000


@dataclass(frozen=True)
class Trace:
    """Something that was found: where, and of which secret."""

    place: str
    owner: str
    spelling: str


class Traces:
    """The pieces of all secrets, ready to be looked for."""

    def __init__(self, secrets: Mapping[str, Sequence[bytes]], *, public: Iterable[bytes] = ()) -> None:
        """Cut the secrets into pieces.

        Args:
            secrets: of each owner, the byte strings that must not be found.
            public: what may be found: lists, and cards that nobody was shown, whose form is that of all cards.
        """
        self._owners: dict[int, str] = {}
        for owner, values in secrets.items():
            for value in values:
                self._owners.update(dict.fromkeys(_view(value, 0), owner))
        # What two cards have in common, wherever it stands in them, says nothing of either.
        shared = {
            piece
            for owner, values in secrets.items()
            for value in values
            for piece in self._found(value)
            if self._owners[piece] != owner
        }
        for piece in shared:
            del self._owners[piece]
        for value in public:
            for piece in self._found(value):
                del self._owners[piece]
        assert self._owners, "nothing to look for"

    def search(self, place: str, data: bytes) -> list[Trace]:
        """Return what of the secrets is in the data."""
        return list(
            dict.fromkeys(
                Trace(place, self._owners[piece], spelling)
                for spelling, spelled in _spellings(data)
                for piece in self._found(spelled)
            )
        )

    def search_folder(self, folder: Path) -> list[Trace]:
        """Return what of the secrets is in any file below a folder, or in the name of one."""
        found = []
        for path in sorted(folder.rglob("*")):
            place = str(path.relative_to(folder))
            found += self.search(f"name of {place}", place.encode())
            if path.is_file() and not path.is_symlink():
                found += self.search(place, path.read_bytes())
        return found

    def _found(self, data: bytes) -> set[int]:
        """Return the pieces that stand in the data, at whatever place."""
        is_known = self._owners.__contains__
        return {piece for start in range(PIECE) for piece in filter(is_known, _view(data, start))}


def secrets_of(card: Card) -> list[bytes]:
    """Return what must not stay of a card: its texts, their bytes, and the words that are attested."""
    texts = [text for text in (card.text, card.back, card.slip) if text]
    words = [*(name.text for name in card.person.names), *(name.latin for name in card.person.names)]
    words += [card.person.birthplace, *(word for name in words for word in name.split())]
    found = [text.encode() for text in texts]
    found += [parse_qr_text(text) for text in texts if text.startswith(PREFIX)]
    found += [card.person.portrait] if card.person.portrait else []
    found += [hashlib.sha256(item).digest() for item in found]
    found += [word.encode() for word in words if len(word) >= PIECE]
    # Letters outside Latin-1 have no zero bytes in UTF-16.
    found += [word.encode("utf-16-le") for word in words if not word.isascii()]
    return found


def _view(data: bytes, start: int) -> memoryview:
    """The data from a place on as numbers of eight bytes; what is left over is left out."""
    end = start + max(0, len(data) - start) // PIECE * PIECE
    return memoryview(data)[start:end].cast("Q")


def _spellings(data: bytes) -> Iterator[tuple[str, bytes]]:
    for spelling, plain in (("as it is", data), *_encoded(data)):
        yield spelling, plain
        yield from _opened(spelling, plain)
    if b"\0" in data:
        yield from _encoded(data.replace(b"\0", b""))


def _opened(spelling: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """What the data holds in UTF-16 and in streams that are compressed."""
    if b"\0" in data:
        yield f"{spelling}, UTF-16", data.replace(b"\0", b"")
    for start in _PACKED.finditer(data):
        unpacked = _unpacked(memoryview(data)[start.start() :])
        if unpacked:
            yield f"{spelling}, compressed", unpacked


def _encoded(data: bytes) -> Iterator[tuple[str, bytes]]:
    runs = [match.group() for match in _HEX.finditer(data)]
    # Where a byte begins is not known either, among digits that stand in a longer run.
    yield "hexadecimal", b"\n".join(binascii.unhexlify(run) for run in runs)
    yield "hexadecimal", b"\n".join(binascii.unhexlify(run[1:-1]) for run in runs)
    plain = data.translate(_URL_SAFE)
    texts = [match.group() for match in _BASE64.finditer(plain)]
    for start in range(4):
        cut = (text[start : start + (len(text) - start) // 4 * 4] for text in texts)
        yield "Base64", b"\n".join(base64.b64decode(text) for text in cut)
    numbers = [
        [int(number) for number in re.findall(rb"\d+", run.group())] for run in _NUMBERS.finditer(data)
    ]
    for first, step in ((0, 1), (0, 2), (1, 2)):  # all, or every other one where places stand between them
        yield "numbers", b"\n".join(bytes(number & 0xFF for number in run[first::step]) for run in numbers)


def _unpacked(data: memoryview) -> bytes:
    try:
        return zlib.decompressobj(wbits=47).decompress(data, _UNPACKED_MAX_BYTES)
    except zlib.error:
        return b""
