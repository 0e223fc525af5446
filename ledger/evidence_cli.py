"""`sc-ledger evidence`: check files that prove a fault of a ledger. docs/protocol.md section 12.

    $ sc-ledger evidence check found.evidence --pin pin.json

Exit code 0 says that the evidence holds, 1 that it proves nothing. 3 stays with the commands that look at a
ledger: there it means that the ledger at hand is wrong, here the file at hand is right.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from ledger.codes import EXIT_VERDICT
from ledger.core.evidence import check_evidence
from ledger.core.evidence.form import MAX_EVIDENCE_SIZE
from ledger.core.pin import PIN_MAX_BYTES, parse_pin
from ledger.errors import MalformedError, VerificationError
from ledger.evidence_words import describe_finding
from ledger.files import read_file, write_file

if TYPE_CHECKING:  # an audit brings the database with it
    from ledger.audit import AuditReport

app = typer.Typer(help="Check files that prove a fault of a ledger.", no_args_is_help=True)
_out: Final = Console(emoji=False, highlight=False, soft_wrap=True, markup=False)
_err: Final = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True, markup=False)


@app.callback()
def evidence() -> None:
    """Check files that prove a fault of a ledger, with nothing but the file and the pin."""


@app.command("check")
def check_command(
    file: Annotated[Path, typer.Argument(help="Evidence file.")],
    pin: Annotated[Path, typer.Option(help="File with origin and charter hash of the ledger.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print what is proven as JSON.")] = False,
) -> None:
    """Say what an evidence file proves and against whom. Exit code 0: it holds; 1: it proves nothing."""
    pinned = parse_pin(read_file(pin, max_size=PIN_MAX_BYTES, field="pin"))
    data = read_file(file, max_size=MAX_EVIDENCE_SIZE, field="evidence")
    try:
        finding = check_evidence(data, pinned)
    except (MalformedError, VerificationError) as error:
        _err.print(f"The evidence proves nothing. {error}")
        raise typer.Exit(EXIT_VERDICT) from error
    if as_json:
        typer.echo(json.dumps(finding.to_dict(), ensure_ascii=False, indent=2))
        return
    for line in describe_finding(finding):
        _out.print(line)


def keep_evidence(folder: Path, report: AuditReport, data: bytes | None) -> list[str]:
    """Write an evidence file of what an audit found into `folder`, and return what to say of it.

    Args:
        folder: made if it is not there.
        report: what the audit found.
        data: the evidence (ledger/audit/evidence.py), or None.

    Raises:
        LedgerError: code bad_input, a file of this name is there already.
        StorageError: the file cannot be written.
    """
    if report.code in ("ok", "not_cosigned"):
        return []
    if data is None:
        return ["No evidence: nothing that is signed shows this fault to others."]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / evidence_name(report)
    write_file(path, data)
    return [f"Evidence: {path}", f"Check it: sc-ledger evidence check {path} --pin PIN"]


def evidence_name(report: AuditReport) -> str:
    """Return the name of the evidence file of what an audit found."""
    place = report.tree_size if report.index is None else report.index
    return f"{report.code}-{place}.evidence"
