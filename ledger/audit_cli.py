"""The command that audits: `sc-ledger audit`. docs/operations.md, "Audit".

    $ sc-ledger audit https://ledger.example --pin pin.json --against seen-today.txt --report report

Exit codes: docs/protocol.md, section 10; 3 names the first entry that breaks a rule.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ledger.codes import exit_code
from ledger.core.note import MAX_NOTE_SIZE
from ledger.core.pin import PIN_MAX_BYTES, parse_pin
from ledger.evidence_cli import evidence_name, keep_evidence
from ledger.files import read_file, read_text
from ledger.inspect import describe_report

if TYPE_CHECKING:  # an audit brings the database with it
    from ledger.audit import AuditReport
    from ledger.audit.history import History

_out: Final = Console(emoji=False, highlight=False, soft_wrap=True, markup=False)
_err: Final = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True, markup=False)


def audit_command(
    source: Annotated[str, typer.Argument(help="Directory, published copy or address of a ledger.")],
    pin: Annotated[Path, typer.Option(help="File with origin and charter hash of the ledger.")],
    against: Annotated[
        Path | None, typer.Option(help="Checkpoint seen before; the ledger must be an extension of it.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Worker processes; all processors if absent.", min=1, max=256)
    ] = None,
    allow_uncosigned: Annotated[
        bool, typer.Option("--allow-uncosigned", help="Accept a ledger without a quorum of witnesses.")
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(
            help="File with the state of the last audit, to go on from there; it is kept up to date."
        ),
    ] = None,
    pages: Annotated[
        Path | None, typer.Option("--report", help="New folder for the report as pages to read and hand on.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    evidence: Annotated[
        Path | None,
        typer.Option(help="Directory for an evidence file of the violation, if one can be made."),
    ] = None,
) -> None:
    """Replay a whole ledger: every signature, rule, seal, tile and head. Trusts nobody."""
    from ledger.audit import audit
    from ledger.audit.evidence import collect_evidence
    from ledger.audit.history import History
    from ledger.audit.html_report import check_new_folder

    history = None if pages is None else History()
    if pages is not None:
        check_new_folder(pages)
    pinned = parse_pin(read_file(pin, max_size=PIN_MAX_BYTES, field="pin"))
    seen = None if against is None else read_text(against, max_size=MAX_NOTE_SIZE, field="against")
    columns = (TextColumn("Replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_err, transient=True, disable=as_json) as progress:
        task = progress.add_task("replay", total=None)
        report = audit(
            source,
            pinned,
            against=seen,
            jobs=jobs or os.cpu_count() or 1,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
            allow_uncosigned=allow_uncosigned,
            state=state,
            remark=_err.print,
            history=history,
        )
    if as_json:
        typer.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        for line in describe_report(report, against_given=against is not None):
            _out.print(line)
    wanted = evidence is not None or pages is not None
    proof = collect_evidence(source, pinned, report, against=seen) if wanted else None
    if evidence is not None:
        for line in keep_evidence(evidence, report, proof):
            _err.print(line)
    if pages is not None and history is not None:
        _write_pages(pages, source, report, history, proof)
    if not report.ok:
        raise typer.Exit(exit_code(report.code))


def _write_pages(
    folder: Path, source: str, report: AuditReport, history: History, proof: bytes | None
) -> None:
    """Write the report as pages, with the evidence beside them."""
    from ledger.audit.html_report import AuditedLedger, read_bad_entry, write_report

    files = {} if proof is None else {evidence_name(report): proof}
    audited = AuditedLedger(source, report, history, read_bad_entry(source, report), files)
    _err.print(f"Report: {write_report(folder, audited, made_s=int(time.time()))}")
