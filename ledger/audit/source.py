"""Where an audit reads from: a data directory or the address of a service.

A source is named by a text, so that a worker process can open it by itself. Nothing that a source says is
believed; the audit computes everything again from the entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Protocol

from ledger.audit.directory import DirectorySource
from ledger.core.merkle import HASH_SIZE
from ledger.core.pin import Pin
from ledger.core.tiles import (
    ENTRIES,
    MAX_BUNDLE_SIZE,
    TILE_WIDTH,
    TilePath,
    format_tile_path,
    parse_entry_bundle,
    tile_width,
)
from ledger.errors import ForkAlarm, MalformedError, StorageError
from ledger.store.engine import DATABASE_NAME
from ledger.store.rows import StoredCheckpoint

HTTP_TIMEOUT_S: Final = 30.0
MAX_NOTE_BYTES: Final = 65_536
_ENTRIES: Final = (
    "SELECT entry, chain FROM entries WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index"
)
_TILE: Final = "SELECT data FROM tiles WHERE level = ? AND n = ?"


class Source(Protocol):
    """A copy of a ledger."""

    def checkpoint(self) -> str:
        """Return the newest checkpoint note, cosignatures included."""

    def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
        """Return the entries [start, stop) and their stored chain values joined, empty where there are none.

        `start` is a multiple of 256; there are fewer entries where some are missing.
        """

    def tile(self, level: int, n: int, width: int, tree_size: int) -> bytes:
        """Return the first `width` hashes of a tile."""

    def first_misplaced(self, ids: Sequence[tuple[int, bytes]]) -> int | None:
        """Return the first (index, identity) that a stored index of statements has not; None without one."""

    def heads(self) -> Iterator[StoredCheckpoint] | None:
        """Return the stored heads by rising size, None where only the newest is shown."""

    def check_size(self, tree_size: int) -> None:
        """Raise ForkAlarm where the source stores more or fewer entries than this."""

    def check_rest(self, pin: Pin, statement_count: int) -> None:
        """Raise ForkAlarm where what the source stores beside its entries contradicts them."""

    def close(self) -> None:
        """Give back what the source holds."""


class HttpSource:
    """A service that answers the C2SP tlog-tiles paths."""

    def __init__(self, url: str) -> None:
        import httpx  # only an audit over HTTP needs it

        self._errors = httpx.HTTPError
        self._client = httpx.Client(base_url=url.rstrip("/") + "/", timeout=HTTP_TIMEOUT_S)

    def checkpoint(self) -> str:
        """Fetch the checkpoint."""
        try:
            return self._get("checkpoint", MAX_NOTE_BYTES).decode()
        except UnicodeDecodeError as error:
            raise ForkAlarm(
                "the checkpoint is not text", code="bad_checkpoint", field="checkpoint"
            ) from error

    def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
        """Fetch entry bundles; chain values are not published."""
        entries: list[bytes] = []
        for n in range(start // TILE_WIDTH, -(-min(stop, tree_size) // TILE_WIDTH)):
            width = tile_width(0, n, tree_size)
            data = self._get(format_tile_path(TilePath(ENTRIES, n, width)), MAX_BUNDLE_SIZE)
            try:
                entries += parse_entry_bundle(data, width)
            except MalformedError as error:
                raise ForkAlarm(
                    error.detail, field=error.field, code="bad_entry", index=n * TILE_WIDTH
                ) from error
        return entries, b""

    def tile(self, level: int, n: int, width: int, tree_size: int) -> bytes:
        """Fetch a tile."""
        return self._get(format_tile_path(TilePath(level, n, width)), TILE_WIDTH * HASH_SIZE)

    def first_misplaced(self, ids: Sequence[tuple[int, bytes]]) -> int | None:
        """Return None: a service publishes no index."""
        return None

    def heads(self) -> Iterator[StoredCheckpoint] | None:
        """Return None: a service shows its newest head only."""
        return None

    def check_size(self, tree_size: int) -> None:
        """Do nothing: there is nothing to compare."""

    def check_rest(self, pin: Pin, statement_count: int) -> None:
        """Do nothing: a service shows nothing but its entries, tiles and head."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _get(self, path: str, max_size: int) -> bytes:
        try:
            with self._client.stream("GET", path) as answer:
                if answer.status_code == 404:
                    raise StorageError(
                        "the service does not have what its checkpoint promises", field=path, code="not_found"
                    )
                if answer.status_code != 200:
                    raise StorageError("the service does not answer", field=path, code="not_reachable")
                data = bytearray()
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > max_size:
                        raise StorageError("the answer is too large", field=path, code="too_large")
                return bytes(data)
        except self._errors as error:
            raise StorageError("the service cannot be reached", field=path, code="not_reachable") from error


def open_source(name: str) -> Source:
    """Return the source that a name stands for: `http://...`, `https://...`, or a data directory.

    Raises:
        StorageError: code not_found if there is no ledger in the directory.
    """
    if name.startswith(("http://", "https://")):
        return HttpSource(name)
    if not (Path(name) / DATABASE_NAME).is_file():
        raise StorageError("there is no ledger in this directory", field="source", code="not_found")
    return DirectorySource(Path(name))


@contextmanager
def opened_source(name: str) -> Iterator[Source]:
    """Open a source and close it at the end."""
    with closing(open_source(name)) as source:
        yield source
