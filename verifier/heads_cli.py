"""Heads on the command line: what this station was shown, and whether another one was shown the same.

    $ sc-verifier head --qr head.png --out head.txt
    $ sc-verifier compare photo.jpg

Two stations of one ledger that meet do this in a minute and without a network. A contradiction is exit 3, and
the evidence of it is kept in the station's folder, to be handed on to an auditor.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from ledger.codes import EXIT_ALARM, EXIT_OK, EXIT_VERDICT
from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.core.calendar_days import date_of_seconds
from verifier.errors import StationError
from verifier.heads import JudgedHead, head_picture, judge_head, read_head
from verifier.sources import read_file
from verifier.station import Station
from verifier.words import load_wording

_out: Final = Console(emoji=False, highlight=False, soft_wrap=True)
_EXIT: Final = {
    "same": EXIT_OK,
    "older": EXIT_OK,
    "newer": EXIT_OK,
    "unknown": EXIT_VERDICT,
    "fork": EXIT_ALARM,
}


def head(
    out: Annotated[Path | None, typer.Option(help="Write the head as a file.")] = None,
    qr: Annotated[Path | None, typer.Option(help="Write the head as a PNG with several codes.")] = None,
    origin: Annotated[str | None, typer.Option(help="Whose head, where there are several ledgers.")] = None,
    station: Annotated[
        Path, typer.Option("--station", envvar="SAFECONDUCT_STATION", help="Folder of the station.")
    ] = Path("station"),
) -> None:
    """Tell the head of the list at hand, and write it for another station to compare."""
    target = Station(station)
    ledger = target if origin is None else target.ledger_of(origin)
    trusted = None if ledger is None else ledger.trusted()
    if ledger is None:
        raise StationError("usage", "the station does not believe a ledger of this origin", field="origin")
    if trusted is None:
        raise StationError("no_bundle", "no list is loaded", field="bundle")
    _out.print(f"origin: {trusted.origin}", markup=False)
    _out.print(f"tree_size: {trusted.tree_size}", markup=False)
    _out.print(f"root_hash: {trusted.root_hash.hex()}", markup=False)
    _out.print(f"list_date: {date_of_seconds(trusted.now_min_s).isoformat()}", markup=False)
    if out is not None:
        out.write_text(trusted.checkpoint, encoding="utf-8", newline="")
    if qr is not None:
        qr.write_bytes(head_picture(trusted.checkpoint))


def compare(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="The other station's head: a file, a list, or pictures that show all of its codes together."
        ),
    ],
    station: Annotated[
        Path, typer.Option("--station", envvar="SAFECONDUCT_STATION", help="Folder of the station.")
    ] = Path("station"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare the head of another station with the list at hand; exit 3 if the ledger contradicts itself."""
    target = Station(station)
    target.pin()
    judged = judge_head(target, read_head([read_file(source, MAX_BUNDLE_SIZE) for source in sources]))
    if as_json:
        _out.print_json(json.dumps(_told(judged)))
    else:
        _say(judged)
    raise typer.Exit(_EXIT[judged.relation])


def _say(judged: JudgedHead) -> None:
    words = load_wording()
    mine, compared = judged.mine, judged.compared
    other = compared.checkpoint
    _out.print(words.text("heads", judged.relation), markup=False)
    for name, size, root in (
        ("here", mine.tree_size, mine.root_hash),
        ("there", other.tree_size, other.root_hash),
    ):
        _out.print(words.text("heads", name, count=size, root=root.hex()), markup=False)
    if not compared.is_cosigned:
        _out.print(words.text("heads", "not_cosigned"), markup=False)
    for path in judged.evidence:
        _out.print(f"evidence: {path}", markup=False)


def _told(judged: JudgedHead) -> dict[str, Any]:
    mine, compared = judged.mine, judged.compared
    return {
        "relation": judged.relation,
        "origin": mine.origin,
        "tree_size": mine.tree_size,
        "root_hash": mine.root_hash.hex(),
        "other_tree_size": compared.checkpoint.tree_size,
        "other_root_hash": compared.checkpoint.root_hash.hex(),
        "other_witnesses": list(compared.witnesses),
        "other_is_cosigned": compared.is_cosigned,
        "evidence": [str(path) for path in judged.evidence],
    }
