"""What the command lines of a desk share: options, screens, the clock, and the way into a desk.

with desk_at_work(desk, passphrase_file) as opened:
    opened.register_pending()
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from issuer.desk import Desk
from issuer.desk_folder import MakeClient, open_desk, read_config, work_at
from issuer.ledger_http import HttpLedgerClient
from issuer.prompts import ask_passphrase

out: Final = Console(emoji=False, highlight=False, soft_wrap=True)
err: Final = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True)
make_client: MakeClient = HttpLedgerClient

DeskFolder = Annotated[
    Path, typer.Option("--desk", envvar="SAFECONDUCT_DESK", help="Folder of the desk.", show_default="desk")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File with the passphrase of the issuer's key; else SAFECONDUCT_PASSPHRASE."),
]
DESK: Final = Path("desk")


@contextmanager
def desk_at_work(folder: Path, passphrase_file: Path | None) -> Iterator[Desk]:
    """Open a desk and work at it alone.

    Raises:
        IssuerError: not_found, usage where it is not connected, wrong_secret, storage_failed.
        InputError: the settings are not of their form.
    """
    read_config(folder)
    passphrase = ask_passphrase(passphrase_file)
    with work_at(folder):
        desk = open_desk(folder, passphrase, make_client=make_client, now_s=now_s)
        try:
            yield desk
        finally:
            desk.store.close()


def now_s() -> int:
    """Return the time in epoch seconds."""
    return int(time.time())


def today() -> datetime:
    """Return the beginning of the day, UTC."""
    day = datetime.fromtimestamp(now_s(), UTC)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)
