"""One Node process for all tests of the page's core that run in this process, and one for those of its words."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from scripts import environment, web
from tests.support.phone_page import PhonePage, phone_page


@pytest.fixture(scope="session")
def page() -> Iterator[PhonePage]:
    """The running core."""
    _require_node()
    with phone_page() as running:
        yield running


@pytest.fixture(scope="session")
def page_words() -> Iterator[PhonePage]:
    """The running words of the page: `verifier/web/tests/words.ts`."""
    _require_node()
    with phone_page(web.FOLDER / "tests" / "words.ts") as running:
        yield running


def _require_node() -> None:
    """Skip only in an environment that is said to be ready and has no Node."""
    if web.wheel() is None or not (web.FOLDER / "node_modules").is_dir():
        if os.environ.get(environment.READY_VARIABLE) == "ready":
            pytest.skip("this environment has no packages of the phone page: npm ci in verifier/web")
        pytest.fail("the phone page is not set up: run python3 scripts/test")
