"""The commands of a governor: `sc-ledger govern`. All but `submit` and `status` work on files alone.

    $ sc-ledger govern key ana --out ana.pem
    $ sc-ledger govern accept charter.cose --key ana.pem --out ana.accept
    $ sc-ledger govern propose --subject civil-1 --out admit.action admit application.cose
    $ sc-ledger govern sign admit.action --key ana.pem --name ana --out ana.approval
    $ sc-ledger govern submit https://ledger.example ana.approval bo.approval

docs/protocol.md, section 3.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from ledger.codes import EXIT_OK, exit_code
from ledger.core.actions import Action, Admit, Verb
from ledger.core.fields import parse_origin, parse_party
from ledger.core.merkle import leaf_hash
from ledger.core.pin import PIN_MAX_BYTES, Pin, parse_pin
from ledger.core.receipt import (
    check_inclusion_receipt,
    parse_inclusion_receipt,
    split_transparent_statement,
)
from ledger.core.registry.governance import Governance
from ledger.core.statement import MAX_ENTRY_BYTES, parse_statement
from ledger.errors import CodedError, LedgerError, MalformedError, VerificationError
from ledger.files import read_file, write_file
from ledger.govern_files import (
    accept_charter,
    approve,
    check_application,
    format_action_file,
    parse_action_file,
    parse_charter_file,
    parse_verbs,
    words_of,
)
from ledger.governor_keys import make_governor_key, open_private_key, public_key_path
from ledger.inspect import describe_action, describe_charter, describe_governance, describe_held
from ledger.ledger_arguments import LEDGER_WORDS
from ledger.prompts import passphrase_from

app = typer.Typer(
    help="Decide, as one of n governors, who may issue. Files travel; only submit and status use a network.",
    no_args_is_help=True,
)
_out: Final = Console(emoji=False, highlight=False, soft_wrap=True, markup=False)
_err: Final = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True, markup=False)
DEFAULT_DAYS: Final = 30

KeyFile = Annotated[Path, typer.Option("--key", help="The governor's private key file.")]
OutFile = Annotated[Path, typer.Option("--out", help="File to write; it must not be there yet.")]
PassphraseFile = Annotated[
    Path | None, typer.Option(help="File with the passphrase of the key; else SAFECONDUCT_PASSPHRASE.")
]
PinFile = Annotated[
    Path | None, typer.Option("--pin", help="File with origin and charter hash of the ledger it must be.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether what is shown is what is meant.")]


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="The governor's name: 1 to 32 of a-z, 0-9, dot and hyphen.")],
    out: OutFile,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a governor's key: an encrypted private key, and beside it the public key as FILE.pub."""
    parse_party(name, field="name")
    signer = make_governor_key(out, passphrase_from(passphrase_file, "the new key", new=True)())
    _out.print(f"Private key: {out}")
    _out.print(
        f"Public key: {public_key_path(out)}; for the charter: --governor {name}={public_key_path(out)}"
    )
    _out.print(f"In words: {words_of(signer.public_key.thumbprint())}")


