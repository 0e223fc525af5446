"""Files that people hand to each other: read with a cap, written whole or not at all.

A file is written under another name in the same folder, brought to the disk, and then given its name, so
that nobody ever reads half of one. What is there is never overwritten unless the caller says so.

    write_file(folder / "governor.pem", pem, mode=0o600)
    replace_file(folder / "audit.state", data)              # the old content or the new one
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from ledger.errors import LedgerError, StorageError

OWNER_ONLY: Final = 0o600
FOR_ALL: Final = 0o644
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def check_free(path: Path) -> None:
    """Raise LedgerError, code bad_input, where something of this name is there already."""
    if path.exists() or path.is_symlink():
        raise _taken(path)


def write_file(path: Path, data: bytes, *, mode: int = FOR_ALL) -> None:
    """Write a file that is not there yet.

    Raises:
        LedgerError: code bad_input, something of this name is there; it is left as it is.
        StorageError: it cannot be written; nothing of it is there.
    """
    check_free(path)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(aside, _NEW_FILE, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)  # unlike a rename, this never replaces a file that came in between
        sync_directory(path.parent)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise StorageError(f"{path} cannot be written", field="file") from error
    finally:
        aside.unlink(missing_ok=True)


def replace_file(path: Path, data: bytes, *, mode: int = FOR_ALL) -> None:
    """Write a file, in place of an older one of this name.

    Raises:
        StorageError: it cannot be written; an older file is then still there.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(aside, _NEW_FILE, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StorageError(f"{path} cannot be written", field="file") from error
    finally:
        aside.unlink(missing_ok=True)


def read_file(path: Path, *, max_size: int, field: str) -> bytes:
    """Return the content of a file.

    Raises:
        StorageError: code not_found; otherwise it cannot be read.
        LedgerError: code too_large, it has more than `max_size` bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_size + 1)
    except FileNotFoundError as error:
        raise StorageError(f"there is no file {path}", field=field, code="not_found") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be read", field=field) from error
    if len(data) > max_size:
        raise LedgerError("too_large", f"{path} has more than {max_size} bytes", field=field)
    return data


def read_text(path: Path, *, max_size: int, field: str) -> str:
    """Read a text in UTF-8; errors as `read_file`, and code bad_input for other bytes."""
    try:
        return read_file(path, max_size=max_size, field=field).decode("utf-8")
    except UnicodeDecodeError as error:
        raise LedgerError("bad_input", f"{path} is not a text in UTF-8", field=field) from error


def sync_directory(folder: Path) -> None:
    """Make a rename inside a folder durable, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _taken(path: Path) -> LedgerError:
    return LedgerError("bad_input", f"{path} is there already and is not overwritten", field="file")
