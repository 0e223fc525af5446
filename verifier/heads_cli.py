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
from ledger.core.calendar_days import date_of_seconds
from ledger.errors import VerificationError
from verifier.core.heads import ComparedHead, compare_head
from verifier.core.trust import open_bundle
from verifier.core.trusted_list import TrustedList
from verifier.errors import StationError
from verifier.heads import ReadHead, head_picture, read_head
from verifier.station import Station

_out: Final = Console(highlight=False, soft_wrap=True)
_SENTENCES: Final = {
    "same": "The other station has the same list.",
    "older": "The other station has an older list, and this one goes on from it.",
    "newer": "The other station has a newer list, and it goes on from this one.",
    "unknown": "The other station has a newer list; this one cannot tell whether it goes on from the list here. "
    "Compare at the other station, or with its list (sc-verifier export).",
    "fork": "The ledger has shown the two stations histories that contradict each other. Do not rely on its "
    "lists; hand the evidence on to an auditor.",
}
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
    other = read_head(sources)
    target = Station(station)
    target.pin()
    ledger = target.ledger_of(other.origin)
    if ledger is None:
        raise StationError(
            "bad_input", "a head of a ledger that this station does not believe", field="origin"
        )
    mine = ledger.trusted()
    if mine is None:
        raise StationError("no_bundle", "no list is loaded", field="bundle")
    try:
        compared = compare_head(mine, other.note)
    except VerificationError as error:
        # Anybody can write a note with this origin; only what the log has signed is an alarm.
        raise StationError("bad_input", f"not a head of this ledger: {error.detail}", field="head") from error
    relation = _relation(compared, mine, other, ledger)
    evidence = ledger.keep_fork(other.note, other.bundle) if relation == "fork" else []
    _say(relation, compared, mine, evidence, as_json=as_json)
    raise typer.Exit(_EXIT[relation])


def _relation(compared: ComparedHead, mine: TrustedList, other: ReadHead, ledger: Station) -> str:
    """Return the relation; what the list here cannot tell, the list in which the head came can."""
    if compared.relation != "newer":
        return compared.relation
    if other.bundle is None:
        return "unknown"
    theirs = open_bundle(other.bundle, ledger.pin())
    return "newer" if compare_head(theirs, mine.checkpoint).relation == "older" else "fork"


def _say(
    relation: str, compared: ComparedHead, mine: TrustedList, evidence: list[Path], *, as_json: bool
) -> None:
    told: dict[str, Any] = {
        "relation": relation,
        "origin": mine.origin,
        "tree_size": mine.tree_size,
        "root_hash": mine.root_hash.hex(),
        "other_tree_size": compared.checkpoint.tree_size,
        "other_root_hash": compared.checkpoint.root_hash.hex(),
        "other_witnesses": list(compared.witnesses),
        "other_is_cosigned": compared.is_cosigned,
        "evidence": [str(path) for path in evidence],
    }
    if as_json:
        _out.print_json(json.dumps(told))
        return
    _out.print(_SENTENCES[relation], markup=False)
    _out.print(f"here: {mine.tree_size} entries, root {mine.root_hash.hex()}", markup=False)
    _out.print(
        f"there: {compared.checkpoint.tree_size} entries, root {compared.checkpoint.root_hash.hex()}",
        markup=False,
    )
    if not compared.is_cosigned:
        _out.print("The other head lacks a quorum of the witnesses that hold now.", markup=False)
    for path in evidence:
        _out.print(f"evidence: {path}", markup=False)
