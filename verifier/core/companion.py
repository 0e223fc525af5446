"""Two cards and a link: may this adult accompany this child, as of the judged time.

docs/protocol.md, section 6, "Companion". The authorisation names both cards by salted hashes, so it says
nothing to whoever does not hold them. The result stands beside the verdicts on the cards and changes
neither. "Not recorded" is neutral: most real families have no paper.

An authorisation ends with its last day or with the validity of its card, whichever comes first.

    check_companion([evidence_of_adult, evidence_of_child, evidence_of_companion])
    CompanionResult(result='recorded', scope='travel', until=datetime.date(2026, 11, 27), ended_days_ago=0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from credential.core.issue import companion_hash
from ledger.core.calendar_days import date_of_day, day_of_date, day_of_seconds
from verifier.core.evidence import CompanionRight, Evidence

Result = Literal["recorded", "ended", "not_recorded"]
_IN_FORCE = ("confirmed", "confirmed_stale")
_WAS_IN_FORCE = (*_IN_FORCE, "expired")
"""A card that was withdrawn does not say since when: of its authorisation nobody can say that it lasted."""


@dataclass(frozen=True, slots=True)
class CompanionResult:
    """Result of a companion check; scope and last day where an authorisation was found.

    Attributes:
        result: recorded, ended or not_recorded.
        scope: travel, school, medical or daily_care; "" where nothing is recorded.
        until: last day of the authorisation, or None.
        ended_days_ago: whole days from the last day to the judged one, 1 for yesterday; 0 for what has not
            ended.
    """

    result: Result
    scope: str = ""
    until: date | None = None
    ended_days_ago: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the result in types of JSON."""
        return {
            "result": self.result,
            "scope": self.scope or None,
            "until": None if self.until is None else self.until.isoformat(),
            "ended_days_ago": self.ended_days_ago or None,
        }


def check_companion(cards: Sequence[Evidence]) -> CompanionResult | None:
    """Return whether one of the cards authorises another to accompany a child among them.

    An authorisation counts while its own card and the two that it names are in force. None where the
    question does not arise: a single card, or several of which none is of a child or of a companion.
    """
    found = None
    for holder in cards:
        right = holder.companion
        if right is None or not _names_two_of(right, holder, cards):
            continue
        last_day = _last_day(right, holder)
        if holder.state in _IN_FORCE and not right.ended:
            return CompanionResult("recorded", right.scope, last_day)
        ago = day_of_seconds(holder.judged_s) - day_of_date(last_day)
        if holder.state in _WAS_IN_FORCE and ago > 0 and (found is None or ago < found.ended_days_ago):
            found = CompanionResult("ended", right.scope, last_day, ago)
    if found is not None:
        return found
    several = len({card.sub for card in cards}) > 1
    return CompanionResult("not_recorded") if several and any(map(_raises_question, cards)) else None


def _last_day(right: CompanionRight, holder: Evidence) -> date:
    """Return the last day of an authorisation: no card speaks beyond its own validity."""
    return min(right.until, date_of_day(day_of_seconds(holder.exp_s) - 1))


def _names_two_of(right: CompanionRight, holder: Evidence, cards: Sequence[Evidence]) -> bool:
    """Tell whether both hashes are of cards at hand and in force; the companion's own may be the adult's.

    A card that is withdrawn or under review proves nobody's identity, and so no link. The companion's own
    card is judged by the caller, because an authorisation may also have ended.
    """
    hashes = {_hash(right, card) for card in cards if card.state in _IN_FORCE or card.sub == holder.sub}
    return right.child in hashes and right.adult in hashes and _hash(right, holder) != right.child


def _hash(right: CompanionRight, card: Evidence) -> bytes:
    return companion_hash(right.salt, card.issuer.id, card.sub)


def _raises_question(card: Evidence) -> bool:
    return card.companion is not None or any(answer != "no" for answer in card.answers.values())
