"""The command line of an issuing desk: `sc-issuer`.

    $ sc-issuer init --id civil-1 --authority interior --title "Civil registry of Examplia" \\
          --ledger-origin ledger.example/one
    $ sc-issuer connect --ledger https://ledger.example --charter 5d41...
    $ sc-issuer issue PERSON.json
    $ sc-issuer batch PEOPLE.csv --out sheets
    $ sc-issuer status change card-AbC.case --set replaced

Exit codes: docs/protocol.md, section 10. A refusal prints its code and one sentence that names the field, and
leaves nothing half written.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from credential.core.case_file import CASE_FILE_MAX_BYTES, open_case, parse_case_file
from credential.core.issue import SCOPES, Companion, PersonClaims
from credential.core.profiles import built_in_profiles
from issuer import batch_cli, replace_cli, status_cli
from issuer.batch_journal import BatchJournal
from issuer.cards import stem_of
from issuer.claims import claims_of, companion_of
from issuer.cli_desk import DESK, DeskFolder, PassphraseFile, desk_at_work, err, out, today
from issuer.desk import Desk
from issuer.desk_folder import APPLICATION, connect_desk, init_desk, read_config
from issuer.errors import InputError
from issuer.files import make_folder, read_file, replace_file
from issuer.handover import hand_out, print_again
from issuer.issued import Issued
from issuer.ledger_http import fetch_bundle
from issuer.person import PERSON_MAX_BYTES, parse_person
from issuer.prompts import ask_passphrase, ask_secret
from issuer.sizes import reference_size
from issuer.vault import WORDS_KNOWN, WORDS_ON_SCREEN, WORDS_ON_SHEET, Papers
from ledger.codes import EXIT_OK, EXIT_VERDICT, exit_code
from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.errors import CodedError
from ledger.terminal import accept_any_console

app = typer.Typer(
    help="Issue attestations, print cards, change their status.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(batch_cli.batch)
app.command()(replace_cli.replace)
app.command()(replace_cli.relay)
app.add_typer(status_cli.app, name="status")

WordsFile = Annotated[
    Path | None, typer.Option(help="File with the bearer's 12 words; else they are asked for.")
]
OutFolder = Annotated[
    Path | None, typer.Option("--out", help="Folder for what is made; else the desk's own cards/.")
]
PrintName = Annotated[
    bool, typer.Option("--print-name", help="Print the name on the card; only if the bearer wants it.")
]


@app.command()
def init(
    issuer_id: Annotated[str, typer.Option("--id", help="Issuer id: 1 to 32 of a-z, 0-9, dot and hyphen.")],
    authority: Annotated[str, typer.Option(help="Who answers for the issuer; in the form of an id.")],
    title: Annotated[str, typer.Option(help="What a field worker reads: 1 to 80 characters.")],
    ledger_origin: Annotated[str, typer.Option(help="Origin of the ledger, such as ledger.example/one.")],
    vct: Annotated[
        list[str] | None, typer.Option(help="A profile; may be given again. All if absent.")
    ] = None,
    rate: Annotated[int, typer.Option(help="Credentials in 24 hours that are asked for.")] = 500,
    desks: Annotated[int, typer.Option(help="Desks of the issuer that are asked for.")] = 1,
    desk_number: Annotated[int, typer.Option(help="Number of this desk, from 0.")] = 0,
    desk: DeskFolder = DESK,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make the issuer's key and the application that the governors decide on."""
    application = init_desk(
        desk,
        ask_passphrase(passphrase_file, confirm=True),
        issuer_id=issuer_id,
        authority=authority,
        title=title,
        origin=ledger_origin,
        vcts=tuple(vct or built_in_profiles()),
        rate=rate,
        desks=desks,
        desk=desk_number,
    )
    [key] = application.admission.keys
    out.print(f"Application: {desk / APPLICATION}", markup=False)
    out.print(f"Key thumbprint: {key.thumbprint().hex()}", markup=False)
    out.print("Give the file to the governors, and read the thumbprint to them over another channel.")


@app.command()
def connect(
    ledger: Annotated[str, typer.Option(help="Base address of the ledger.")],
    charter: Annotated[str, typer.Option(help="Leaf hash of the charter, 64 hex digits, as people told it.")],
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle file, where the ledger is not reachable.")
    ] = None,
    desk: DeskFolder = DESK,
) -> None:
    """Pin the ledger once the governors have admitted the issuer."""
    read_config(desk)
    data = fetch_bundle(ledger) if bundle is None else read_file(bundle, "bundle", max_size=MAX_BUNDLE_SIZE)
    config = connect_desk(desk, data, charter, ledger)
    out.print(
        f"Connected: issuer {config.issuer_id} is number {config.number} on {config.origin}", markup=False
    )


