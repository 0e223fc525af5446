"""The commands of a second signer: `sc-issuer status require`, `show`, `sign` and `send`.

    $ sc-issuer status require bo=bo.pem.pub chi=chi.pem.pub
    $ sc-issuer status show desk/requests/4f0e1a2b3c4d5e6f.request --desk desk
    $ sc-issuer status sign desk/requests/4f0e1a2b3c4d5e6f.request --key bo.pem --name bo --out bo.approval
    $ sc-issuer status send desk/requests/4f0e1a2b3c4d5e6f.request bo.approval

docs/adr/0006-second-signer.md. `show` and `sign` need no desk: they work on a machine of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress

from issuer import cli_desk
from issuer.cli_desk import DESK, DeskFolder, PassphraseFile, desk_at_work, err, out
from issuer.desk import Desk
from issuer.desk_folder import STATE, adopt_rule, read_config
from issuer.desk_store import DeskStore
from issuer.errors import InputError
from issuer.files import make_folder, read_file, write_new
from issuer.second_signers import read_signers
from issuer.status_batch import parse_seqs
from issuer.status_request import (
    APPROVAL_MAX_BYTES,
    REQUEST_MAX_BYTES,
    Part,
    approve_request,
    parse_request,
    request_digest,
)
from issuer.status_request_words import NUMBERS_SHOWN, NameOf, describe_request, describe_rule
from ledger.core.fields import parse_party
from ledger.govern_files import words_of
from ledger.governor_keys import open_private_key
from ledger.prompts import passphrase_from

REQUESTS: Final = "requests"
"""Folder of a desk with its requests."""

RequestFile = Annotated[Path, typer.Argument(help="Request file of a desk.")]
RequestOut = Annotated[
    Path | None,
    typer.Option(
        "--request",
        help="File for the request, at a desk with second signers; else one in the desk's own requests/.",
    ),
]
EveryNumber = Annotated[
    bool, typer.Option("--all", help=f"Name every place, not the first {NUMBERS_SHOWN} of a statement.")
]


def require(
    signers: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=PUBLIC_KEY_FILE...", help="Who may approve; any one of them."),
    ] = None,
    nobody: Annotated[
        bool, typer.Option("--nobody", help="Ask for a desk without second signers again.")
    ] = False,
    request_out: RequestOut = None,
    desk: DeskFolder = DESK,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Ask that changes of status need a second signer, or other ones; without names, show who they are.

    The request holds once a second signer of now has signed it, or, where there is none yet, one of those to come.
    """
    if not signers and not nobody:
        _print(describe_rule(read_config(desk).second_signers))
        return
    if signers and nobody:
        raise InputError("nobody", "goes without names")
    named = read_signers(signers or [])
    with desk_at_work(desk, passphrase_file) as opened:
        data = opened.approved_changes().request_rule(named, now_s=cli_desk.now_s())
    _keep(data, desk, request_out)


def show(
    request: RequestFile,
    every: EveryNumber = False,
    desk: Annotated[
        Path | None,
        typer.Option(help="Folder of the desk, to name the cards by case file and row id as well."),
    ] = None,
) -> None:
    """Say in plain words what a request changes, and its words for comparing it over the telephone."""
    data = _read_request(request)
    most = None if every else NUMBERS_SHOWN
    if desk is None:
        _print(describe_request(data, most=most))
        return
    read_config(desk)  # or the state would be made there
    store = DeskStore(desk / STATE)
    try:
        _print(describe_request(data, name_of=_names_of(store), most=most))
    finally:
        store.close()


def sign(
    request: RequestFile,
    key: Annotated[
        Path, typer.Option("--key", help="Your private key file, as `sc-ledger govern key` makes it.")
    ],
    name: Annotated[str, typer.Option(help="Your name among the desk's second signers.")],
    approval_out: Annotated[Path, typer.Option("--out", help="File to write; it must not be there yet.")],
    every: EveryNumber = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask whether what is shown is what is meant.")
    ] = False,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File with the passphrase of your key; else SAFECONDUCT_PASSPHRASE.")
    ] = None,
) -> None:
    """Read a request of the desk and approve it with your own key."""
    parse_party(name, field="name")
    data = _read_request(request)
    _print(describe_request(data, most=None if every else NUMBERS_SHOWN))
    parse_request(data).check_time(cli_desk.now_s())
    if not yes and not typer.confirm("Do you approve this request?"):
        raise InputError("confirm", "nothing was signed")
    signer = open_private_key(key, passphrase_from(passphrase_file, "your key"))
    write_new(approval_out, approve_request(data, name, signer))
    out.print(f"Approved as {name}: {approval_out}", markup=False)


def send(
    request: RequestFile,
    approval: Annotated[Path, typer.Argument(help="Approval of it by a second signer.")],
    seq: Annotated[
        list[str] | None,
        typer.Option(
            help="LIST=NUMBER: next sequence number of a list that another desk has changed too, where the "
            "ledger does not tell it; may be given again."
        ),
    ] = None,
    desk: DeskFolder = DESK,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Carry out a request that a second signer approved; run it again after a failure."""
    data = _read_request(request)
    approved = read_file(approval, "approval", max_size=APPROVAL_MAX_BYTES)
    parsed = parse_request(data)
    with desk_at_work(desk, passphrase_file) as opened:
        if parsed.rule is not None:
            rule = adopt_rule(desk, opened, data, approved, now_s=cli_desk.now_s())
            out.print("The rule of this desk is now:")
            _print(describe_rule(rule))
            return
        with Progress(console=err, transient=True) as progress:
            task = progress.add_task("Registering", total=len(parsed.parts))
            count = opened.approved_changes().send(
                data,
                approved,
                now_s=cli_desk.now_s(),
                seqs=parse_seqs(seq or []),
                done=lambda: progress.advance(task),
            )
    out.print(f"Done: {count} changes of {parsed.row_count}")


def write_request(opened: Desk, desk: Path, request_out: Path | None, parts: Sequence[Part]) -> None:
    """Write the request for changes of status and say what happens with it."""
    _keep(opened.approved_changes().request_changes(parts, now_s=cli_desk.now_s()), desk, request_out)


def _keep(data: bytes, desk: Path, request_out: Path | None) -> None:
    digest = request_digest(data)
    path = request_out
    if path is None:
        make_folder(desk / REQUESTS)
        path = desk / REQUESTS / f"{digest.hex()[:16]}.request"
    write_new(path, data)
    out.print("Nothing was sent: a second signer has to approve it.")
    out.print(f"Request: {path}", markup=False)
    out.print(f"In words: {words_of(digest)}")


def _names_of(store: DeskStore) -> NameOf:
    def name_of(uri: str, idx: int) -> str:
        found = store.query(
            "SELECT sub, coalesce((SELECT row_key FROM batch_row WHERE batch_row.sub = place.sub), '')"
            " FROM place WHERE uri = ? AND idx = ?",
            (uri, idx),
        )
        return " ".join(f"card-{sub} {row_key}" for sub, row_key in found).strip() or "not of this desk"

    return name_of


def _read_request(path: Path) -> bytes:
    return read_file(path, "request", max_size=REQUEST_MAX_BYTES)


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        out.print(line, markup=False)
