"""The command line of an issuing desk: `sc-issuer`.

    $ sc-issuer init --id civil-1 --authority interior --title "Civil registry of Examplia" \\
          --ledger-origin ledger.example/one
    $ sc-issuer connect --ledger https://ledger.example --charter 5d41...
    $ sc-issuer issue PERSON.json
    $ sc-issuer status card-AbC.case --set replaced

Exit codes: docs/protocol.md, section 10. A refusal prints its code and one sentence that names the field, and
leaves nothing half written.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from credential.core.case_file import CASE_FILE_MAX_BYTES, open_case, parse_case_file
from credential.core.issue import SCOPES, Companion, PersonClaims, StatusPlace
from credential.core.profiles import built_in_profiles
from issuer.cards import stem_of
from issuer.claims import claims_of, companion_of, subject_of
from issuer.desk_folder import (
    APPLICATION,
    MakeClient,
    connect_desk,
    init_desk,
    open_client,
    open_desk,
    read_config,
)
from issuer.errors import InputError
from issuer.files import make_folder, read_file, replace_file
from issuer.handover import WORDS_KNOWN, WORDS_ON_SCREEN, WORDS_ON_SHEET, hand_out, print_again
from issuer.ledger_http import HttpLedgerClient, fetch_bundle
from issuer.ledger_view import open_view
from issuer.person import PERSON_MAX_BYTES, parse_person
from issuer.portrait import MAX_IMAGE_BYTES
from issuer.prompts import ask_passphrase, ask_secret
from issuer.qr import PREFIX, read_symbols
from issuer.replacement import (
    WHEN,
    check_holder,
    keep_for_later,
    old_card_of,
    read_old_card,
    relay_file,
    sign_replacement,
    waiting,
)
from issuer.replacement import relay as relay_statement
from issuer.sizes import reference_size
from issuer.status_changes import CHANGES
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
_out: Final = Console(highlight=False, soft_wrap=True)
_err: Final = Console(stderr=True, highlight=False, soft_wrap=True)
_make_client: MakeClient = HttpLedgerClient

DeskFolder = Annotated[
    Path, typer.Option("--desk", envvar="SAFECONDUCT_DESK", help="Folder of the desk.", show_default="desk")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File with the passphrase of the issuer's key; else SAFECONDUCT_PASSPHRASE."),
]
WordsFile = Annotated[
    Path | None, typer.Option(help="File with the bearer's 12 words; else they are asked for.")
]
OutFolder = Annotated[
    Path | None, typer.Option("--out", help="Folder for what is made; else the desk's own cards/.")
]
PrintName = Annotated[
    bool, typer.Option("--print-name", help="Print the name on the card; only if the bearer wants it.")
]
_DESK: Final = Path("desk")


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
    desk: DeskFolder = _DESK,
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
    _out.print(f"Application: {desk / APPLICATION}", markup=False)
    _out.print(f"Key thumbprint: {key.thumbprint().hex()}", markup=False)
    _out.print("Give the file to the governors, and read the thumbprint to them over another channel.")


@app.command()
def connect(
    ledger: Annotated[str, typer.Option(help="Base address of the ledger.")],
    charter: Annotated[str, typer.Option(help="Leaf hash of the charter, 64 hex digits, as people told it.")],
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle file, where the ledger is not reachable.")
    ] = None,
    desk: DeskFolder = _DESK,
) -> None:
    """Pin the ledger once the governors have admitted the issuer."""
    read_config(desk)
    data = fetch_bundle(ledger) if bundle is None else read_file(bundle, "bundle", max_size=MAX_BUNDLE_SIZE)
    config = connect_desk(desk, data, charter, ledger)
    _out.print(
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
    out: OutFolder = None,
    desk: DeskFolder = _DESK,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Issue credentials, register them and write case files and cards."""
    if words_file is not None and len(persons) > 1:
        raise InputError("words-file", "belongs to one person")
    companion = companion_of(vct, _subject(child), _subject(adult), scope, until)
    claims = [_read_person(path, companion) for path in persons]
    secret = None if words_file is None else ask_secret(words_file)
    folder = _folder(out, desk)
    opened = open_desk(desk, ask_passphrase(passphrase_file), make_client=_make_client, now_s=_now_s)
    people = [(person, secret) for person in claims]
    made = WORDS_ON_SCREEN if show_words else WORDS_ON_SHEET
    words = WORDS_KNOWN if words_file is not None else made
    with Progress(console=_err, transient=True) as progress:
        task = progress.add_task("Registering", total=len(people))
        outcomes = opened.issue_people(people, vct, lambda: progress.advance(task))
        task = progress.add_task("Printing", total=len(people))
        worst = EXIT_OK
        for path, outcome in zip(persons, outcomes, strict=True):
            try:
                if isinstance(outcome, CodedError):
                    raise outcome
                for line in hand_out(folder, outcome, words=words, print_name=print_name, created=_today()):
                    _out.print(line, markup=False)
                opened.forget(outcome.sub)
            except CodedError as error:
                # The others are on the ledger already: they must get their papers.
                _err.print(f"{path.name}: {error}", markup=False)
                worst = max(worst, exit_code(error.code))
            progress.advance(task)
    if worst != EXIT_OK:
        raise typer.Exit(worst)


