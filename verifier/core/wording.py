"""The words of a verdict: title, meaning, what to do now, for each result state, as data.

The English master is `verifier/data/en.json`; the phone page reads the same file, and a translation is one
more file with the same keys. The words keep to what is known: "authentic as signed by X", "not withdrawn as
of DATE"; never that an identity is proven, and never a word that accuses.

The files are JSON of i18next, version 4: of a sentence with a number there are as many as the language has plurals,
`days_one` and `days_other`, chosen by the value `count`. The Python station speaks English, which has these two; the
phone page speaks every language that has a file.

>>> format_month(202611), format_date(date(2026, 11, 19)), plural_of(1), plural_of(0)
('Nov 2026', '19 Nov 2026', 'one', 'other')
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from ledger.codes import CODES
from ledger.core.calendar_days import date_of_seconds, day_of_date, day_of_seconds
from ledger.core.status_change import REASON_NAMES
from verifier.core.companion import CompanionResult
from verifier.core.evidence import BESIDE, CONFIRMED, Evidence, Verdict
from verifier.errors import StationError

RESULT_STATES: Final = frozenset(code.state for code in CODES.values() if code.state) | {CONFIRMED}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_GENUINE_NO: Final = frozenset(("altered", "not_listed"))
_GENUINE_UNKNOWN: Final = frozenset(("unknown_issuer", "unreadable"))
_ENDED: Final = ("withdrawn", "suspended", "key_distrusted", "status_unknown", "replaced", "expired")


@dataclass(frozen=True, slots=True)
class StateWords:
    """How one result state looks and reads; `shape` is told apart without any colour.

    A title that says the age of the list has two plurals, `title_one` and `title_other`, and no `title`.
    """

    word: str
    shape: str
    symbol: str
    colour: str
    meaning: str
    now: str
    title: str = ""
    title_one: str = ""
    title_other: str = ""
    title_unknown_age: str = ""

    def titled(self, age_days: int | None) -> str:
        """Return the title, with the age of the list in days where the title says it."""
        if self.title:
            return self.title
        if age_days is None:
            return self.title_unknown_age
        sentence = self.title_one if plural_of(age_days) == "one" else self.title_other
        return _fill(sentence, {"count": age_days})


@dataclass(frozen=True, slots=True)
class Wording:
    """All words of one language: `states` typed, the rest by section and key."""

    language: str
    states: Mapping[str, StateWords]
    sections: Mapping[str, Any]

    def state(self, name: str) -> StateWords:
        """Return the words of a result state."""
        return self.states[name]

    def text(self, section: str, key: str, **values: object) -> str:
        """Return one sentence with its places filled; the number `count` chooses the plural."""
        sentences = self.sections[section]
        count = values.get("count")
        plural = f"{key}_{plural_of(count)}" if isinstance(count, int) else key
        sentence: str = sentences[plural if plural in sentences else key]
        return _fill(sentence, values)


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict in words.

    Attributes:
        state: words of the leading state; title and meaning are filled.
        questions: the three questions with their answers, never merged.
        lines: everything else that is true, leading first.
        freshness: age of the list.
    """

    state: StateWords
    title: str
    meaning: str
    questions: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]
    freshness: str