@app.command()
def accept(
    charter: Annotated[Path, typer.Argument(help="Charter file of the ledger to be.")],
    key: KeyFile,
    out: OutFile,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Read a charter in plain words and sign that you will govern by it."""
    entry = _read(charter, "charter")
    statement = parse_charter_file(entry)
    _print(describe_charter(statement.body, leaf_hash(entry)))
    _confirm("Do you accept this charter?", yes)
    signer = open_private_key(key, passphrase_from(passphrase_file, "your key"))
    name, accepted = accept_charter(entry, signer)
    write_file(out, accepted)
    _out.print(f"Accepted as {name}: {out}")


@app.command()
def propose(
    verbs: Annotated[
        list[str],
        typer.Argument(
            metavar="VERB...",
            help="admit APPLICATION_FILE; suspend; reinstate; add-key PUBLIC_KEY_FILE; retire-key KID; "
            "distrust-key KID FROM; change authority=A title=T vcts=A,B rate=N desks=N; confirm INDEX; "
            "refuse INDEX. On the ledger itself: governors K NAME=PUBLIC_KEY_FILE..., where NAME= keeps a key; "
            "threshold K; witness-policy FILE; log-keys FILE; service-keys FILE; "
            "profiles VCT=DIGESTS:DAYS...; rules N; successor PIN_FILE.",
        ),
    ],
    out: OutFile,
    subject: Annotated[
        str,
        typer.Option(
            help="Issuer id, or the ledger's origin; may be left out with admit, and for the ledger with --from."
        ),
    ] = "",
    counter: Annotated[
        int | None, typer.Option(help="Actions in effect so far on the subject; 0 with admit.", min=0)
    ] = None,
    source: Annotated[
        str, typer.Option("--from", help="Address, bundle file or data directory to take the counter from.")
    ] = "",
    until: Annotated[
        str, typer.Option(help=f"Last day for approvals, YYYY-MM-DD; {DEFAULT_DAYS} days from now if absent.")
    ] = "",
    pin: PinFile = None,
) -> None:
    """Write an action file that governors read, compare by its words, and sign."""
    governance = _governance(source, pin) if source else None
    governors = () if governance is None else governance.governors
    parsed = parse_verbs(verbs, lambda name: _read(Path(name), "verb"), governors)
    subject = _subject(verbs, subject, governance)
    action = Action(subject, _counter(parsed, counter, subject, governance), _deadline(until), parsed)
    data = format_action_file(action)
    write_file(out, data)
    _print(describe_action(action))
    _out.print(f"Action: {out}")


@app.command()
def show(action: Annotated[Path, typer.Argument(help="Action file, or approval of an action.")]) -> None:
    """Say in plain words what an action does, and its words for comparing it over the telephone."""
    _print(describe_action(_read_action(action)))


@app.command()
def sign(
    action: Annotated[Path, typer.Argument(help="Action file, or another governor's approval of it.")],
    key: KeyFile,
    name: Annotated[str, typer.Option(help="Your name in the charter.")],
    out: OutFile,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Approve an action with your key."""
    parse_party(name, field="name")
    parsed = _read_action(action)
    _print(describe_action(parsed))
    _confirm("Do you approve this action?", yes)
    signer = open_private_key(key, passphrase_from(passphrase_file, "your key"))
    write_file(out, approve(parsed, name, signer))
    _out.print(f"Approved as {name}: {out}")


@app.command()
def submit(
    url: Annotated[str, typer.Argument(help="Address of the ledger.")],
    approvals: Annotated[list[Path], typer.Argument(help="Approval files.")],
    pin: PinFile = None,
) -> None:
    """Register approvals on the ledger; with --pin the receipts are checked under the pinned charter."""
    from ledger.governance_view import fold_bundle
    from ledger.remote import RemoteLedger

    entries = [(path, _read(path, "approval")) for path in approvals]
    for path, entry in entries:
        if parse_statement(entry).kind != "govern":
            raise MalformedError(f"{path} is not an approval", field="approval")
    worst = EXIT_OK
    with RemoteLedger(url) as ledger:
        governance = None if pin is None else fold_bundle(ledger.bundle(), _pin(pin))
        for path, entry in entries:
            try:
                index = _check_answer(entry, ledger.register(entry), governance)
            except CodedError as error:
                # One approval too many must not keep the others from the ledger.
                _err.print(f"{path}: {error}")
                worst = max(worst, exit_code(error.code))
            else:
                proof = "" if governance else " (receipt not checked: no --pin)"
                _out.print(f"{path}: on the ledger at index {index}{proof}")
    if worst != EXIT_OK:
        raise typer.Exit(worst)


@app.command()
def status(
    source: Annotated[str, typer.Argument(help="Address of a ledger, bundle file, or data directory.")],
    pin: PinFile = None,
) -> None:
    """Show governors, issuers, keys, counters, open proposals, and changes of status that are held.

    A service names what is open and what is held; each is checked against the list, and the service may leave
    one out. A directory, the ledger's or a mirror's, shows all.
    """
    from ledger.governance_view import read_view

    governance, matters = read_view(source, _pin(pin))
    _print(describe_governance(governance))
    _print(describe_held(governance, matters.held))
    for note in matters.notes:
        _err.print(f"Note: {note}")
    if pin is None:
        _err.print("Note: nobody checked that this is the right ledger; give --pin.")


def _governance(source: str, pin: Path | None) -> Governance:
    from ledger.governance_view import read_governance  # brings the database and the network with it

    return read_governance(source, _pin(pin))


def _subject(verbs: list[str], subject: str, governance: Governance | None) -> str:
    """Return the subject of an action, which an application names as well."""
    if verbs[0] == "admit":
        issuer_id, origin, _ = check_application(_read(Path(verbs[1]), "verb"))
        if subject not in ("", issuer_id):
            raise LedgerError("bad_input", f"the application is of {issuer_id}", field="subject")
        if governance is not None and governance.origin != origin:
            raise LedgerError("bad_input", f"the application is for the ledger {origin}", field="subject")
        return issuer_id
    if verbs[0] in LEDGER_WORDS:
        if governance is not None and subject in ("", governance.origin):
            return governance.origin
        if not subject:
            raise LedgerError(
                "usage", "name the ledger with --subject ORIGIN or --from SOURCE", field="subject"
            )
        return parse_origin(subject, field="subject")
    if not subject:
        raise LedgerError("usage", "name the issuer with --subject", field="subject")
    return parse_party(subject, field="subject")


def _counter(
    verbs: tuple[Verb, ...], counter: int | None, subject: str, governance: Governance | None
) -> int:
    if counter is not None:
        return counter
    if governance is not None and subject == governance.origin:
        return governance.counter
    if governance is not None:
        issuer = governance.issuers.get(subject)
        return 0 if issuer is None else issuer.counter
    if isinstance(verbs[0], Admit):
        return 0
    raise LedgerError("usage", "give --counter N, or --from SOURCE that tells it", field="counter")


def _deadline(until: str) -> int:
    """Return the end of a day, UTC, in seconds."""
    try:
        day = date.fromisoformat(until) if until else datetime.now(UTC).date() + timedelta(DEFAULT_DAYS)
        after = day + timedelta(1)
    except (ValueError, OverflowError) as error:
        raise LedgerError("bad_input", "a day is written as YYYY-MM-DD", field="until") from error
    return int(datetime(after.year, after.month, after.day, tzinfo=UTC).timestamp())


def _read_action(path: Path) -> Action:
    data = _read(path, "action")
    try:
        return parse_action_file(data)
    except MalformedError:
        statement = parse_statement(data)
    if not isinstance(statement.body, Action):
        raise MalformedError(f"{path} is neither an action nor an approval", field="action")
    return statement.body


def _check_answer(entry: bytes, answer: bytes, governance: Governance | None) -> int:
    """Return the index that a Transparent Statement gives; proven where the receipts key is known."""
    logged, receipts = split_transparent_statement(answer)
    if parse_statement(logged).statement_id != parse_statement(entry).statement_id:
        raise VerificationError("not_listed", "the ledger answered with another statement", field="entry")
    if governance is None:
        return parse_inclusion_receipt(receipts[0]).leaf_index
    _, index, _ = check_inclusion_receipt(receipts[0], leaf_hash(logged), governance.receipts_key)
    return index


def _confirm(question: str, yes: bool) -> None:
    if not yes and not typer.confirm(question):
        raise LedgerError("usage", "nothing was signed", field="confirm")


def _pin(path: Path | None) -> Pin | None:
    return None if path is None else parse_pin(read_file(path, max_size=PIN_MAX_BYTES, field="pin"))


def _read(path: Path, field: str) -> bytes:
    return read_file(path, max_size=MAX_ENTRY_BYTES, field=field)


def _print(lines: list[str]) -> None:
    for line in lines:
        _out.print(line)
