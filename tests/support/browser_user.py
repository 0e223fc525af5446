"""Somebody with a phone in hand: does what a person does, and finds everything by the words that are on the screen.

The words come from the same language files as the page's. Every action is counted; typing and pressing are one each,
looking is none.

    user = User(open_page(server.url), "en")
    user.first_run("border")
    user.check(card.text)
    assert user.sees("states.confirmed.word")
"""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Locator

from scripts import environment, web
from tests.support.browser import LIMIT_S, Phone

WORDS: Final = environment.ROOT / "verifier" / "data"
MASTER: Final = "en"
PSEUDO: Final = ("en-XA", "ar-XB")
FORCED_CARDS: Final = ("age", "stale", "withdrawn", "replaced", "altered")
_ISOLATES: Final = re.compile("[\u2066-\u2069\u200e\u200f]")


@cache
def language_file(code: str) -> Any:
    """The words of a language as they stand in its file, or of a pseudo-locale as the page makes them.

    Raises:
        FileNotFoundError: no file has this code.
    """
    if code in PSEUDO:
        return _pseudo_file(code)
    return json.loads((WORDS / f"{code}.json").read_text("utf-8"))


def _pseudo_file(code: str) -> Any:
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ pseudoFile }} from "{(web.FOLDER / "src" / "words" / "pseudo.ts").as_uri()}";
        const english = JSON.parse(readFileSync({json.dumps(str(WORDS / f"{MASTER}.json"))}, "utf-8"));
        process.stdout.write(JSON.stringify(pseudoFile(english, "{code}")));"""
    done = subprocess.run(
        [web.node(), "--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script],
        capture_output=True,
        env=web.node_environment(),
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


class User:
    """A person with a phone."""

    def __init__(self, phone: Phone, language: str = MASTER) -> None:
        self.phone = phone
        self.page = phone.page
        self.language = language
        self.actions = 0

    # -- words ------------------------------------------------------------------------------------------

    def text(self, path: str, **values: object) -> str:
        """A sentence by its path; a place that no value is given for stands for any text in `pattern` only."""
        found = _at(self.language, path)
        return re.sub(r"\{(\w+)\}", lambda match: str(values.get(match[1], match[0])), found)

    def pattern(self, path: str) -> re.Pattern[str]:
        """What finds a sentence on the screen, whatever stands in its places."""
        parts = re.split(r"\{\w+\}", _ISOLATES.sub("", _at(self.language, path)))
        return re.compile(".*".join(re.escape(part) for part in parts))

    # -- what is seen -----------------------------------------------------------------------------------

    def screen(self) -> str:
        """All text on the screen, without the marks that keep directions apart."""
        return _ISOLATES.sub("", self.page.locator("body").inner_text())

    def sees(self, path: str, limit_s: float = LIMIT_S) -> bool:
        """Wait until a sentence is on the screen.

        Raises:
            AssertionError: it is not within the limit.
        """
        wanted = self.pattern(path)
        return bool(
            self.phone.wait_until(f"“{wanted.pattern}”", lambda: wanted.search(self.screen()), limit_s)
        )

    def heading(self) -> str:
        """The heading of the screen."""
        return self.page.get_by_role("heading", level=1).inner_text()

    def word(self) -> str:
        """The word of the result that leads, once there is a result."""
        self.sees("phone.show.title")
        return _ISOLATES.sub("", self.page.locator(".verdict .word, .word").first.inner_text())

    # -- what is done -----------------------------------------------------------------------------------

    def press(self, path: str, **values: object) -> None:
        """Press the button with this label."""
        self._find("button", path, **values).click()
        self.actions += 1

    def choose(self, path: str) -> None:
        """Press the button whose label begins with these words."""
        self.page.get_by_role("button", name=re.compile("^" + re.escape(self.text(path)))).click()
        self.actions += 1

    def first_run(self, post: str = "border") -> None:
        """Go through the three screens and the five practice cards, and start."""
        self.press("phone.practice.next")
        self.press("phone.practice.next")
        self.choose(f"phone.settings.posts.{post}")
        for name in FORCED_CARDS:
            self.press(f"phone.practice.cards.{name}.right")
        # The camera may see a card at once: what comes next is for the test to say.
        self.press("phone.practice.start")

    def check(self, text: str) -> None:
        """Type the text of a code and let it be checked."""
        field = self.page.get_by_label(self.text("phone.scan.text"), exact=True)
        summary = self.page.get_by_text(self.text("phone.scan.text_summary"), exact=True)

        def type_it() -> bool:
            # The field opens by itself where the camera turns out to be missing.
            if not field.is_visible():
                summary.click(timeout=1000)
                self.actions += 1
            field.fill(text, timeout=1000)
            return True

        self.phone.wait_until("the field for text", type_it)
        self.press("page.check")
        self.actions += 1

    def again(self) -> None:
        """Leave the result for the next card."""
        self.press("page.again")
        self.sees("phone.scan.title")

    def together(self) -> None:
        """Go on to one more card of the same check."""
        labels = [self.text(f"phone.show.together.{who}") for who in ("adult", "child", "more")]
        button = self.page.get_by_role("button", name=re.compile("|".join(map(re.escape, labels))))
        button.first.click()
        self.actions += 1

    def hide(self) -> None:
        """Close what the bearer opened."""
        opened = self.page.get_by_role("group", name=self.text("phone.show.opened.title"))
        opened.get_by_role("button", name=self.text("phone.show.opened.opened"), exact=True).click()
        self.actions += 1

    def go_to(self, tab: str) -> None:
        """Go to a part of the station: scan, lists or settings."""
        self.press(f"phone.app.tabs.{tab}")

    def _find(self, role: Any, path: str, **values: object) -> Locator:
        return self.page.get_by_role(role, name=self.text(path, **values), exact=True)


def _at(language: str, path: str) -> str:
    value: Any = language_file(language)
    for key in path.split("."):
        value = value[key]
    assert isinstance(value, str), path
    return value


def languages() -> list[Path]:
    """The language files that there are."""
    return sorted(WORDS.glob("*.json"))
