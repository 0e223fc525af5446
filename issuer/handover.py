"""What leaves the desk for one person, in the order in which it matters.

The case file and the words come first: without them a registered credential could never be printed again.
The prints can be made again at any time. Only when all is on the disk does the desk erase the words that it
held; a run that was interrupted writes the same files again.

    for line in hand_out(folder, issued, papers, created=midnight, kept=desk.forget):
        show(line)
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from credential.core.case_file import open_case
from issuer.cards import make_words_sheet, print_card, stem_of, write_prints
from issuer.files import replace_file
from issuer.issued import Issued
from issuer.vault import WORDS_ON_SCREEN, WORDS_ON_SHEET, Papers
from ledger.errors import CodedError


def hand_out(
    folder: Path, issued: Issued, papers: Papers, *, created: datetime, kept: Callable[[str], None]
) -> Iterator[str]:
    """Write case file, words and prints, and yield the lines that the clerk reads.

    Args:
        folder: where to.
        issued: the credential.
        papers: how its papers are made.
        created: date in the PDF files; a whole day.
        kept: called with the subject once nothing has to be held any more.

    Raises:
        InputError: a name is wanted and there is none.
        IssuerError: as `issuer.cards.print_card`; case file and words are written then. storage_failed, after
            which the desk still holds everything.
    """
    stem = stem_of(issued.case_file)
    replace_file(folder / f"{stem}.case", issued.case_file)
    if papers.words == WORDS_ON_SHEET:
        replace_file(folder / f"{stem}-words.pdf", make_words_sheet(issued.secret, created=created))
        yield f"{stem}: print the words sheet, hand it over, and delete its file"
    elif papers.words == WORDS_ON_SCREEN:
        yield f"{stem}: words: {issued.words}"
    try:
        print_again(folder, issued.case_file, issued.secret, print_name=papers.print_name, created=created)
    except CodedError as error:
        if error.code != "storage_failed":
            kept(issued.sub)  # trying again would end the same way; case file and words are written
        raise
    kept(issued.sub)
    yield f"{stem}: {'registered' if issued.is_listed else _waiting(issued)}"


def print_again(
    folder: Path, case_file: bytes, secret: bytes, *, print_name: bool, created: datetime
) -> None:
    """Write the prints of a case file: card, slip and a picture of each code; errors as `hand_out`."""
    prints = print_card(
        open_case(case_file, secret),
        secret,
        random_bytes=secrets.token_bytes,
        created=created,
        print_name=print_name,
    )
    write_prints(folder, stem_of(case_file), prints)


def _waiting(issued: Issued) -> str:
    return f"not registered yet ({issued.waits_for}); run: sc-issuer resend"
