"""What leaves the desk for one person, in the order in which it matters.

The case file and the words come first: without them a registered credential could never be printed again.
The prints can be made again at any time.

    for line in hand_out(folder, issued, words=WORDS_ON_SHEET, print_name=False, created=midnight):
        show(line)
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from credential.core.case_file import open_case
from issuer.cards import make_words_sheet, print_card, stem_of, write_prints
from issuer.desk import Issued
from issuer.files import replace_file, write_new

WORDS_ON_SHEET: Final = "sheet"
WORDS_ON_SCREEN: Final = "screen"
WORDS_KNOWN: Final = "known"


def hand_out(
    folder: Path, issued: Issued, *, words: str, print_name: bool, created: datetime
) -> Iterator[str]:
    """Write case file, words and prints, and yield the lines that the clerk reads.

    Args:
        folder: where to.
        issued: the credential.
        words: how the bearer gets them: `WORDS_ON_SHEET`, `WORDS_ON_SCREEN`, or `WORDS_KNOWN`, not at all.
        print_name: whether the bearer wants the name on the card.
        created: date in the PDF files; a whole day.

    Raises:
        InputError: a case file of this name is there, or a name is wanted and there is none.
        IssuerError: as `issuer.cards.print_card`; storage_failed. Case file and words are written then.
    """
    stem = stem_of(issued.case_file)
    write_new(folder / f"{stem}.case", issued.case_file)
    if words == WORDS_ON_SHEET:
        replace_file(folder / f"{stem}-words.pdf", make_words_sheet(issued.secret, created=created))
        yield f"{stem}: print the words sheet, hand it over, and delete its file"
    elif words == WORDS_ON_SCREEN:
        yield f"{stem}: words: {issued.words}"
    print_again(folder, issued.case_file, issued.secret, print_name=print_name, created=created)
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
