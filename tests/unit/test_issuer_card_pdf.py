"""Prints: codes that read from a bad copy, every name in its own script, nothing that outs or betrays."""

from __future__ import annotations

import pathlib
import random
import re
from dataclasses import fields, replace
from datetime import UTC, datetime

import pypdfium2
import pytest
import uharfbuzz
from PIL import Image, ImageFilter

from credential.core.base45 import encode
from credential.core.names import Name, name_from_input
from credential.errors import CredentialError
from issuer.card_pdf import (
    BACK_MAX_VERSION,
    CARD_HEIGHT_MM,
    CARD_WIDTH_MM,
    CardFace,
    render_batch,
    render_card,
)
from issuer.card_words import ENGLISH, CardWords
from issuer.errors import InputError, IssuerError
from issuer.fonts import (
    REGULAR,
    SCRIPTS,
    can_print,
    font_for,
    missing_characters,
    split_word,
    text_width_em,
    wrap_text,
)
from issuer.person import Person, parse_person, primary_name
from issuer.qr import CAPACITY_BYTES, PREFIX, read_back, read_symbols
from issuer.sheet_pdf import render_slip, render_words_sheet

CREATED = datetime(2026, 11, 22, tzinfo=UTC)
PERSONS = sorted((pathlib.Path(__file__).parents[1] / "data" / "persons").glob("p*.json"))
WORDS = tuple(f"word{place}" for place in range(1, 13))
LEFT_MM = (210 - 2 * CARD_WIDTH_MM) / 2


def card_text(size_bytes: int, seed: int = 1) -> str:
    return PREFIX + encode(random.Random(seed).randbytes(size_bytes))


def face(
    front_bytes: int = 600, back_bytes: int | None = None, name: Name | None = None, seed: int = 1
) -> CardFace:
    back = None if back_bytes is None else card_text(back_bytes, seed + 1000)
    return CardFace(
        card_text(front_bytes, seed),
        back,
        "Registry of Examplia",
        ("Attestation",),
        "4F7K",
        "1 January 2028",
        name,
    )


def page_image(pdf: bytes, dpi: int, page: int = 0) -> Image.Image:
    document = pypdfium2.PdfDocument(pdf)
    try:
        image: Image.Image = document[page].render(scale=dpi / 72).to_pil()
        return image.convert("L")
    finally:
        document.close()


def pixels(box: tuple[float, float, float, float], dpi: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(side / 25.4 * dpi) for side in box)
    return left, top, right, bottom


def page_text(pdf: bytes, page: int = 0) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return str(document[page].get_textpage().get_text_range())
    finally:
        document.close()


def persons() -> list[Person]:
    return [parse_person(path.read_bytes()) for path in PERSONS]


def ink(image: Image.Image) -> int:
    return sum(image.histogram()[:200])


@pytest.mark.parametrize("seed", range(4))
def test_the_front_code_reads_from_a_turned_and_blurred_copy(seed: int) -> None:
    card = face(600, seed=seed)
    page = page_image(render_card(card, created=CREATED), 150)
    bad_copy = page.rotate(7, resample=Image.Resampling.BICUBIC, fillcolor=255).filter(
        ImageFilter.GaussianBlur(0.8)
    )
    assert read_symbols(bad_copy) == [card.front_text]


@pytest.mark.parametrize("front_bytes", [100, 603, 644])
@pytest.mark.parametrize("back_bytes", [None, 300, CAPACITY_BYTES[BACK_MAX_VERSION]])
def test_both_codes_read_back_from_the_page(front_bytes: int, back_bytes: int | None) -> None:
    card = face(front_bytes, back_bytes)
    expected = tuple(text for text in (card.front_text, card.back_text) if text)
    read_back(page_image(render_card(card, created=CREATED), 300), expected)


