"""Two cards and a link: may this adult accompany this child, as of the judged time.

docs/protocol.md, section 6, "Companion". The authorisation names both cards by salted hashes, so it says
nothing to whoever does not hold them. The result stands beside the verdicts on the cards and changes
neither. "Not recorded" is neutral: most real families have no paper.

    check_companion([evidence_of_adult, evidence_of_child])
    CompanionResult(result='recorded', scope='travel', until=datetime.date(2026, 11, 27))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from credential.core.issue import companion_hash
from verifier.core.evidence import CompanionRight, Evidence

Result = Literal["recorded", "ended", "not_recorded"]
_IN_FORCE = ("confirmed", "confirmed_stale")


@dataclass(frozen=True, slots=True)
class CompanionResult:
    """Result of a companion check; scope and last day where an authorisation was found."""

    result: Result
    scope: str = ""
    until: date | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result in types of JSON."""
        return {
            "result": self.result,
            "scope": self.scope or None,
            "until": None if self.until is None else self.until.isoformat(),
        }


def check_companion(cards: Sequence[Evidence]) -> CompanionResult | None:
    """Return whether one of the cards authorises another to accompany a child among them.

    An authorisation counts while its own card is in force. None where the question does not arise: a
    single card, or several of which none is of a child or of a companion.
    """
    found = None
    for holder in cards:
        right = holder.companion
        if right is None or not _names_two_of(right, holder, cards):
            continue
        if holder.state in _IN_FORCE and not right.ended:
            return CompanionResult("recorded", right.scope, right.until)
        if right.ended or holder.state == "expired":
            found = CompanionResult("ended", right.scope, right.until)
    if found is not None:
        return found
    return CompanionResult("not_recorded") if len(cards) > 1 and any(map(_raises_question, cards)) else None


def _names_two_of(right: CompanionRight, holder: Evidence, cards: Sequence[Evidence]) -> bool:
    """Tell whether both hashes are of cards at hand; the companion's own card may be the adult's."""
    hashes = {companion_hash(right.salt, card.sub) for card in cards}
    return (
        right.child in hashes
        and right.adult in hashes
        and companion_hash(right.salt, holder.sub) != right.child
    )


def _raises_question(card: Evidence) -> bool:
    return card.companion is not None or any(answer != "no" for answer in card.answers.values())
