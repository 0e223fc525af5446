"""From a case file and twelve words to what is handed over: pictures of the codes, card, slip, words.

docs/protocol.md, section 6. Every code is read back from its picture before it is called done. A portrait
does not fit on one side with the other sealed parts, so it gets a second card: the same front, and a back
that opens the portrait alone. The words sheet and the slip are papers of their own.

    prints = print_card(case, secret, random_bytes=secrets.token_bytes, created=midnight)
    prints.files("AbC")          # {"AbC-card.pdf": ..., "AbC-front.png": ..., ...}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from credential.core.card import LoggedCredential, Position, format_back, format_front, seal_keys
from credential.core.case_file import Case, parse_case_file
from credential.core.holder import format_words
from credential.core.names import Name, parse_name
from credential.core.padding import parse_padded
from credential.core.profiles import PORTRAIT
from credential.core.qr_text import PREFIX, SealKeys, format_seal_keys
from credential.errors import CredentialError
from issuer.card_pdf import (
    BACK_MAX_VERSION,
    FRONT_MAX_VERSION,
    CardFace,
    render_batch,
)
from issuer.errors import InputError, IssuerError
from issuer.files import replace_file
from issuer.qr import make_symbol, read_back, symbol_image, symbol_png, version_for
from issuer.sheet_pdf import SLIP_MAX_VERSION, render_slip, render_words_sheet
from ledger.core.calendar_days import date_of_seconds
from ledger.core.cells import CELL_PATH_SIZE_BYTES

TITLE: Final = "Attestation"
PROVISIONAL: Final = "not registered yet"
REFERENCE_CHARACTERS: Final = 8
_PNG_SCALE: Final = 6
_CHECK_SCALE: Final = 3
_FARTHEST: Final = Position(2**32 - 1, bytes(CELL_PATH_SIZE_BYTES))
"""As long as a position gets on a ledger of four thousand million entries."""
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Codes:
    """Texts of the codes of one card; only a portrait may be missing, whatever else is known."""

    front: str
    back: str
    portrait: str | None
    slip: str

    def limits(self) -> dict[str, tuple[str, int]]:
        """Return text and largest version of each code that there is, by name."""
        every = {
            "front": (self.front, FRONT_MAX_VERSION),
            "back": (self.back, BACK_MAX_VERSION),
            "portrait": (self.portrait, BACK_MAX_VERSION),
            "slip": (self.slip, SLIP_MAX_VERSION),
        }
        return {name: (text, version) for name, (text, version) in every.items() if text is not None}


@dataclass(frozen=True, slots=True)
class CardPrints:
    """Everything that is printed for one person but the words.

    Attributes:
        codes: texts of the codes.
        pictures: PNG of each code by name: front, back, portrait, slip.
        card_pdf: one page with the card, and a second card where there is a portrait.
        slip_pdf: the code that opens the sealed parts.
    """

    codes: Codes
    pictures: dict[str, bytes]
    card_pdf: bytes
    slip_pdf: bytes

    def files(self, stem: str) -> dict[str, bytes]:
        """Return the content of each file by its name, which begins with `stem`."""
        named = {f"{stem}-{name}.png": data for name, data in self.pictures.items()}
        named[f"{stem}-card.pdf"] = self.card_pdf
        named[f"{stem}-slip.pdf"] = self.slip_pdf
        return named


def print_card(
    case: Case,
    secret: bytes,
    *,
    random_bytes: RandomBytes,
    created: datetime,
    print_name: bool = False,
) -> CardPrints:
    """Make and check everything that is printed for one person.

    Args:
        case: the opened case file; without a position the card says that it is not registered yet.
        secret: the holder's 16 bytes.
        random_bytes: returns so many bytes from a cryptographic source.
        created: date in the PDF files; a whole day.
        print_name: whether the bearer wants the name on the card.

    Raises:
        InputError: a name is wanted and there is none, or a part that must be open is missing.
        IssuerError: too_large where a code does not fit; bad_input where a picture does not read as its
            code; unsupported where the name is in a script without a font.
    """
    codes = make_codes(case.logged(), secret, random_bytes)
    return CardPrints(
        codes,
        pictures=_make_pictures(codes),
        card_pdf=render_batch(make_faces(case, codes, print_name=print_name), created=created),
        slip_pdf=render_slip(codes.slip, created=created),
    )


def make_faces(case: Case, codes: Codes, *, print_name: bool = False) -> list[CardFace]:
    """Return what is printed on the card, and on a second one where there is a portrait.

    Raises:
        InputError: a name is wanted and there is none.
    """
    logged = case.logged()
    backs = [codes.back] if codes.portrait is None else [codes.back, codes.portrait]
    return [_face(logged, case, codes.front, back, print_name) for back in backs]


def check_codes(codes: Codes) -> None:
    """Read every code back from a picture of it.

    Raises:
        IssuerError: too_large where a code does not fit; bad_input where it does not read as its text.
    """
    for text, max_version in codes.limits().values():
        read_back(symbol_image(make_symbol(text, max_version=max_version), _CHECK_SCALE), text)


def make_words_sheet(secret: bytes, *, created: datetime) -> bytes:
    """Return the page with the holder's twelve words."""
    return render_words_sheet(format_words(secret).split(), created=created)


