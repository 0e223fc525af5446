"""From a case file to prints whose codes have been read back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from credential.core.card import parse_card
from credential.core.case_file import Case, open_case
from credential.core.issue import PersonClaims
from credential.core.qr_text import parse_qr_text, parse_seal_keys
from credential.core.sealed_disclosure import open_sealed
from issuer import cards
from issuer.cards import CardPrints, make_codes, make_words_sheet, print_card, stem_of, write_prints
from issuer.errors import InputError, IssuerError
from issuer.qr import make_symbol, read_symbols, symbol_png
from tests.support.desks import PORTRAIT, DeskWorld, person
from tests.support.ledgers import CountedBytes

CREATED = datetime(2026, 11, 15, tzinfo=UTC)


def issued(folder: Path, claims: PersonClaims, *, offline: bool = False) -> tuple[Case, bytes, bytes]:
    world = DeskWorld(folder)
    world.ledger.offline = offline
    done = world.desk.issue_person(claims)
    return open_case(done.case_file, done.secret), done.secret, done.case_file


def printed(case: Case, secret: bytes, *, print_name: bool = False) -> CardPrints:
    return print_card(
        case, secret, random_bytes=CountedBytes("print"), created=CREATED, print_name=print_name
    )


def test_every_picture_reads_as_its_code(tmp_path: Path) -> None:
    case, secret, _ = issued(tmp_path, person(PORTRAIT))
    prints = printed(case, secret, print_name=True)
    codes = prints.codes
    expected = {"front": codes.front, "back": codes.back, "portrait": codes.portrait, "slip": codes.slip}
    assert {name: read_symbols(picture) for name, picture in prints.pictures.items()} == {
        name: [text] for name, text in expected.items()
    }
    assert prints.card_pdf.startswith(b"%PDF")


def test_the_slip_opens_every_sealed_part_of_both_backs(tmp_path: Path) -> None:
    case, secret, _ = issued(tmp_path, person(PORTRAIT))
    codes = make_codes(case.logged(), secret, CountedBytes("codes"))
    assert codes.portrait is not None
    keys = parse_seal_keys(codes.slip).keys
    found = set()
    for text in (codes.back, codes.portrait):
        for sealed in parse_card(parse_qr_text(text)).sealed:
            for key in keys.values():
                try:
                    found.add(open_sealed(sealed, key))
                except Exception:
                    continue
    ages = case.logged().parts()["ages"].content
    assert found == set(case.disclosures) - {ages}


def test_the_printed_position_is_the_ledger_s(tmp_path: Path) -> None:
    case, secret, _ = issued(tmp_path, person())
    front = parse_card(parse_qr_text(make_codes(case.logged(), secret, CountedBytes("codes")).front))
    assert front.position is not None
    assert (front.position.index, front.position.path) == (case.index, case.path)
    assert front.entry == case.entry


def test_someone_of_whom_nothing_is_known_gets_the_same_papers_as_everybody(tmp_path: Path) -> None:
    sizes = []
    for number, claims in enumerate((PersonClaims(), person())):
        (folder := tmp_path / str(number)).mkdir()
        case, secret, _ = issued(folder, claims)
        prints = printed(case, secret)
        assert set(prints.pictures) == {"front", "back", "slip"}
        sizes.append(len(prints.codes.back))
    assert sizes[0] == sizes[1]


def test_a_card_that_is_not_registered_says_so_and_has_no_position(tmp_path: Path) -> None:
    case, secret, _ = issued(tmp_path, person(), offline=True)
    prints = printed(case, secret)
    assert parse_card(parse_qr_text(prints.codes.front)).position is None
    listed = printed(*issued_in(tmp_path / "listed"))
    assert prints.card_pdf != listed.card_pdf


def issued_in(folder: Path) -> tuple[Case, bytes]:
    folder.mkdir()
    case, secret, _ = issued(folder, person())
    return case, secret


def test_a_name_that_is_not_there_cannot_be_printed(tmp_path: Path) -> None:
    case, secret, _ = issued(tmp_path, PersonClaims())
    with pytest.raises(InputError) as error:
        printed(case, secret, print_name=True)
    assert error.value.field == "print-name"


def test_a_picture_that_does_not_read_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, secret, _ = issued(tmp_path, person())
    blank = symbol_png(make_symbol("SC1:OTHER", max_version=20))
    monkeypatch.setattr(cards, "symbol_png", lambda *_: blank)
    with pytest.raises(IssuerError) as error:
        printed(case, secret)
    assert error.value.field == "qr"


def test_names_of_files_say_nothing_about_the_person(tmp_path: Path) -> None:
    case, secret, case_file = issued(tmp_path, person())
    stem = stem_of(case_file)
    folder = tmp_path / "out"
    folder.mkdir()
    write_prints(folder, stem, printed(case, secret))
    names = {path.name for path in folder.iterdir()}
    assert names == {
        f"{stem}-{part}" for part in ("front.png", "back.png", "slip.png", "card.pdf", "slip.pdf")
    }
    assert stem == f"card-{case.logged().claims.sub}"


def test_the_words_have_a_sheet_of_their_own(tmp_path: Path) -> None:
    case, secret, _ = issued(tmp_path, person())
    sheet = make_words_sheet(secret, created=CREATED)
    assert sheet.startswith(b"%PDF")
    assert sheet not in printed(case, secret).files("x").values()
