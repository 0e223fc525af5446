"""A folder of files as any web server gives them out: each whole or not there, immutable ones never changed.

A file is written aside (in `.part/`, on the same disk), brought to the disk and then given its name. Names
are brought to the disk by `settle`, folder by folder; whoever publishes settles the tiles before the
checkpoint that promises them. One process writes; any number read.

    with StaticFolder(Path("www")).held() as folder:
        folder.keep("tile/0/000.p/16", data)
        folder.settle()
        folder.replace("checkpoint", note)
        folder.settle()
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from filelock import FileLock, Timeout

from ledger.errors import ForkAlarm, StorageError
from ledger.files import FOR_ALL, sync_directory

ASIDE_NAME: Final = ".part"
PARTIAL_SUFFIX: Final = ".p"
_GUARD_NAME: Final = "writer.lock"
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class StaticFolder:
    """One folder; `held` makes it and keeps other writers out.

    Every method raises StorageError (storage_failed) where the disk does not do what it is asked.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._aside = root / ASIDE_NAME
        self._touched: set[Path] = set()

    @contextmanager
    def held(self) -> Iterator[Self]:
        """Be the only writer; what an interrupted writer left aside is removed.

        Raises:
            StorageError: code read_only, another process writes there.
        """
        with _disk("the folder cannot be made"):
            self._aside.mkdir(parents=True, exist_ok=True)
        guard = FileLock(self._aside / _GUARD_NAME, thread_local=False)
        try:
            guard.acquire(timeout=0)
        except Timeout as error:  # an OSError too, and no failure of the disk
            detail = "another process publishes into this folder; only one may"
            raise StorageError(detail, field="folder", code="read_only") from error
        except OSError as error:
            raise StorageError("the folder cannot be written", field="folder") from error
        try:
            with _disk("the folder cannot be written"):
                for path in self._aside.iterdir():
                    if path.name != _GUARD_NAME:
                        path.unlink()
            yield self
        finally:
            guard.release()

    def has(self, path: str) -> bool:
        """Return whether a file is there."""
        with _disk("a file cannot be read"):
            return (self.root / path).is_file()

    def read(self, path: str, *, max_size: int) -> bytes | None:
        """Return the content of a file, None where it is not there.

        Raises:
            StorageError: code too_large, it has more than `max_size` bytes.
        """
        target = self.root / path
        with _disk("a file cannot be read"):
            if not target.is_file():
                return None
            with target.open("rb") as file:
                data = file.read(max_size + 1)
        if len(data) > max_size:
            raise StorageError("a file is larger than any may be", field=path, code="too_large")
        return data

    def keep(self, path: str, data: bytes) -> bool:
        """Write a file that never changes; tell whether it is new.

        Raises:
            ForkAlarm: code bad_tile, a file with another content is there; it is left as it is.
        """
        target = self.root / path
        with _disk("a file cannot be read"):
            if not target.exists():
                self.replace(path, data)
                return True
            if target.stat().st_size != len(data) or target.read_bytes() != data:
                detail = "another content is published at this path; it is left as it is"
                raise ForkAlarm(detail, field=path, code="bad_tile")
        # Written by a run that was interrupted before it settled: nobody knows whether the name is.
        self._touch(target.parent)
        return False

    def replace(self, path: str, data: bytes) -> None:
        """Write a file, in place of one that is there."""
        target = self.root / path
        aside = self._aside / secrets.token_hex(8)
        with _disk("a file cannot be written"):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write(aside, data)
                aside.replace(target)
            except OSError:
                aside.unlink(missing_ok=True)
                raise
        self._touch(target.parent)

    def settle(self) -> None:
        """Bring the names of all that was written to the disk."""
        with _disk("a folder cannot be written"):
            while self._touched:
                sync_directory(next(iter(self._touched)))
                self._touched.pop()

    def drop_partials(self, older_than_s: float) -> int:
        """Remove the partial tiles whose full tile has been there since before a time; return how many.

        Args:
            older_than_s: seconds since 1970; the full tile is brought to the disk before.
        """
        removed = 0
        with _disk("a partial tile cannot be removed"):
            for folder in list((self.root / "tile").rglob(f"*{PARTIAL_SUFFIX}")):
                full = folder.with_name(folder.name.removesuffix(PARTIAL_SUFFIX))
                if not full.is_file() or full.stat().st_mtime > older_than_s:
                    continue
                for path in list(folder.iterdir()):
                    path.unlink()
                    removed += 1
                folder.rmdir()
        return removed

    def _touch(self, folder: Path) -> None:
        """Note that names in this folder, and the names of the folders above it, may not be on the disk yet."""
        while folder != self.root:
            self._touched.add(folder)
            folder = folder.parent
        self._touched.add(folder)


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, _NEW_FILE, FOR_ALL)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _disk(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or "the disk failed"
        raise StorageError(f"{what}: {reason}", field="folder") from error
