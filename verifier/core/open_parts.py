"""What the bearer chose to show: the disclosed claims of a card, checked and decoded.

docs/protocol.md, section 6. Each disclosure must match a digest that the issuer signed (`bad_disclosure`);
its value must be of the form in docs/safeconduct.cddl (`malformed`). A padded value that is null was not
said and is not shown. Claims that this version does not know
are kept as they are: the issuer signed them and the bearer shows them.

>>> read_answers({18: [1, 2030 * 4]}, judged_s=1_790_000_000)
{18: 'yes'}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import lt
from typing import Any, Final

from credential.core.birth import BASES
from credential.core.disclosure import disclosure_digest, parse_disclosure
from credential.core.issue import SCOPES, SEXES
from credential.core.names import KINDS, LATIN, LATIN_MAX_CHARACTERS, SCRIPT_TAG, TEXT_MAX_BYTES
from credential.core.padding import parse_padded
from credential.core.sd_cwt import disclose_top_level
from ledger.core import calendar_days
from ledger.core.cbor import REDACTED_KEYS
from ledger.core.claims import CLAIM_STATUS, CLAIM_SUB, CLAIM_VCT
from ledger.core.fields import is_seen
from ledger.errors import MalformedError
from verifier.core.card import Card
from verifier.core.evidence import CompanionRight, format_day

AGES: Final = "ages"
COMPANION: Final = "companion"
_ANSWERS: Final = ("no", "yes", "cannot_exclude")
_CANNOT_EXCLUDE: Final = 2
_HASH_BYTES: Final = 16
_FIRST_QUARTER: Final = 4
_LAST_QUARTER: Final = 9999 * 4 + 3
# [salt, {age: [answer, quarter], ...}, "ages"] with ages below 24 and quarters of two bytes.
_AGES_DISCLOSURE: Final = re.compile(
    rb"\x83\x50.{16}([\xa1-\xb7])((?:[\x01-\x17]\x82[\x00-\x02]\x19[\x01-\xff].)+)\x64ages", re.DOTALL
)
_AGE_ROW_BYTES: Final = 6
# Claims in clear that a disclosure must not repeat, beyond those that the draft names itself.
_IN_CLEAR: Final = (CLAIM_SUB, CLAIM_VCT, CLAIM_STATUS)


def open_disclosures(card: Card) -> dict[Any, Any]:
    """Return the claims that the card's open disclosures give, by name.

    Raises:
        DisclosureError: one does not match what the issuer signed (docs/protocol.md, section 10, step 8).
        MalformedError: one is not of the form of a disclosure.
    """
    opened = card.header.opened
    if len(opened) == 1:
        ages = match_ages(opened[0])
        if ages is not None and disclosure_digest(opened[0]) in card.claims.digests:
            return {AGES: ages}
    payload: dict[Any, Any] = dict.fromkeys(_IN_CLEAR)
    payload[REDACTED_KEYS] = list(card.claims.digests)
    claims = disclose_top_level(payload, opened)
    for label in _IN_CLEAR:
        del claims[label]
    return claims


def match_ages(content: bytes) -> dict[int, list[int]] | None:
    """Return the age answers of a disclosure in its common form, or None: decide it the other way.

    The front of every identity card carries exactly this one disclosure. What matches is deterministic
    CBOR by construction, in a quarter of the time of the general parser; a test holds the two together.
    """
    match = _AGES_DISCLOSURE.fullmatch(content)
    if match is None:
        return None
    count, rows = match.groups()
    ages = rows[::_AGE_ROW_BYTES]
    if count[0] - 0xA0 != len(ages) or not all(map(lt, ages, ages[1:])):
        return None
    answers, high, low = rows[2::_AGE_ROW_BYTES], rows[4::_AGE_ROW_BYTES], rows[5::_AGE_ROW_BYTES]
    return {
        age: [answer, first << 8 | last]
        for age, answer, first, last in zip(ages, answers, high, low, strict=True)
    }


def read_answers(value: Any, judged_s: int) -> dict[int, str]:
    """Return age -> answer to "under that age?" as of `judged_s`.

    From the start of its quarter `until` an answer reads cannot_exclude: the benefit of the doubt goes to
    the child (docs/protocol.md, section 6).

    Raises:
        MalformedError: not `ages` of the CDDL.
    """
    if not isinstance(value, dict) or not value:
        raise MalformedError("age answers are a map", field=AGES)
    quarter = _quarter_of_day(judged_s // calendar_days.DAY_S)
    answers = {}
    for age, pair in value.items():
        if type(age) is not int or not 1 <= age <= 99 or type(pair) is not list or len(pair) != 2:
            raise MalformedError("an age answer has an age, an answer and a quarter", field=AGES)
        answer, until = pair
        if type(answer) is not int or not 0 <= answer <= _CANNOT_EXCLUDE:
            raise MalformedError("an answer is 0, 1 or 2", field=AGES)
        if type(until) is not int or not _FIRST_QUARTER <= until <= _LAST_QUARTER:
            raise MalformedError("an answer ends with a quarter", field=AGES)
        answers[age] = _ANSWERS[answer if quarter < until else _CANNOT_EXCLUDE]
    return answers


def read_companion(card: Card, judged_s: int) -> CompanionRight:
    """Return the authorisation that stands open on a companion's card.

    Raises:
        MalformedError: not `companion` of the CDDL.
    """
    parts = (parse_disclosure(content) for content in card.header.opened)
    salt, value = next((part.salt, part.value) for part in parts if part.key == COMPANION)
    match value:
        case [bytes(child), bytes(adult), int(scope), int(until)] if (
            len(child) == len(adult) == _HASH_BYTES
            and type(scope) is type(until) is int  # true is an integer to Python
            and 1 <= scope <= len(SCOPES)
        ):
            last_day = calendar_days.date_of_day(until)
            ended = calendar_days.day_of_seconds(judged_s) > until
            return CompanionRight(SCOPES[scope - 1], last_day, ended, salt, child, adult)
    raise MalformedError("not the form of a companion's authorisation", field=COMPANION)


def read_opened(claims: Mapping[Any, Any]) -> dict[str, Any]:
    """Return every disclosed claim but answers and authorisation, those of known names decoded.

    Args:
        claims: by name; the values of known names are padded. Those that are null are left out.

    Raises:
        MalformedError: a value of a known name is not padded, or not of its form.
    """
    opened: dict[str, Any] = {}
    for name, value in claims.items():
        if name in (AGES, COMPANION):
            continue
        if name == "more" and isinstance(value, dict):
            opened.update(read_opened(value))
        else:
            reader = _READERS.get(name)
            if reader is None:
                opened[str(name)] = value
            elif (said := parse_padded(value, name)) is not None:
                opened[name] = reader(said)
    return opened


@lru_cache(maxsize=4)
def _quarter_of_day(day: int) -> int:
    """Return the quarter of a day; every scan of one day asks for the same."""
    return calendar_days.quarter_of_seconds(day * calendar_days.DAY_S)


def _read_names(value: Any) -> list[dict[str, str]]:
    if not isinstance(value, list) or not value:
        raise MalformedError("names are a list", field="names")
    return [_read_name(item) for item in value]


def _read_name(value: Any) -> dict[str, str]:
    """Read a name as it stands under the digest.

    A desk asks more of a name that is typed (`credential.core.names`), of tables of Unicode that change from version
    to version; two readers of one card must agree for ever, so these are not asked again.
    """
    match value:
        case [str(text), str(script), str(latin), int(kind)] if (
            type(kind) is int
            and 0 <= kind < len(KINDS)
            and 1 <= len(text.encode()) <= TEXT_MAX_BYTES
            and is_seen(text)
            and SCRIPT_TAG.fullmatch(script)
            and len(latin) <= LATIN_MAX_CHARACTERS
            and LATIN.fullmatch(latin)
        ):
            return {"text": text, "script": script, "latin": latin, "kind": KINDS[kind]}
    raise MalformedError("a name is not of its form", field="names")


def _read_birth(value: Any) -> dict[str, str]:
    match value:
        case [int(earliest), int(latest), int(basis), str(calendar), str(told)] if (
            type(earliest) is type(latest) is type(basis) is int
            and 0 <= basis < len(BASES)
            and earliest <= latest
        ):
            return {
                "earliest": format_day(earliest),
                "latest": format_day(latest),
                "basis": BASES[basis],
                "calendar": calendar,
                "told": told,
            }
    raise MalformedError("a birth is not of its form", field="birth")


def _read_sex(value: Any) -> str:
    if type(value) is not int or not 1 <= value <= len(SEXES):
        raise MalformedError("a sex is a number from 1 to 3", field="sex")
    return SEXES[value - 1]


def _read_nationalities(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not all(type(code) is str for code in value):
        raise MalformedError("nationalities are a list of texts", field="nationalities")
    return value


def _read_birthplace(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise MalformedError("a birthplace is a text", field="birthplace")
    return value


def _read_portrait(value: Any) -> bytes:
    if not isinstance(value, bytes) or not value:
        raise MalformedError("a portrait is a byte string", field="portrait")
    return value


_READERS: Final[dict[Any, Callable[[Any], Any]]] = {
    "names": _read_names,
    "birth": _read_birth,
    "sex": _read_sex,
    "nationalities": _read_nationalities,
    "birthplace": _read_birthplace,
    "portrait": _read_portrait,
}
