"""The files of a published ledger: in a folder, on a stick too, or at an address. C2SP tlog-tiles.

Nothing that is read is believed here. What fails for the moment at an address is asked for again.

    files = FolderFiles(Path("/media/stick/ledger"))
    data = read_tile(files, TilePath(0, 1, 16))
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from ledger.core.merkle import HASH_SIZE
from ledger.core.tiles import (
    ENTRIES,
    MAX_BUNDLE_SIZE,
    TILE_SIZE_BYTES,
    TILE_WIDTH,
    TilePath,
    format_entry_bundle,
    format_tile_path,
    parse_entry_bundle,
)
from ledger.errors import MalformedError, StorageError
from ledger.http_body import ASK_ENCODING, read_body

CHECKPOINT: Final = "checkpoint"
HTTP_TIMEOUT_S: Final = 30.0
TRIES: Final = 5
FIRST_WAIT_S: Final = 0.5
MAX_WAIT_S: Final = 30.0
"""The longest that a service may ask to be left alone before it is asked once more."""
_BUSY: Final = frozenset((408, 425, 429, 500, 502, 503, 504))


class Files(Protocol):
    """Where the files of a ledger are."""

    def get(self, path: str, max_size: int) -> bytes:
        """Return what is at a path.

        Raises:
            StorageError: code not_found; too_large, it has more than `max_size` bytes; otherwise it cannot be
                read.
        """

    def close(self) -> None:
        """Give back what is held."""


def read_tile(files: Files, path: TilePath) -> bytes:
    """Return a tile or entry bundle; of the full one, its beginning, where the partial one is gone.

    What is not of its form is returned as it is: whoever asked for it says what is wrong with it.

    Raises:
        StorageError: code not_found, there is neither; otherwise as `Files.get`.
    """
    limit = MAX_BUNDLE_SIZE if path.level == ENTRIES else TILE_SIZE_BYTES
    try:
        return files.get(format_tile_path(path), limit)
    except StorageError as error:
        if error.code != "not_found" or path.width == TILE_WIDTH:
            raise
        try:
            whole = files.get(format_tile_path(TilePath(path.level, path.index)), limit)
        except StorageError as other:
            raise (error if other.code == "not_found" else other) from other
    return _first_of(path, whole)


def _first_of(path: TilePath, whole: bytes) -> bytes:
    if path.level != ENTRIES:
        return whole[: path.width * HASH_SIZE] if len(whole) == TILE_SIZE_BYTES else whole
    try:
        return format_entry_bundle(parse_entry_bundle(whole, TILE_WIDTH)[: path.width])
    except MalformedError:
        return whole


class FolderFiles:
    """A published folder: a mirror, a web server's files, or a copy of either. Nothing is written there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, path: str, max_size: int) -> bytes:
        """Read a file; errors as `Files.get`."""
        try:
            # A pipe in the place of a file would let the reader wait for ever.
            handle = os.open(self._folder / path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _O_BINARY)
            with os.fdopen(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise StorageError("this is not a file", field=path)
                data = file.read(max_size + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise StorageError(
                "the copy does not have what its checkpoint promises", field=path, code="not_found"
            ) from None
        except OSError as error:
            raise StorageError("a file of the copy cannot be read", field=path) from error
        if len(data) > max_size:
            raise StorageError("a file of the copy is too large", field=path, code="too_large")
        return data

    def close(self) -> None:
        """Do nothing: no file stays open."""


class HttpFiles:
    """A service, or a published folder behind a web server. What fails for the moment is asked for again.

    Args:
        url: prefix of the paths.
        sleep: waits for so many seconds.
    """

    def __init__(self, url: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        import httpx  # only what reads an address needs it

        self._errors = httpx.TransportError
        self._other_errors = (httpx.HTTPError, httpx.InvalidURL, UnicodeError)
        self._sleep = sleep
        self._client = httpx.Client(
            base_url=url.rstrip("/") + "/",
            timeout=HTTP_TIMEOUT_S,
            headers=ASK_ENCODING,
            follow_redirects=False,
        )

    def get(self, path: str, max_size: int) -> bytes:
        """Fetch a file; errors as `Files.get`."""
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            wait_s = FIRST_WAIT_S * 2**attempt
            try:
                with self._client.stream("GET", path) as answer:
                    if answer.status_code in _BUSY and not last:
                        wait_s = max(wait_s, _asked_wait_s(answer))
                    else:
                        return _body(answer, path, max_size)
            except self._errors as error:
                # Who cannot be reached for the head is not there, or not at this address.
                if last or path == CHECKPOINT:
                    raise _unreachable(path) from error
            except self._other_errors as error:
                raise _unreachable(path) from error
            self._sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


_O_BINARY: Final = getattr(os, "O_BINARY", 0)


def _body(answer: Any, path: str, max_size: int) -> bytes:
    """Return the content of an answer, decompressed, and never more than `max_size` bytes of it."""
    if answer.status_code in (404, 410):
        detail = "the service does not have what its checkpoint promises"
        raise StorageError(detail, field=path, code="not_found")
    if answer.status_code != 200:
        raise StorageError("the service does not answer", field=path, code="not_reachable")
    return read_body(answer, max_size, field=path)


def _asked_wait_s(answer: Any) -> float:
    """Return the seconds that a service asks for; 0 where it names none, or a date."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), MAX_WAIT_S) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _unreachable(path: str) -> StorageError:
    return StorageError("the service cannot be reached", field=path, code="not_reachable")
