"""The batch command of a desk: `sc-issuer batch PEOPLE.csv --out sheets`.

The same command finishes what an interrupted run left; over a table that is done it does nothing.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from issuer.batch import SHEET_SIZE, SHEET_SIZE_MAX, BatchReport, BatchRun
from issuer.batch_folder import ERRORS, BatchFolder
from issuer.batch_journal import BatchJournal
from issuer.cli_desk import DESK, DeskFolder, PassphraseFile, desk_at_work, err, out, today
from issuer.people_csv import COLUMNS, count_people
from ledger.codes import EXIT_OK, EXIT_VERDICT, exit_code


def batch(
    people: Annotated[
        Path,
        typer.Argument(
            help=f"CSV in UTF-8 with a header. Columns: {', '.join(COLUMNS)}; id, name and latin are needed. "
            "id is the desk's own row key and never leaves the desk."
        ),
    ],
    out_folder: Annotated[
        Path, typer.Option("--out", help="Folder of this batch: a new one, or that of an earlier run.")
    ],
    size: Annotated[int, typer.Option(help=f"People on a sheet, 1 to {SHEET_SIZE_MAX}.")] = SHEET_SIZE,
    desk: DeskFolder = DESK,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Issue for many people: sheets of cards, words and slips. Run it again after a crash: it goes on."""
    rows = count_people(people)
    with desk_at_work(desk, passphrase_file) as opened:
        journal = BatchJournal(opened.store)
        folder = BatchFolder.take(out_folder, journal, secrets.token_bytes)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err, transient=True) as progress:
            task = progress.add_task("Reading", total=rows)

            def step(count: int, doing: str) -> None:
                progress.update(task, advance=count, description=doing)

            report = BatchRun(opened, journal, folder, created=today(), sheet_size=size, step=step).run(
                people
            )
    _show(report, out_folder)
    worst = EXIT_VERDICT if report.errors or report.stopped else EXIT_OK
    if report.waits_for:
        worst = max(worst, exit_code(report.waits_for))
    if worst != EXIT_OK:
        raise typer.Exit(worst)


def _show(report: BatchReport, folder: Path) -> None:
    out.print(f"Issued: {report.issued}; done before: {report.earlier}; not issued: {len(report.errors)}")
    if report.issued:
        out.print("Print the words sheets, hand them over, and delete their files.")
    if report.errors:
        err.print(f"Rows that were not issued, and why: {folder / ERRORS}", markup=False)
    if report.waits_for:
        err.print(f"{report.waits_for}: {report.waiting} people wait; run the same command again later")
    elif report.stopped:
        err.print("The ledger took nobody of the last round; rows after it were left as they are")
    if report.elsewhere:
        err.print(f"In batches of other folders {report.elsewhere} people wait")