@pytest.mark.parametrize(
    ("front_bytes", "back_bytes"), [(645, None), (600, CAPACITY_BYTES[BACK_MAX_VERSION] + 1)]
)
def test_a_code_that_does_not_fit_its_side_is_too_large(front_bytes: int, back_bytes: int | None) -> None:
    with pytest.raises(CredentialError) as caught:
        render_card(face(front_bytes, back_bytes), created=CREATED)
    assert caught.value.code == "too_large"


def test_nothing_is_printed_outside_the_card_but_marks_and_the_hint() -> None:
    page = page_image(render_card(face(644, 1500), created=CREATED), 200)
    box = (LEFT_MM - 6, 18 - 6, LEFT_MM + 2 * CARD_WIDTH_MM + 6, 18 + CARD_HEIGHT_MM + 20)
    page.paste(255, pixels(box, 200))
    assert ink(page) == 0


def test_the_margins_of_the_card_stay_light() -> None:
    page = page_image(render_card(face(644, 1500), created=CREATED), 200)
    for left in (LEFT_MM + 0.2, LEFT_MM + 2 * CARD_WIDTH_MM - 1.2):
        strip = (left, 18.0, left + 1, 18 + CARD_HEIGHT_MM)
        assert ink(page.crop(pixels(strip, 200))) == 0


def test_equal_input_gives_equal_bytes() -> None:
    card = face(600, 800, name_from_input("ሰላም", "SELAM"))
    assert render_card(card, created=CREATED) == render_card(card, created=CREATED)


def test_the_document_names_no_author_title_or_holder() -> None:
    pdf = render_card(face(name=name_from_input("Hosna", "HOSNA")), created=CREATED)
    document = pypdfium2.PdfDocument(pdf)
    metadata = {key: value for key, value in document.get_metadata_dict().items() if value}
    document.close()
    assert set(metadata) == {"Producer", "CreationDate"}
    assert metadata["CreationDate"].startswith("D:20261122")
    assert b"Hosna" not in pdf
    assert b"HOSNA" not in pdf


def test_a_name_is_printed_only_if_it_is_given() -> None:
    assert "HOSNA" not in page_text(render_card(face(), created=CREATED)).upper()
    named = face(name=name_from_input("Hosna", "HOSNA"))
    assert "Hosna" in page_text(render_card(named, created=CREATED))


def test_the_card_is_neutral() -> None:
    every_word = " ".join(str(getattr(ENGLISH, item.name)) for item in fields(CardWords)).lower()
    printed = page_text(render_card(face(600, 800), created=CREATED)).lower()
    for label in ("refugee", "victim", "traffick", "asylum", "migrant", "stateless", "survivor"):
        assert label not in every_word
        assert label not in printed


@pytest.mark.parametrize("path", PERSONS, ids=lambda path: path.stem)
def test_every_name_has_a_glyph_for_every_character(path: pathlib.Path) -> None:
    for name in parse_person(path.read_bytes()).names:
        if name.script in SCRIPTS:
            assert missing_characters(name.text, name.script) == frozenset()
        else:
            assert not can_print(name.text)
        assert can_print(name.latin)


def test_every_record_renders_and_its_codes_read_back() -> None:
    faces = [face(569, name=primary_name(person), seed=seed) for seed, person in enumerate(persons())]
    pdf = render_batch(faces, created=CREATED)
    for page in range(0, 15, 5):
        texts = tuple(card.front_text for card in faces[page * 4 : page * 4 + 4])
        read_back(page_image(pdf, 200, page), texts)


@pytest.mark.parametrize("place", [0, 14, 28, 29, 57])
def test_a_name_stays_inside_its_place(place: int) -> None:
    """The longest names, and one without a font, touch neither the code nor the facts below them."""
    long_issuer = "Consulate General of Northmark in the Twin Harbours Free Zone"
    named = replace(face(603), issuer_name=long_issuer, title=("Attestation", "of identity data"))
    with_name = replace(named, printed_name=primary_name(persons()[place]))
    millimetre = 300 / 25.4
    blank = page_image(render_card(named, created=CREATED), 300)
    filled = page_image(render_card(with_name, created=CREATED), 300)
    changed = Image.frombytes(
        "L", blank.size, bytes(a ^ b for a, b in zip(blank.tobytes(), filled.tobytes(), strict=True))
    )
    box = changed.getbbox()
    assert box is not None
    left, top, right = (side / millimetre for side in box[:3])
    assert left >= LEFT_MM + 1.75 + 50.5
    assert right <= LEFT_MM + CARD_WIDTH_MM - 3.5
    assert top >= 18 + 4
    only_facts = blank.crop(
        (round((LEFT_MM + 53) * millimetre), box[1], round((LEFT_MM + 85) * millimetre), box[3])
    )
    assert ink(only_facts) == 0, "the name overlaps what stands on the card without it"


