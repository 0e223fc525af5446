"""The status commands of a desk: `sc-issuer status change` and `sc-issuer status batch`.

$ sc-issuer status change card-AbC.case --set replaced
$ sc-issuer status batch REPLACED.csv --dry-run

At a desk with second signers both write a request instead of sending; `status_sign_cli` has what follows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from credential.core.case_file import CASE_FILE_MAX_BYTES
from credential.core.issue import StatusPlace
from issuer import cli_desk, status_sign_cli
from issuer.cli_desk import DESK, DeskFolder, PassphraseFile, desk_at_work, err, out
from issuer.errors import InputError
from issuer.files import read_file
from issuer.status_batch import Plan, outlook, parse_seqs
from issuer.status_changes import CHANGES
from issuer.status_sign_cli import RequestOut, write_request
from ledger.codes import EXIT_VERDICT
from ledger.core.registry.quarantine import MOST_A_DAY

app = typer.Typer(help="Change the status of credentials.", no_args_is_help=True)


@app.command()
def change(
    case_file: Annotated[
        Path | None, typer.Argument(help="Case file of the card; its words are not needed.")
    ] = None,
    place: Annotated[
        tuple[str, int] | None,
        typer.Option(help="List and number instead of a case file, such as sc:1/0 4711."),
    ] = None,
    change: Annotated[str, typer.Option("--set", help=f"One of {', '.join(CHANGES)}.")] = "",
    reason: Annotated[
        str | None, typer.Option(help="Reason where there are several: withdrawn or corrected.")
    ] = None,
    seq: Annotated[
        int | None, typer.Option(help="Next sequence number, where another desk has changed the list too.")
    ] = None,
    request_out: RequestOut = None,
    desk: DeskFolder = DESK,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Change the status of one credential."""
    if (case_file is None) == (place is None):
        raise InputError("place", "give either a case file or a place")
    with desk_at_work(desk, passphrase_file) as opened:
        if place is not None:
            where = StatusPlace(*place)
        else:
            assert case_file is not None
            where = opened.place_of(read_file(case_file, "case_file", max_size=CASE_FILE_MAX_BYTES))
        if opened.approved_changes().are_needed:
            write_request(opened, desk, request_out, [opened.plan_change(where, change, reason)])
            return
        registered = opened.change_status(where, change, reason, seq)
    out.print(f"Registered at index {registered.index}", markup=False)


@app.command()
def batch(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV in UTF-8 with a header: id (row key of a batch), sub, or list and number; and set, "
            "reason (replaced if both are absent)."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent and what would be held; send nothing.")
    ] = False,
    seq: Annotated[
        list[str] | None,
        typer.Option(
            help="LIST=NUMBER, such as sc:1/0=7: next sequence number of a list that another desk has changed "
            "too; may be given again."
        ),
    ] = None,
    request_out: RequestOut = None,
    desk: DeskFolder = DESK,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Change the status of many credentials in as few statements as possible; run again after a failure."""
    seqs = parse_seqs(seq or [])
    with desk_at_work(desk, passphrase_file) as opened:
        changes = opened.status_batch()
        left_over = [] if dry_run else changes.settle_left_over()
        plan = changes.plan(file, now_s=cli_desk.now_s(), seqs=seqs)
        _show(plan, dry_run=dry_run, left_over=len(left_over) or len(changes.left_over()))
        if opened.approved_changes().are_needed:
            if plan.statements and not dry_run:
                write_request(opened, desk, request_out, plan.parts)
        elif not dry_run:
            with Progress(console=err, transient=True) as progress:
                task = progress.add_task("Registering", total=len(plan.statements))
                changes.send(plan, lambda: progress.advance(task))
            out.print(f"Registered: {plan.row_count} changes in {len(plan.statements)} statements")
    if plan.refused:
        raise typer.Exit(EXIT_VERDICT)


for command in (status_sign_cli.require, status_sign_cli.show, status_sign_cli.sign, status_sign_cli.send):
    app.command()(command)


def _show(plan: Plan, *, dry_run: bool, left_over: int) -> None:
    """Print what the plan is, and every row that it leaves out."""
    for item in plan.refused:
        err.print(f"row {item.number}: {item.code}: {item.reason} [{item.field}]", markup=False)
    table = Table("list", "seq", "changes", "will be held", title="To be sent" if dry_run else "Statements")
    for statement in plan.statements:
        table.add_row(statement.uri, str(statement.seq), str(len(statement.rows)), outlook(statement))
    out.print(table)
    if left_over:
        when = "would be sent first" if dry_run else "sent first"
        out.print(f"Statements of an interrupted run, {when}: {left_over}")
    out.print(f"Changes: {plan.row_count}; already so: {plan.already}; left out: {len(plan.refused)}")
    if plan.limited_count:
        out.print(
            f"Withdrawals and suspensions among them: {plan.limited_count}. The ledger holds a statement with "
            "which the authority would exceed 1 % of its live credentials in 24 hours (20 at least, "
            f"{MOST_A_DAY} at most), 3 % in 30 days or 5 % in 365 days, until governors decide."
        )
