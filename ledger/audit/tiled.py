"""A ledger as its tlog-tiles: over HTTP, or a published folder of files, on a stick too. C2SP tlog-tiles.

Both have `checkpoint`, `tile/<level>/<index>` and `tile/entries/<index>`, uncompressed as far as files go. The
head is read first and the tiles of its tree afterwards, so that it does not matter if more is written meanwhile:
where a partial tile has made room for the full one, its first hashes are the same.

    source = TiledSource(FolderFiles(Path("/media/stick/ledger")))
    source.checkpoint()
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from ledger.core.merkle import HASH_SIZE
from ledger.core.pin import Pin
from ledger.core.tiles import (
    ENTRIES,
    MAX_BUNDLE_SIZE,
    TILE_SIZE_BYTES,
    TILE_WIDTH,
    TilePath,
    format_tile_path,
    parse_entry_bundle,
    tile_width,
)
from ledger.errors import ForkAlarm, MalformedError, StorageError
from ledger.http_coding import check_coding
from ledger.store.rows import StoredCheckpoint

CHECKPOINT: Final = "checkpoint"
MAX_NOTE_BYTES: Final = 65_536
HTTP_TIMEOUT_S: Final = 30.0
ANSWER_S: Final = 600.0
"""The longest that one answer may take, however steadily its bytes drip."""
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


class TiledSource:
    """A copy of a ledger of which nothing is there but its head, its tiles and its entry bundles."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def checkpoint(self) -> str:
        """Return the newest checkpoint note, cosignatures included."""
        try:
            return self._files.get(CHECKPOINT, MAX_NOTE_BYTES).decode()
        except UnicodeDecodeError as error:
            raise ForkAlarm("the checkpoint is not text", code="bad_checkpoint", field=CHECKPOINT) from error

    def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
        """Return entries; chain values are not published."""
        entries: list[bytes] = []
        for n in range(start // TILE_WIDTH, -(-min(stop, tree_size) // TILE_WIDTH)):
            path = TilePath(ENTRIES, n, tile_width(0, n, tree_size))
            data, width = self._get_tile(path, MAX_BUNDLE_SIZE)
            try:
                entries += parse_entry_bundle(data, width)[: path.width]
            except MalformedError as error:
                raise ForkAlarm(
                    error.detail, field=error.field, code="bad_entry", index=n * TILE_WIDTH
                ) from error
        return entries[: stop - start], b""

    def tile(self, level: int, n: int, width: int, tree_size: int) -> bytes:
        """Return the first `width` hashes of a tile."""
        data, found = self._get_tile(TilePath(level, n, width), TILE_SIZE_BYTES)
        # What is not of its size is given as it is: the audit says where it differs.
        return data[: width * HASH_SIZE] if len(data) == found * HASH_SIZE else data

    def _get_tile(self, path: TilePath, max_size: int) -> tuple[bytes, int]:
        """Return a tile or bundle with its width: the full one where the partial one is gone."""
        try:
            return self._files.get(format_tile_path(path), max_size), path.width
        except StorageError as error:
            if error.code != "not_found" or path.width == TILE_WIDTH:
                raise
            try:
                return self._files.get(
                    format_tile_path(replace(path, width=TILE_WIDTH)), max_size
                ), TILE_WIDTH
            except StorageError as other:
                raise (error if other.code == "not_found" else other) from other

    def first_misplaced(self, ids: Sequence[tuple[int, bytes]]) -> int | None:
        """Return None: no index is published."""
        return None

    def heads(self, above: int) -> Iterator[StoredCheckpoint] | None:
        """Return None: the newest head only is published."""
        return None

    def check_size(self, tree_size: int) -> None:
        """Do nothing: there is nothing to compare."""

    def check_rest(self, pin: Pin, statement_count: int) -> None:
        """Do nothing: nothing is published but entries, tiles and head."""

    def close(self) -> None:
        """Give back what the source holds."""
        self._files.close()


class FolderFiles:
    """A published folder: a mirror, a web server's files, or a copy of either. Nothing is written there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, path: str, max_size: int) -> bytes:
        """Read a file; errors as `Files.get`."""
        try:
            # A pipe in the place of a file would let the audit wait for ever.
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
        import httpx  # only an audit over HTTP needs it

        self._errors = httpx.TransportError
        self._other_errors = (httpx.HTTPError, httpx.InvalidURL)
        self._sleep = sleep
        headers = {"Accept-Encoding": "gzip, identity"}
        self._client = httpx.Client(
            base_url=url.rstrip("/") + "/", timeout=HTTP_TIMEOUT_S, headers=headers, follow_redirects=False
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
    check_coding(answer)
    data, until_s = bytearray(), time.monotonic() + ANSWER_S
    for part in answer.iter_bytes():
        data += part
        if time.monotonic() > until_s:
            raise StorageError("the answer does not end", field=path, code="not_reachable")
        if len(data) > max_size:
            raise StorageError("the answer is too large", field=path, code="too_large")
    return bytes(data)


def _asked_wait_s(answer: Any) -> float:
    """Return the seconds that a service asks for; 0 where it names none, or a date."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), MAX_WAIT_S) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _unreachable(path: str) -> StorageError:
    return StorageError("the service cannot be reached", field=path, code="not_reachable")
