"""Reading the files of a published ledger, from a folder or from an address. Nothing is believed here.

with address_files("https://ledger.example") as read:
    read("checkpoint", 65_536)
    tile_from(read, TilePath(0, 1, 16))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

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
from ledger.http_coding import check_coding
from ledger.publish.folder import StaticFolder

ReadFile: TypeAlias = Callable[[str, int], bytes | None]
"""(path, largest size in bytes) -> content, None where it is not there."""
TIMEOUT_S: Final = 60.0


def tile_from(read: ReadFile, path: TilePath) -> bytes:
    """Return a tile or entry bundle; of the full one, its beginning, where the partial one is gone.

    Raises:
        StorageError: code not_found, there is neither; otherwise as `read`.
    """
    limit = MAX_BUNDLE_SIZE if path.level == ENTRIES else TILE_SIZE_BYTES
    data = read(format_tile_path(path), limit)
    if data is None and path.width < TILE_WIDTH:
        whole = read(format_tile_path(TilePath(path.level, path.index)), limit)
        data = None if whole is None else _first_of(path, whole)
    if data is None:
        detail = "the copy does not have what its checkpoint promises"
        raise StorageError(detail, field=format_tile_path(path), code="not_found")
    return data


@contextmanager
def address_files(url: str) -> Iterator[ReadFile]:
    """Open an address; `read` raises StorageError not_reachable or too_large."""
    import httpx  # only what reads an address needs it

    with httpx.Client(base_url=url.rstrip("/") + "/", timeout=TIMEOUT_S) as client:

        def read(path: str, max_size: int) -> bytes | None:
            try:
                with client.stream("GET", path) as answer:
                    if answer.status_code == 404:
                        return None
                    if answer.status_code != 200:
                        detail = f"the address answered with status {answer.status_code}"
                        raise StorageError(detail, field=path, code="not_reachable")
                    check_coding(answer)
                    data = bytearray()
                    for part in answer.iter_bytes():
                        data += part
                        if len(data) > max_size:
                            raise StorageError("the answer is too large", field=path, code="too_large")
                    return bytes(data)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise StorageError("the address does not answer", field=path, code="not_reachable") from error

        yield read


def folder_files(root: Path) -> ReadFile:
    """Return a reader of a published folder; it raises StorageError."""
    folder = StaticFolder(root)
    return lambda path, max_size: folder.read(path, max_size=max_size)


def _first_of(path: TilePath, whole: bytes) -> bytes:
    if path.level != ENTRIES:
        return whole[: path.width * HASH_SIZE]
    try:
        return format_entry_bundle(parse_entry_bundle(whole, TILE_WIDTH)[: path.width])
    except MalformedError:
        return whole  # whoever asked for it says what is wrong with it
