"""The command that shows a copy of a ledger as web pages: `sc-ledger explore`.

    $ sc-ledger explore data --pin pin.json
    $ sc-ledger explore https://ledger.example copy-on-a-stick --pin pin.json

docs/operations.md, "Look around". The pages are read only and answer on this machine alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ledger.core.pin import PIN_MAX_BYTES, parse_pin
from ledger.files import read_file

_err: Final = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True, markup=False)


def explore_command(
    source: Annotated[str, typer.Argument(help="Directory of a copy, or address of a service.")],
    pin: Annotated[Path, typer.Option(help="File with origin and charter hash of the ledger.")],
    other: Annotated[
        str | None, typer.Argument(help="A second copy, to find the first entry in which they differ.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than your own machine can then read the pages.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8420,
) -> None:
    """Show a copy as web pages: entries with their proofs, issuers, governance, epochs. Read only."""
    from ledger.explorer.serving import LOOPBACK, explore

    pinned = parse_pin(read_file(pin, max_size=PIN_MAX_BYTES, field="pin"))
    if host not in LOOPBACK:
        _err.print("Warning: these pages can be read by everybody who reaches this address.")
    columns = (
        TextColumn("Reading {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_err, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)

        def say(text: str) -> None:
            bar.stop()
            typer.echo(text)

        sources = (source,) if other is None else (source, other)
        explore(sources, pinned, host=host, port=port, say=say, progress=show)
