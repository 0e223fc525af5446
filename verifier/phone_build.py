"""The phone page as it was built: every file of it, read once, under the address that it is asked for.

`verifier/web/dist` is made by `scripts/web.py` or while a wheel is built, with `.br` and `.gz` beside each file that
gets smaller, and a stamp that is written last. A folder without the stamp is a build that was interrupted, and counts
as none. Nothing is looked up on the disk when a phone asks: what is not in the build has no address.

    page = load_page()
    page.files["index.html"].choose("br, gzip").body
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

STAMP_NAME: Final = "page.stamp"
"""Written by `scripts/web.py` after everything else."""
INDEX: Final = "index.html"
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
"""Content coding and ending of its file, best first."""
_HASHED: Final = re.compile(r"assets/[^/]+-[A-Za-z0-9_-]{8}\.[a-z0-9]+")
_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_UNKNOWN_TYPE: Final = "application/octet-stream"
_QUALITY_ZERO: Final = re.compile(r"q=0(?:\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Served:
    """One form of a file as it is sent: content coding, or "" for the file as it is, its bytes and their ETag."""

    coding: str
    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page.

    Attributes:
        content_type: with its character set where it is text.
        cache: the value of Cache-Control: for ever where its name holds its hash, else asked for again.
        forms: at least the file as it is, which is the last.
    """

    content_type: str
    cache: str
    forms: tuple[Served, ...]

    def choose(self, accept_encoding: str) -> Served:
        """Return the smallest form that a browser accepts.

        Args:
            accept_encoding: the header of the request, "" where there is none.
        """
        accepted = {
            coding.strip().lower()
            for coding, _, quality in (item.partition(";") for item in accept_encoding.split(","))
            if not _QUALITY_ZERO.fullmatch(quality.replace(" ", "").lower())
        }
        return next(form for form in self.forms if form.coding in accepted or not form.coding)


@dataclass(frozen=True, slots=True)
class BuiltPage:
    """A build of the page: its files by their path below `/phone/`, with `/` between folders."""

    files: dict[str, PageFile]


def load_page(folder: Path | None = None) -> BuiltPage | None:
    """Return the page that stands in the package, None where it was not built.

    Args:
        folder: of a build; for tests.

    Raises:
        OSError: a file of it cannot be read.
    """
    place = folder or Path(str(resources.files("verifier").joinpath("web", "dist")))
    if not (place / STAMP_NAME).is_file() or not (place / INDEX).is_file():
        return None
    found = {
        path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()
    }
    found.pop(STAMP_NAME)
    packed = {f"{name}{ending}" for name in found for _, ending in _ENCODINGS}
    return BuiltPage({name: _page_file(name, found) for name in found if name not in packed})


def _page_file(name: str, found: dict[str, bytes]) -> PageFile:
    forms = [(coding, found[name + ending]) for coding, ending in _ENCODINGS if name + ending in found]
    return PageFile(
        _TYPES.get(Path(name).suffix, _UNKNOWN_TYPE),
        _FOREVER if _HASHED.fullmatch(name) else _ASK_AGAIN,
        tuple(Served(coding, body, etag_of(body)) for coding, body in (*forms, ("", found[name]))),
    )


def etag_of(body: bytes) -> str:
    """Return the entity tag of some bytes: their SHA-256."""
    return f'"{hashlib.sha256(body).hexdigest()}"'


def is_fresh(if_none_match: str, etag: str) -> bool:
    """Return whether a browser that sent this header has the bytes of this tag already."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or "*" in tags