def parse_wording(data: bytes) -> Wording:
    """Read the words of one language.

    Raises:
        StationError: code bad_input, not JSON with the parts that every language has.
    """
    try:
        sections = json.loads(data)
        language = sections.pop("language")
        states = {name: StateWords(**words) for name, words in sections.pop("states").items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StationError("bad_input", "not the words of a language", field="wording") from error
    if set(states) != RESULT_STATES:
        raise StationError("bad_input", "not the words of every result state", field="wording.states")
    return Wording(language, states, sections)


def tell(verdict: Verdict, words: Wording) -> Told:
    """Return a verdict in words. Nothing in it is personal: what the bearer opened is not told here."""
    state = words.state(verdict.state)
    evidence = verdict.evidence
    if evidence is None:
        if _is_foreign(verdict, words):
            state = replace(state, **words.sections["foreign"])
        reason = state.meaning
        key = "no" if verdict.state in _GENUINE_NO else "unknown"
        questions = (
            (words.text("questions", "genuine"), words.text("genuine", key, reason=reason)),
            (words.text("questions", "in_force_undated"), words.text("in_force", "unknown")),
            (words.text("questions", "matches"), words.text("matches", "you")),
        )
        return Told(state, _kind_line(verdict, words) or state.titled(None), state.meaning, questions, (), "")
    places = _places(evidence, words)
    if evidence.codes[:1] == ("bad_key_binding",):  # nothing is missing on the card: its proof is not for now
        state = replace(state, **words.sections["bad_key_binding"])
    return Told(
        state=state,
        title=state.titled(evidence.list_age_days),
        meaning=state.meaning.format(**places),
        questions=_questions(evidence, words, places),
        lines=(
            *(words.text("lines", code, **places) for code in evidence.codes if _is_line(code, evidence)),
            *_binding_lines(evidence, words),
        ),
        freshness=freshness_line(
            words, places["iso_date"], evidence.list_age_days, clock_wrong=evidence.clock_wrong
        ),
    )


def tell_companion(found: CompanionResult, words: Wording) -> tuple[str, tuple[str, ...]]:
    """Return the result of a companion check in words, and the questions to ask where it is not recorded."""
    scope = words.sections["companion"]["scopes"].get(found.scope, "")
    until = "" if found.until is None else format_date(found.until)
    ended = _ended(found.until, found.ended_days_ago, words)
    line = words.text("companion", found.result, scope=scope, until=until, ended=ended)
    return line, () if found.result == "recorded" else tuple(words.sections["companion"]["questions"])


def freshness_line(words: Wording, iso_date: str, age_days: int | None, *, clock_wrong: bool) -> str:
    """Return the line on the list's age that is on every screen."""
    shown = format_date(date.fromisoformat(iso_date))
    if clock_wrong or age_days is None:
        return words.text("freshness", "unknown_age", date=shown)
    return words.text("freshness", "days" if age_days else "today", date=shown, count=age_days)


def format_date(day: date) -> str:
    """Return a date that nobody can read the wrong way round, such as 19 Nov 2026."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def format_month(month: int) -> str:
    """Return a month YYYYMM as a month by name, such as Nov 2026."""
    return f"{_MONTHS[month % 100 - 1]} {month // 100}"


def plural_of(count: int) -> str:
    """Return the plural of a number in English, by its name in Unicode."""
    return "one" if count == 1 else "other"


def _fill(sentence: str, values: Mapping[str, object]) -> str:
    """Put values in their places, numbers as 1,234."""
    shown = {name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()}
    return sentence.format(**shown)


def _places(evidence: Evidence, words: Wording) -> dict[str, str]:
    status = evidence.status
    reason = REASON_NAMES[status.reason] if status is not None and status.reason is not None else ""
    month = format_month(status.month) if status is not None and status.month is not None else "-"
    listed = date_of_seconds(evidence.list_time_s)
    return {
        "issuer": evidence.issuer.title,
        "date": format_date(listed),
        "iso_date": listed.isoformat(),
        "valid_until": format_date(date_of_seconds(evidence.exp_s)),
        "reason": words.sections["reasons"].get(reason, ""),
        "month": month,
        "ended": _right_ended(evidence, words),
    }


def _right_ended(evidence: Evidence, words: Wording) -> str:
    """Say when the authorisation of a companion's card ended; "" where it has not."""
    right = evidence.companion
    if right is None or not right.ended:
        return ""
    return _ended(right.until, day_of_seconds(evidence.judged_s) - day_of_date(right.until), words)


def _ended(last_day: date | None, days_ago: int, words: Wording) -> str:
    if last_day is None or days_ago < 1:
        return ""
    return words.text("ended", "yesterday" if days_ago == 1 else "before", date=format_date(last_day))


def _binding_lines(evidence: Evidence, words: Wording) -> tuple[str, ...]:
    return (words.text("holder_binding", "key"),) if evidence.holder_binding == "key" else ()


def _questions(evidence: Evidence, words: Wording, places: dict[str, str]) -> tuple[tuple[str, str], ...]:
    unlisted = "not_yet_listed" in evidence.codes or (
        "incomplete" in evidence.codes and evidence.ledger_index is None
    )
    ended = [code for code in evidence.codes if code in _ENDED]
    if ended:
        in_force = words.text("in_force", "no", reason=words.text("lines", ended[0], **places))
    elif unlisted:
        in_force = words.text("in_force", "unknown")
    else:
        in_force = words.text("in_force", "yes", **places)
    return (
        (
            words.text("questions", "genuine"),
            words.text("genuine", "signed" if unlisted else "yes", **places),
        ),
        (words.text("questions", "in_force", **places), in_force),
        (words.text("questions", "matches"), words.text("matches", "you")),
    )


def _is_foreign(verdict: Verdict, words: Wording) -> bool:
    """Tell whether a text was read well and is of another kind: to lay it flat would then help nobody."""
    kinds = set(words.sections["kinds"]) - {"credential"}
    return verdict.state == "unreadable" and verdict.field in kinds


def _kind_line(verdict: Verdict, words: Wording) -> str:
    """Say what an unreadable text looks like; "" where its field names no kind."""
    kinds = set(words.sections["kinds"]) - {"unknown"}
    if verdict.state != "unreadable" or verdict.field not in kinds:
        return ""
    sentence: str = words.sections["looks_like"]
    return sentence.format(kind=words.text("kinds", verdict.field))


def _is_line(code: str, evidence: Evidence) -> bool:
    """Tell whether a code is said on a line of its own: all but the leading one, and the list's age."""
    return code in BESIDE or code != "stale" or evidence.state != "confirmed_stale"
