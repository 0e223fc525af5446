"""The commands of a ledger's keys: `sc-ledger keys`.

    $ sc-ledger keys next data --only log
    $ sc-ledger govern propose --from https://ledger.example --out keys.action log-keys data/keys/next/log-keys.pub

docs/protocol.md section 3, verbs 13 and 14. The keys lie ready before governors decide on them; the service
signs with them from the epoch on in which the action holds.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from ledger.core.statement import MAX_ENTRY_BYTES
from ledger.errors import LedgerError
from ledger.files import read_file
from ledger.govern_files import parse_charter_file, words_of
from ledger.prompts import passphrase_from

app = typer.Typer(help="Prepare other keys of the ledger.", no_args_is_help=True)
_out: Final = Console(emoji=False, highlight=False, soft_wrap=True, markup=False)


@app.callback()
def keys() -> None:
    """Prepare other keys of the ledger."""


@app.command("next")
def keys_next(
    directory: Annotated[Path, typer.Argument(help="Directory of the ledger; its service may be running.")],
    only: Annotated[
        str,
        typer.Option(help="log: keys of checkpoints; service: keys of seals and receipts; both if absent."),
    ] = "",
    passphrase_file: Annotated[
        Path | None,
        typer.Option(help="File with the passphrase of the ledger's keys; else SAFECONDUCT_PASSPHRASE."),
    ] = None,
) -> None:
    """Prepare keys for a rotation: they sign from the epoch on in which the governors' action holds."""
    from ledger.service.key_ring import prepare_next_keys
    from ledger.service.keys import LOG_ROLES, ROLES, SERVICE_ROLES
    from ledger.service.settings import load_settings

    roles = {"": ROLES, "log": LOG_ROLES, "service": SERVICE_ROLES}.get(only)
    if roles is None:
        raise LedgerError("usage", "--only is log or service", field="only")
    settings = load_settings(directory)
    charter = parse_charter_file(read_file(settings.charter_path, max_size=MAX_ENTRY_BYTES, field="charter"))
    files = prepare_next_keys(
        settings.keys_dir,
        charter.body.origin,
        roles,
        secrets.token_bytes,
        passphrase_from(passphrase_file, "the ledger's keys"),
    )
    verbs = " ".join(f"{path.stem} {path}" for path in files)
    for path in files:
        data = read_file(path, max_size=MAX_ENTRY_BYTES, field="keys")
        _out.print(f"Public keys: {path}")
        _out.print(f"  {data.hex()}")
        _out.print(f"  in words: {words_of(sha256(data).digest())}")
    _out.print(f"Governors propose: sc-ledger govern propose --from SOURCE --out ACTION {verbs}")
