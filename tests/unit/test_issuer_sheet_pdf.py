"""Papers of a batch: pages in order, marks that say which belongs to which, codes that read back."""

from __future__ import annotations

from datetime import UTC, datetime

import pypdfium2
import pytest

from issuer.errors import InputError
from issuer.qr import read_symbols
from issuer.sheet_pdf import (
    CHECKLIST_LINES_PER_PAGE,
    ChecklistLine,
    SlipPage,
    WordsPage,
    render_checklist,
    render_slips,
    render_words_sheets,
)

CREATED = datetime(2026, 11, 22, tzinfo=UTC)


def texts(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [str(page.get_textpage().get_text_range()) for page in document]
    finally:
        document.close()


def test_each_bearer_has_a_page_with_the_words_and_the_mark() -> None:
    pages = [WordsPage([f"{name}{n}" for n in range(12)], f"0007 / {name}") for name in ("ant", "bee")]
    first, second = texts(render_words_sheets(pages, created=CREATED))
    assert "ant11" in first
    assert "0007 / ant" in first
    assert "bee0" in second
    assert "bee" not in first


def test_each_slip_has_a_page_and_reads_back() -> None:
    slips = [SlipPage("SCK1:AAAA", "0001 / 1"), SlipPage("SCK1:BBBB", "0001 / 2")]
    pdf = render_slips(slips, created=CREATED)
    document = pypdfium2.PdfDocument(pdf)
    try:
        read = [read_symbols(page.render(scale=2).to_pil()) for page in document]
    finally:
        document.close()
    assert read == [["SCK1:AAAA"], ["SCK1:BBBB"]]
    assert ["0001 / 2" in text for text in texts(pdf)] == [False, True]


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (CHECKLIST_LINES_PER_PAGE, 1), (100, 3)])
def test_the_checklist_shows_key_and_reference_of_each(count: int, pages: int) -> None:
    lines = [ChecklistLine(n, f"case/{n:03}" + "x" * 50, f"REF{n:05}") for n in range(1, count + 1)]
    found = texts(render_checklist("0001", lines, created=CREATED))
    assert len(found) == pages
    whole = "".join(found).replace("\r\n", " ")
    assert all(line.reference in whole and line.row_key in whole for line in lines)


def test_no_page_at_all_is_refused() -> None:
    with pytest.raises(InputError):
        render_words_sheets([], created=CREATED)
    with pytest.raises(InputError):
        render_slips([], created=CREATED)