@app.command()
def card(
    case_file: Annotated[Path, typer.Argument(help="Case file of the card.")],
    words_file: WordsFile = None,
    print_name: PrintName = False,
    out: OutFolder = None,
    desk: DeskFolder = _DESK,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Print a card again, and complete the case file of one that was issued without a network."""
    data = _read_case(case_file)
    secret = ask_secret(words_file)
    if not open_case(data, secret).is_listed:
        opened = open_desk(desk, ask_passphrase(passphrase_file), make_client=_make_client, now_s=_now_s)
        data = opened.complete(data, secret)
        replace_file(case_file, data)
        opened.forget(parse_case_file(data).sub)
    folder = case_file.parent if out is None else out
    make_folder(folder)
    print_again(folder, data, secret, print_name=print_name, created=_today())
    _out.print(f"Printed: {folder / stem_of(data)}-card.pdf", markup=False)


@app.command()
def resend(desk: DeskFolder = _DESK, passphrase_file: PassphraseFile = None) -> None:
    """Send everything that was issued without a network to the ledger."""
    opened = open_desk(desk, ask_passphrase(passphrase_file), make_client=_make_client, now_s=_now_s)
    with Progress(console=_err, transient=True) as progress:
        task = progress.add_task("Registering", total=len(opened.pending()))
        outcomes = opened.register_pending(lambda: progress.advance(task))
    for sub, code in outcomes:
        _out.print(f"{sub}: {code or 'registered'}", markup=False)
    worst = max((exit_code(code) for _, code in outcomes if code), default=EXIT_OK)
    if worst != EXIT_OK:
        raise typer.Exit(worst)


@app.command()
def status(
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
    desk: DeskFolder = _DESK,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Change the status of one credential."""
    if (case_file is None) == (place is None):
        raise InputError("place", "give either a case file or a place")
    opened = open_desk(desk, ask_passphrase(passphrase_file), make_client=_make_client, now_s=_now_s)
    if place is not None:
        where = StatusPlace(*place)
    else:
        assert case_file is not None
        where = opened.place_of(_read_case(case_file))
    registered = opened.change_status(where, change, reason, seq)
    _out.print(f"Registered at index {registered.index}", markup=False)


@app.command()
def replace(
    case_file: Annotated[Path | None, typer.Argument(help="Case file of the old card.")] = None,
    card: Annotated[
        str | None, typer.Option(help="Instead: the old card's code, as a picture or as SC1:...")
    ] = None,
    words_file: WordsFile = None,
    when: Annotated[
        str, typer.Option(help="now; batch: keep it, and send it with others by sc-issuer relay; or never.")
    ] = WHEN[0],
    desk: DeskFolder = _DESK,
) -> None:
    """Have a bearer's old card replaced by herself: of any issuer, at any desk, with her 12 words.

    The desk that issued the old card takes no part and is not told. No key of this desk is used.
    """
    if when not in WHEN:
        raise InputError("when", f"must be one of {', '.join(WHEN)}")
    if (case_file is None) == (card is None):
        raise InputError("card", "give either a case file or the code of the old card")
    secret = ask_secret(words_file)
    if case_file is not None:
        old = old_card_of(open_case(_read_case(case_file), secret))
    else:
        old = read_old_card(_read_codes(str(card)))
    check_holder(old, secret)
    if when == "never":
        _out.print("Nothing is sent: the old card goes on to read as it does.")
        return
    config, client = open_client(desk, _make_client)
    view = open_view(client.bundle(), bytes.fromhex(config.charter))
    status = view.status(old.claims.uri, old.claims.idx)
    entry = sign_replacement(old, secret, status=status, now_s=_now_s())
    if when == "batch":
        _out.print(f"Kept: {keep_for_later(desk, entry)}; send it within two months", markup=False)
        return
    _out.print(f"Registered at index {relay_statement(client, entry).index}", markup=False)


@app.command()
def relay(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Statements of holders; all that the desk keeps if absent.")
    ] = None,
    desk: DeskFolder = _DESK,
) -> None:
    """Send the replacements that bearers signed and the desk kept; what is registered is deleted here."""
    _, client = open_client(desk, _make_client)
    worst = EXIT_OK
    for path in files or waiting(desk):
        try:
            _out.print(f"{path.name}: registered at index {relay_file(client, path).index}", markup=False)
        except CodedError as error:
            _err.print(f"{path.name}: {error}", markup=False)
            worst = max(worst, exit_code(error.code))
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
        _out.print(table)
        fits = fits and measured.total_bytes <= limits.goal
    if not fits:
        raise typer.Exit(EXIT_VERDICT)


def main() -> int:
    """Run the command line and return its exit code."""
    accept_any_console()
    try:
        app()
    except CodedError as error:
        _err.print(str(error), markup=False)
        return exit_code(error.code)
    except OSError as error:
        _err.print(f"storage_failed: {error.strerror or 'a file operation failed'}", markup=False)
        return exit_code("storage_failed")
    return EXIT_OK


def _now_s() -> int:
    return int(time.time())


def _folder(out: Path | None, desk: Path) -> Path:
    folder = desk / "cards" if out is None else out
    make_folder(folder)
    return folder


def _read_case(path: Path) -> bytes:
    return read_file(path, "case_file", max_size=CASE_FILE_MAX_BYTES)


def _read_codes(source: str) -> list[str]:
    """Return the codes of a card: a text itself, or all in a picture."""
    if source.startswith(PREFIX):
        return [source]
    return read_symbols(read_file(Path(source), "card", max_size=MAX_IMAGE_BYTES))


def _subject(given: str | None) -> str | None:
    """Return a subject: what was typed, or that of the card whose code was given."""
    if given is None or not (given.startswith(PREFIX) or Path(given).is_file()):
        return given
    return subject_of(_read_codes(given))


def _read_person(path: Path, companion: Companion | None) -> PersonClaims:
    person = parse_person(read_file(path, "person", max_size=PERSON_MAX_BYTES))
    return claims_of(person, path.parent, companion)


def _today() -> datetime:
    day = datetime.fromtimestamp(_now_s(), UTC)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


if __name__ == "__main__":
    sys.exit(main())
