"""One Node process for all tests of the page's core that run in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.phone_page import PhonePage, phone_page


@pytest.fixture(scope="session")
def page() -> Iterator[PhonePage]:
    with phone_page() as running:
        yield running
