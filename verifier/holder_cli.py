"""Key binding on the command line: a station's challenge, and a holder's answer to it.

    $ sc-verifier nonce --aud hut-7
    $ sc-verifier present card.case --words-file words --challenge "SCN1:..." --open names
    $ sc-verifier verify presentation.png --aud hut-7 --nonce 00112233445566778899AABBCCDDEEFF

`present` does what a phone wallet does: it runs on the holder's own device, never at a station. It reads a case
file or the codes of the card, takes the keys from the twelve words, and keeps neither.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from credential.core.card import LoggedCredential, seal_keys
from credential.core.case_file import CASE_FILE_MAX_BYTES, open_case
from credential.core.challenge import NONCE_BYTES, Challenge, format_challenge
from credential.core.holder import parse_words
from credential.core.presentation import present as present_card
from credential.core.qr_text import SealKeys, parse_qr_text
from credential.errors import CredentialError
from credential.symbols import QrSymbol, make_symbol, symbol_png
from verifier.core.card import merge_cards, read_card
from verifier.core.unsealing import unseal
from verifier.errors import StationError
from verifier.images import read_codes
from verifier.screen import show_symbol
from verifier.sources import (
    read_challenge,
    read_file,
    read_nonce,
    read_source,
    read_texts,
    read_time,
    texts_of,
)

StationName = Annotated[
    str, typer.Option("--aud", envvar="SAFECONDUCT_STATION_NAME", help="Name of the station.")
]
Nonce = Annotated[str | None, typer.Option(help="The station's nonce, in hexadecimal digits.")]
PRESENTATION: Final = Path("presentation.png")
_out: Final = Console(emoji=False, highlight=False, soft_wrap=True)
_CASE_FILE_START: Final = b"\xd0"
_MAX_VERSION: Final = 40
_SCALE: Final = 6
_WORDS_MAX_BYTES: Final = 4096


def nonce(
    aud: StationName,
    out: Annotated[Path | None, typer.Option(help="Write the challenge as a PNG, too.")] = None,
) -> None:
    """Draw a nonce for one presentation to this station, and show it as a code."""
    drawn = secrets.token_bytes(NONCE_BYTES)
    try:
        text = format_challenge(Challenge(aud, drawn))
    except ValueError as error:
        raise StationError("usage", str(error), field="aud") from error
    symbol = make_symbol(text, max_version=_MAX_VERSION)
    if out is not None:
        out.write_bytes(symbol_png(symbol, _SCALE))
    _out.print(f"nonce: {drawn.hex()}", markup=False)
    _out.print(f"challenge: {text}", markup=False)
    show_symbol(_out, symbol)


def present(
    sources: Annotated[list[str], typer.Argument(help="A case file, or images, texts or codes of one card.")],
    words_file: Annotated[
        Path | None, typer.Option(help="File with the 12 words; else they are asked for.")
    ] = None,
    aud: Annotated[str | None, typer.Option(help="Name of the station.")] = None,
    nonce: Nonce = None,
    challenge: Annotated[
        str | None, typer.Option(help="The station's code instead of --aud and --nonce: a file or SCN1:...")
    ] = None,
    opened: Annotated[
        str, typer.Option("--open", help="Parts to open beside what must be open, such as names,birth.")
    ] = "",
    at: Annotated[
        str | None, typer.Option(help="Time to sign, where the clock of the device is wrong.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where to write the code as a PNG.")] = PRESENTATION,
) -> None:
    """Show a card of yours to one station: only what you choose, with proof that it is yours.

    For the holder's own device. What must be open is always open.
    """
    asked = _asked(aud, nonce, challenge)
    iat_s = read_time(at)
    secret = _read_words(words_file)
    logged = _read_own_card(sources, secret)
    chosen = [name.strip() for name in opened.split(",") if name.strip()]
    try:
        text = present_card(logged, secret, chosen, aud=asked[0], iat_s=iat_s, cnonce=asked[1])
    except ValueError as error:
        raise StationError("usage", str(error), field="present") from error
    picture = symbol_png(_fitting_symbol(text), _SCALE)
    if read_codes(picture) != [text]:
        raise StationError("bad_input", "the picture does not read as its code", field="qr")
    out.write_bytes(picture)
    typer.echo(text)


def _asked(aud: str | None, nonce: str | None, challenge: str | None) -> tuple[str, bytes | None]:
    """Return the station's name and nonce, however they were given."""
    if challenge is not None:
        if aud is not None or nonce is not None:
            raise StationError("usage", "give --challenge, or --aud and --nonce", field="challenge")
        read = read_challenge(challenge)
        return read.aud, read.cnonce
    if not aud:
        raise StationError("usage", "give the name of the station", field="aud")
    return aud, None if nonce is None else read_nonce(nonce)


def _read_words(path: Path | None) -> bytes:
    if path is None:
        return parse_words(str(typer.prompt("Your 12 words", hide_input=True)))
    try:
        return parse_words(read_file(path, _WORDS_MAX_BYTES).decode())
    except UnicodeDecodeError as error:
        raise StationError("bad_input", "the words are a text in UTF-8", field="words-file") from error


def _read_own_card(sources: list[str], secret: bytes) -> LoggedCredential:
    """Return the card with every part that the sources and the words open."""
    texts = []
    for source in sources:
        data = b"" if source.startswith("SC1:") else read_source(source)
        if data[:1] == _CASE_FILE_START and len(data) <= CASE_FILE_MAX_BYTES:
            if len(sources) > 1:
                raise StationError("usage", "give one case file, or codes of one card", field="sources")
            return open_case(data, secret).logged()
        texts += texts_of(data) if data else read_texts(source)
    cards = merge_cards(read_card(parse_qr_text(text)) for text in texts)
    if len(cards) != 1:
        raise StationError("usage", "give one case file, or codes of one card", field="sources")
    [card] = cards
    printed = unseal(card, SealKeys(card.claims.sub, seal_keys(secret, card.claims)))
    return LoggedCredential(printed.entry, printed.header.position, printed.header.opened)


def _fitting_symbol(text: str) -> QrSymbol:
    """Return the symbol of a presentation; a portrait needs the lower error correction of a screen."""
    try:
        return make_symbol(text, max_version=_MAX_VERSION)
    except CredentialError as error:
        if error.code != "too_large":
            raise
    return make_symbol(text, max_version=_MAX_VERSION, error_correction="L")
