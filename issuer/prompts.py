"""Secrets that a person types: the passphrase of the key, and the twelve words. Neither is ever shown.

The passphrase comes from `--passphrase-file`, from SAFECONDUCT_PASSPHRASE or from a hidden prompt, in this
order; the words from `--words-file` or from a hidden prompt.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import typer

from credential.core.holder import parse_words
from issuer.errors import InputError
from issuer.files import read_file

ENVIRONMENT_VARIABLE: Final = "SAFECONDUCT_PASSPHRASE"
_SECRET_FILE_MAX_BYTES: Final = 4096


def ask_passphrase(file: Path | None, *, confirm: bool = False) -> str:
    """Return the passphrase of the issuer's key; asked twice if it is a new one.

    Raises:
        IssuerError: not_found, the file is not there.
        InputError: the file is not UTF-8.
    """
    if file is not None:
        return _text_of(file, "passphrase-file").rstrip("\r\n")
    given = os.environ.get(ENVIRONMENT_VARIABLE)
    if given is not None:
        return given
    return str(typer.prompt("Passphrase of the issuer's key", hide_input=True, confirmation_prompt=confirm))


def ask_secret(file: Path | None) -> bytes:
    """Return the holder's 16 bytes from her twelve words.

    Raises:
        IssuerError: not_found, the file is not there.
        InputError: not twelve words of the list; no word is repeated.
        SecretError: the words do not belong together.
    """
    if file is not None:
        return parse_words(_text_of(file, "words-file"))
    return parse_words(str(typer.prompt("The bearer's 12 words", hide_input=True)))


def _text_of(file: Path, field: str) -> str:
    try:
        return read_file(file, field, max_size=_SECRET_FILE_MAX_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(field, "must be a text in UTF-8") from None
