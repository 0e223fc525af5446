"""Loads the words of a language from the package.

>>> load_wording().state("expired").now
'The person did not change. Offer renewal.'
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from verifier.core.wording import Wording, parse_wording
from verifier.errors import StationError

LANGUAGES: Final = ("en",)
"""Those of the Python station; the phone page has every file of `verifier/data`."""


@cache
def load_wording(language: str = "en") -> Wording:
    """Return the words of a language; the files are part of the package, as constant as code.

    Raises:
        StationError: code bad_input, there is no such language.
    """
    if language not in LANGUAGES:
        raise StationError("bad_input", "no words in this language", field="language")
    return parse_wording(resources.files("verifier").joinpath("data", f"{language}.json").read_bytes())