def write_prints(folder: Path, stem: str, prints: CardPrints) -> None:
    """Write every print of a card; each file is there whole or not at all.

    Raises:
        IssuerError: storage_failed.
    """
    for name, data in prints.files(stem).items():
        replace_file(folder / name, data)


def stem_of(case_file: bytes) -> str:
    """Return how the names of a card's files begin: `card-` and the subject, which is random.

    Raises:
        MalformedError: not a case file.
    """
    return f"card-{parse_case_file(case_file).sub}"


def make_codes(logged: LoggedCredential, secret: bytes, random_bytes: RandomBytes) -> Codes:
    """Return the texts of all codes of a card.

    Raises:
        InputError: a part that must be open is missing.
    """
    claims, profile = logged.claims, logged.profile
    keys = seal_keys(secret, claims)
    without_portrait = [name for name in profile.card.back if name != PORTRAIT]
    back = format_back(logged, keys, random_bytes, leave_out=(PORTRAIT,))
    portrait = None
    if PORTRAIT in logged.said_parts():
        portrait = format_back(logged, keys, random_bytes, leave_out=without_portrait)
    return Codes(format_front(logged), back, portrait, format_seal_keys(SealKeys(claims.sub, keys)))


def check_fit(case: Case, secret: bytes, random_bytes: RandomBytes) -> None:
    """Check, before anything is registered, that every code of the card will fit its side.

    Args:
        case: the case before it has a position; it is judged with the largest one.
        secret: the holder's 16 bytes.
        random_bytes: returns so many bytes from a cryptographic source.

    Raises:
        IssuerError: too_large where names, places and what was told are too long together.
        InputError: a part that must be open is missing.
    """
    too_large = IssuerError(
        "too_large", "names, places and what was told are too long together", field="names"
    )
    try:
        codes = make_codes(LoggedCredential(case.entry, _FARTHEST, case.disclosures), secret, random_bytes)
        sizes = [((len(text) - len(PREFIX)) * 2 // 3, limit) for text, limit in codes.limits().values()]
        fits = all(version_for(size_bytes) <= max_version for size_bytes, max_version in sizes)
    except (ValueError, CredentialError):  # longer than any code holds
        raise too_large from None
    if not fits:
        raise too_large


def _make_pictures(codes: Codes) -> dict[str, bytes]:
    """Return the PNG of each code; each has been read back."""
    pictures = {}
    for name, (text, max_version) in codes.limits().items():
        picture = symbol_png(make_symbol(text, max_version=max_version), _PNG_SCALE)
        read_back(picture, text)
        pictures[name] = picture
    return pictures


def _face(logged: LoggedCredential, case: Case, front: str, back: str | None, print_name: bool) -> CardFace:
    claims = logged.claims
    end = date_of_seconds(claims.exp)
    return CardFace(
        front_text=front,
        back_text=back,
        issuer_name=case.title,
        title=(TITLE,) if case.is_listed else (TITLE, PROVISIONAL),
        reference=claims.sub[:REFERENCE_CHARACTERS],
        valid_until=f"{end.day} {_MONTHS[end.month - 1]} {end.year}",
        printed_name=_first_name(logged) if print_name else None,
    )


def _first_name(logged: LoggedCredential) -> Name:
    part = logged.said_parts().get("names")
    if part is None:
        raise InputError("print-name", "needs a name, and the credential has none")
    return parse_name(parse_padded(part.value, "names")[0])