def test_arabic_letters_are_joined() -> None:
    joined = text_width_em("مريم", "Arab")
    apart = sum(text_width_em(letter, "Arab") for letter in "مريم")
    assert joined < 0.9 * apart


def test_devanagari_conjuncts_are_narrower_than_their_letters() -> None:
    assert text_width_em("क्ष", "Deva") < text_width_em("क", "Deva") + text_width_em("ष", "Deva")


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_every_font_is_drawn_in_its_regular_style(script: str) -> None:
    font = font_for(script)
    face_ = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(font.path)))
    defaults = {axis.tag: axis.default_value for axis in face_.axis_infos}
    assert (defaults == REGULAR) is font.is_regular


def test_a_script_without_a_font_is_unsupported() -> None:
    with pytest.raises(IssuerError) as caught:
        font_for("Hani")
    assert caught.value.code == "unsupported"


def test_lines_break_at_spaces_and_long_words_between_letters() -> None:
    assert wrap_text("one two three", "Latn", 4.3) == ["one two", "three"]
    pieces = split_word("မြင့်မြတ်သူ", "Mymr", 1.5)
    assert len(pieces) > 1
    assert "".join(pieces) == "မြင့်မြတ်သူ"
    assert all(not 0x102B <= ord(piece[0]) <= 0x103E for piece in pieces)


def test_a_layout_from_the_right_puts_the_texts_at_the_right() -> None:
    arabic = replace(ENGLISH, language="ar", issued_by="صادرة عن", back_title="عن", back_lines=("حاملها",))
    back = (LEFT_MM + CARD_WIDTH_MM + 2, 19, LEFT_MM + 2 * CARD_WIDTH_MM - 2, 71)
    image = page_image(render_card(face(), arabic, created=CREATED), 150).crop(pixels(back, 150))
    middle = image.width // 2
    assert ink(image.crop((0, 0, middle, image.height))) == 0
    assert ink(image.crop((middle, 0, image.width, image.height))) > 0


def test_the_sheet_carries_the_words_in_their_order_and_no_code() -> None:
    pdf = render_words_sheet(WORDS, created=CREATED)
    text = page_text(pdf)
    assert re.findall(r"word\d+", text) == list(WORDS)
    assert read_symbols(page_image(pdf, 150)) == []
    assert len(pypdfium2.PdfDocument(pdf)) == 1


@pytest.mark.parametrize("count", [0, 11, 13, 24])
def test_a_sheet_of_other_than_twelve_words_is_refused(count: int) -> None:
    with pytest.raises(InputError):
        render_words_sheet(("word",) * count, created=CREATED)


def test_the_slip_reads_back_from_a_turned_and_blurred_copy() -> None:
    text = "SCK1:" + encode(random.Random(3).randbytes(150))
    page = page_image(render_slip(text, created=CREATED), 150)
    bad_copy = page.rotate(7, resample=Image.Resampling.BICUBIC, fillcolor=255).filter(
        ImageFilter.GaussianBlur(0.8)
    )
    assert read_symbols(bad_copy) == [text]


def test_a_batch_has_four_cards_a_page() -> None:
    pdf = render_batch([face(400, seed=seed) for seed in range(5)], created=CREATED)
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 2
    document.close()
    read_back(page_image(pdf, 200, 1), card_text(400, 4))


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(InputError):
        render_batch([], created=CREATED)
