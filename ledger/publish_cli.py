"""`sc-ledger publish`: a ledger as a folder of static files, for any web server or object store.

    $ sc-ledger publish data www --every 10
    $ sc-ledger publish https://ledger.example www --pin pin.json     a mirror; every byte is verified

docs/protocol.md section 8. The service of the ledger may be running; its directory is only read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ledger.core.pin import PIN_MAX_BYTES, parse_pin
from ledger.errors import LedgerError, StorageError
from ledger.files import read_file

if TYPE_CHECKING:  # commands that need the database or the network import them themselves
    from ledger.publish.publish import Published

_out: Final = Console(emoji=False, highlight=False, soft_wrap=True, markup=False)
_YEAR_S: Final = 31_536_000.0
_err: Final = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True, markup=False)


def publish(
    source: Annotated[str, typer.Argument(help="Directory of a ledger, or address of one to mirror.")],
    directory: Annotated[Path, typer.Argument(help="Folder for the files; made where it is missing.")],
    pin: Annotated[
        Path | None, typer.Option(help="File with origin and charter hash; needed for an address.")
    ] = None,
    every: Annotated[
        float, typer.Option(help="Seconds between rounds; once and done if absent.", min=0.0, max=_YEAR_S)
    ] = 0.0,
    keep_partials: Annotated[
        bool, typer.Option("--keep-partials", help="Never remove partial tiles.")
    ] = False,
    partials_for: Annotated[
        float,
        typer.Option(
            help="Seconds for which a partial tile stays beside its full tile.", min=0.0, max=_YEAR_S
        ),
    ] = 3600.0,
    check: Annotated[
        bool, typer.Option("--check", help="Compare every published file, and write what is missing.")
    ] = False,
) -> None:
    """Write the ledger as static files, the checkpoint last; or mirror one, every byte verified."""
    from ledger.publish.folder import StaticFolder
    from ledger.publish.publish import publish_once
    from ledger.publish.sources import opened_source
    from ledger.store.engine import DATABASE_NAME

    if (directory / DATABASE_NAME).exists():
        detail = "this is the directory of a ledger, with its keys; publish into a folder of its own"
        raise LedgerError("bad_input", detail, field="directory")
    pinned = None if pin is None else parse_pin(read_file(pin, max_size=PIN_MAX_BYTES, field="pin"))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_err, transient=True) as bar:
        task = bar.add_task("Reading", total=None)

        def show(name: str) -> Callable[[int, int], None]:
            return lambda done, total: bar.update(task, description=name, completed=done, total=total)

        with (
            opened_source(source, pinned, show("Reading")) as opened,
            StaticFolder(directory).held() as folder,
        ):
            repeat(
                lambda first: publish_once(
                    opened,
                    folder,
                    now_s=time.time(),
                    keep_partials_s=None if keep_partials else partials_for,
                    check=check and first,
                    progress=show("Publishing"),
                ),
                every_s=every or None,
                sleep=time.sleep,
            )


def repeat(
    publish_round: Callable[[bool], Published], *, every_s: float | None, sleep: Callable[[float], None]
) -> None:
    """Publish once, or until the process is told to stop, and say what was done.

    A disk or an address that fails is reported and tried again; an alarm, or a source that does not verify,
    ends it.

    Args:
        publish_round: does one round; told whether none has ended well before.
        every_s: seconds between rounds; None for one round.
        sleep: waits so many seconds.
    """
    first = True
    while True:
        try:
            done = publish_round(first)
        except StorageError as error:
            if every_s is None:
                raise
            _err.print(f"Not published: {error}")
        else:
            if first or done.changed or done.written or done.removed:
                _tell(done)
            first = False
        if every_s is None:
            return
        try:
            sleep(every_s)
        except KeyboardInterrupt:
            return


def _tell(done: Published) -> None:
    _out.print(
        f"Published {done.size} entries (before: {done.old_size}); "
        f"{done.written} files written, {done.removed} partial tiles removed."
    )
    if not done.has_keys:
        _err.print("The source shows no receipts keys that the bundle vouches for; none are published.")
