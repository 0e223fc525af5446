"""The commands by which a holder has her own card replaced: `sc-issuer replace` and `sc-issuer relay`.

No key and no passphrase of the desk is used; the desk that issued the old card takes no part.

    $ sc-issuer replace --card old-front.png --words-file words.txt
    $ sc-issuer relay
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from credential.core.case_file import CASE_FILE_MAX_BYTES, open_case
from issuer import cli_desk
from issuer.claims import subject_of
from issuer.cli_desk import DESK, DeskFolder, err, now_s, out
from issuer.desk_folder import open_client
from issuer.errors import InputError
from issuer.files import read_file
from issuer.ledger_view import open_view
from issuer.portrait import MAX_IMAGE_BYTES
from issuer.prompts import ask_secret
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
from ledger.codes import EXIT_OK, exit_code
from ledger.errors import CodedError


def replace(
    case_file: Annotated[Path | None, typer.Argument(help="Case file of the old card.")] = None,
    card: Annotated[
        str | None, typer.Option(help="Instead: the old card's code, as a picture or as SC1:...")
    ] = None,
    words_file: Annotated[
        Path | None, typer.Option(help="File with the holder's 12 words; asked for if absent.")
    ] = None,
    when: Annotated[
        str, typer.Option(help="now; batch: keep it, and send it with others by sc-issuer relay; or never.")
    ] = WHEN[0],
    desk: DeskFolder = DESK,
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
        old = old_card_of(open_case(read_file(case_file, "case_file", max_size=CASE_FILE_MAX_BYTES), secret))
    else:
        old = read_old_card(read_card_codes(str(card)))
    check_holder(old, secret)
    if when == "never":
        out.print("Nothing is sent: the old card goes on to read as it does.")
        return
    config, client = open_client(desk, cli_desk.make_client)
    view = open_view(client.bundle(), bytes.fromhex(config.charter))
    status = view.status(old.claims.uri, old.claims.idx)
    entry = sign_replacement(old, secret, status=status, now_s=now_s())
    if when == "batch":
        out.print(f"Kept: {keep_for_later(desk, entry)}; send it within two months", markup=False)
        return
    out.print(f"Registered at index {relay_statement(client, entry).index}", markup=False)


def relay(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Statements of holders; all that the desk keeps if absent.")
    ] = None,
    desk: DeskFolder = DESK,
) -> None:
    """Send the replacements that bearers signed and the desk kept; what is registered is deleted here."""
    _, client = open_client(desk, cli_desk.make_client)
    worst = EXIT_OK
    for path in files or waiting(desk):
        try:
            out.print(f"{path.name}: registered at index {relay_file(client, path).index}", markup=False)
        except CodedError as error:
            err.print(f"{path.name}: {error}", markup=False)
            worst = max(worst, exit_code(error.code))
    if worst != EXIT_OK:
        raise typer.Exit(worst)


def read_card_codes(source: str) -> list[str]:
    """Return the codes of a card: a text itself, or all in a picture."""
    if source.startswith(PREFIX):
        return [source]
    return read_symbols(read_file(Path(source), "card", max_size=MAX_IMAGE_BYTES))


def subject_from(given: str | None) -> str | None:
    """Return a subject: what was typed, or that of the card whose code was given."""
    if given is None or not (given.startswith(PREFIX) or Path(given).is_file()):
        return given
    return subject_of(read_card_codes(given))
