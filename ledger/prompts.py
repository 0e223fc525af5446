"""The passphrase of a private key: from a file, from the environment, or typed unseen.

In this order: `--passphrase-file`, SAFECONDUCT_PASSPHRASE, a hidden prompt. It is asked for only when a key
is made or opened, and never shown.

    signer = open_private_key(path, passphrase_from(None, "the governor's key"))
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import typer

from ledger.errors import LedgerError
from ledger.files import read_file

ENVIRONMENT_VARIABLE: Final = "SAFECONDUCT_PASSPHRASE"
MIN_CHARACTERS: Final = 8
_MAX_BYTES: Final = 1023


def passphrase_from(file: Path | None, what: str, *, new: bool = False) -> Callable[[], bytes]:
    """Return a function that gives the passphrase when it is needed.

    Args:
        file: the file that holds it, or None.
        what: what it opens, for the prompt.
        new: it is asked for twice, and must have at least 8 characters.

    The function raises LedgerError: code not_found for a missing file, bad_input for a passphrase that is
    too short or too long.
    """

    def ask() -> bytes:
        secret = _given(file, what, new=new)
        if new and len(secret.decode("utf-8", "replace")) < MIN_CHARACTERS:
            raise LedgerError(
                "bad_input", f"a passphrase has at least {MIN_CHARACTERS} characters", field="passphrase"
            )
        if len(secret) > _MAX_BYTES:
            raise LedgerError("bad_input", f"a passphrase has at most {_MAX_BYTES} bytes", field="passphrase")
        return secret

    return ask


def _given(file: Path | None, what: str, *, new: bool) -> bytes:
    if file is not None:
        return read_file(file, max_size=_MAX_BYTES + 2, field="passphrase-file").rstrip(b"\r\n")
    given = os.environ.get(ENVIRONMENT_VARIABLE)
    if given is not None:
        return given.encode()
    typed: str = typer.prompt(f"Passphrase of {what}", hide_input=True, confirmation_prompt=new)
    return typed.encode()
