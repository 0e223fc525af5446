"""Files that are there whole or not at all.

A desk loses power. Every file is written under another name in the same folder, brought to the disk and
then given its name, so that nobody ever reads half of one. Names of files say nothing about a person.

    write_new(folder / "key.pem", pem, mode=0o600)      # refuses to overwrite
    replace_file(folder / "AbC.case", data)             # the old content or the new one
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final

from issuer.errors import InputError, IssuerError

_PART: Final = re.compile(r"\.[0-9a-f]{16}\.part")
OWNER_ONLY: Final = 0o600
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def write_new(path: Path, data: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Write a file that is not there yet.

    Raises:
        InputError: something of this name is there; it is left as it is.
        IssuerError: storage_failed.
    """
    aside = _write_aside(path, data, mode)
    try:
        os.link(aside, path)  # unlike a rename, never replaces
    except FileExistsError:
        raise InputError(path.name, "is there already and is never overwritten") from None
    except OSError as error:
        raise _failed(path) from error
    finally:
        aside.unlink(missing_ok=True)
    _sync_folder(path.parent)


def replace_file(path: Path, data: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Write a file, in place of an older one of this name.

    Raises:
        IssuerError: storage_failed; an older file is then still there.
    """
    aside = _write_aside(path, data, mode)
    try:
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise _failed(path) from error
    _sync_folder(path.parent)


def read_file(path: Path, field: str, *, max_size: int) -> bytes:
    """Return the content of a file.

    Raises:
        IssuerError: not_found where there is no such file, too_large, storage_failed.
    """
    try:
        with path.open("rb") as handle:
            data = handle.read(max_size + 1)
    except FileNotFoundError:
        raise IssuerError("not_found", "there is no such file", field=field) from None
    except OSError as error:
        raise IssuerError("storage_failed", "the file cannot be read", field=field) from error
    if len(data) > max_size:
        raise IssuerError("too_large", f"the file has more than {max_size} bytes", field=field)
    return data


def make_folder(path: Path) -> None:
    """Make a folder for the owner only, unless it is there.

    Raises:
        IssuerError: storage_failed.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise IssuerError("storage_failed", "the folder cannot be made", field="folder") from error


def sweep_parts(folder: Path) -> None:
    """Delete what a write that was cut off left behind; call it where nobody else is writing.

    Raises:
        IssuerError: storage_failed.
    """
    try:
        for path in folder.glob(".*.part"):
            if _PART.fullmatch(path.name):
                path.unlink(missing_ok=True)
    except OSError as error:
        raise _failed(folder) from error


def _write_aside(path: Path, data: bytes, mode: int) -> Path:
    aside = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        handle = os.open(aside, _NEW_FILE, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise _failed(path) from error
    return aside


def _sync_folder(folder: Path) -> None:
    """Bring the name itself to the disk; Windows cannot open folders and needs no such step."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(path: Path) -> IssuerError:
    return IssuerError("storage_failed", f"{path.name} could not be written", field="file")