@app.command()
def issue(
    persons: Annotated[list[Path], typer.Argument(help="One PERSON.json for each credential.")],
    vct: Annotated[str, typer.Option(help="Profile: sc:identity or sc:companion.")] = "sc:identity",
    child: Annotated[
        str | None, typer.Option(help="Companion: the child's credential, as its subject or its card's code.")
    ] = None,
    adult: Annotated[
        str | None, typer.Option(help="Companion: the adult's own credential, in the same way.")
    ] = None,
    scope: Annotated[str, typer.Option(help=f"Companion: one of {', '.join(SCOPES)}.")] = SCOPES[0],
    until: Annotated[str | None, typer.Option(help="Companion: last day, YYYY-MM-DD.")] = None,
    words_file: Annotated[
        Path | None,
        typer.Option(help="File with 12 words that the bearer has already; else new words are made."),
    ] = None,
    show_words: Annotated[
        bool,
        typer.Option("--show-words", help="Show new words on this screen once, instead of a words sheet."),
    ] = False,
    print_name: PrintName = False,
    out_folder: OutFolder = None,
    desk: DeskFolder = DESK,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Issue credentials, register them and write case files and cards."""
    if words_file is not None and len(persons) > 1:
        raise InputError("words-file", "belongs to one person")
    companion = companion_of(
        vct, replace_cli.subject_from(child), replace_cli.subject_from(adult), scope, until
    )
    claims = [_read_person(path, companion) for path in persons]
    secret = None if words_file is None else ask_secret(words_file)
    made = WORDS_ON_SCREEN if show_words else WORDS_ON_SHEET
    papers = Papers(WORDS_KNOWN if words_file is not None else made, print_name)
    with desk_at_work(desk, passphrase_file) as opened:
        if opened.interrupted():
            raise InputError("desk", "has papers of an interrupted run; write them first: sc-issuer resend")
        folder = _folder(out_folder, desk)
        with Progress(console=err, transient=True) as progress:
            task = progress.add_task("Registering", total=len(claims))
            people = [(person, secret) for person in claims]
            outcomes = opened.issue_people(people, vct, lambda: progress.advance(task), papers)
        named = zip([path.name for path in persons], outcomes, strict=True)
        worst = _hand_out_all(opened, folder, [(name, outcome, papers) for name, outcome in named])
    if worst != EXIT_OK:
        raise typer.Exit(worst)


@app.command()
def card(
    case_file: Annotated[Path, typer.Argument(help="Case file of the card.")],
    words_file: WordsFile = None,
    print_name: PrintName = False,
    out_folder: OutFolder = None,
    desk: DeskFolder = DESK,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Print a card again, and complete the case file of one that was issued without a network."""
    data = read_file(case_file, "case_file", max_size=CASE_FILE_MAX_BYTES)
    secret = ask_secret(words_file)
    if not open_case(data, secret).is_listed:
        with desk_at_work(desk, passphrase_file) as opened:
            data = opened.complete(data, secret)
            replace_file(case_file, data)
            opened.forget(parse_case_file(data).sub)
    folder = case_file.parent if out_folder is None else out_folder
    make_folder(folder)
    print_again(folder, data, secret, print_name=print_name, created=today())
    out.print(f"Printed: {folder / stem_of(data)}-card.pdf", markup=False)


@app.command()
def resend(
    out_folder: OutFolder = None, desk: DeskFolder = DESK, passphrase_file: PassphraseFile = None
) -> None:
    """Send what was issued without a network, and write the papers of a run that was interrupted."""
    with desk_at_work(desk, passphrase_file) as opened:
        with Progress(console=err, transient=True) as progress:
            task = progress.add_task("Registering", total=len(opened.pending()))
            outcomes = opened.register_pending(lambda: progress.advance(task))
        for sub, code in outcomes:
            out.print(f"{sub}: {code or 'registered'}", markup=False)
        worst = max((exit_code(code) for _, code in outcomes if code), default=EXIT_OK)
        interrupted = opened.interrupted()
        if interrupted:
            folder = _folder(out_folder, desk)
            left = [(issued.sub, issued, papers) for issued, papers in interrupted]
            worst = max(worst, _hand_out_all(opened, folder, left))
        of_batches = BatchJournal(opened.store).count_elsewhere("")
        if of_batches:
            err.print(f"In batches {of_batches} people wait for their sheets: run sc-issuer batch again")
    if worst != EXIT_OK:
        raise typer.Exit(worst)


@app.command()
def sizes(
    vct: Annotated[
        list[str] | None, typer.Option(help="A profile; may be given again. All if absent.")
    ] = None,
) -> None:
    """Show how large the front code is, part by part."""
    fits = True
    for name in vct or built_in_profiles():
        measured = reference_size(name)
        table = Table("part", "bytes", title=f"Front code of {name}")
        for part, size in measured.parts:
            table.add_row(part, str(size))
        limits = measured.limits
        table.add_section()
        table.add_row(f"sum (version {measured.version}-M)", str(measured.total_bytes))
        table.add_row("goal", str(limits.goal))
        table.add_row("ceiling", str(limits.ceiling))
        out.print(table)
        fits = fits and measured.total_bytes <= limits.goal
    if not fits:
        raise typer.Exit(EXIT_VERDICT)


def main() -> int:
    """Run the command line and return its exit code."""
    accept_any_console()
    try:
        app()
    except CodedError as error:
        err.print(str(error), markup=False)
        return exit_code(error.code)
    except OSError as error:
        err.print(f"storage_failed: {error.strerror or 'a file operation failed'}", markup=False)
        return exit_code("storage_failed")
    return EXIT_OK


def _folder(chosen: Path | None, desk: Path) -> Path:
    folder = desk / "cards" if chosen is None else chosen
    make_folder(folder)
    return folder


def _hand_out_all(
    desk: Desk, folder: Path, outcomes: Sequence[tuple[str, Issued | CodedError, Papers]]
) -> int:
    """Write the papers of everybody who was issued, and return the worst exit code.

    One failure does not stop the others: they are on the ledger already and must get their papers.
    """
    worst = EXIT_OK
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("Printing", total=len(outcomes))
        for name, outcome, papers in outcomes:
            try:
                if isinstance(outcome, CodedError):
                    raise outcome
                for line in hand_out(folder, outcome, papers, created=today(), kept=desk.forget):
                    out.print(line, markup=False)
            except CodedError as error:
                err.print(f"{name}: {error}", markup=False)
                worst = max(worst, exit_code(error.code))
            progress.advance(task)
    return worst


def _read_person(path: Path, companion: Companion | None) -> PersonClaims:
    person = parse_person(read_file(path, "person", max_size=PERSON_MAX_BYTES))
    return claims_of(person, path.parent, companion)


if __name__ == "__main__":
    sys.exit(main())
