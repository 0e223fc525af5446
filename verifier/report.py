"""One scan and its report: the verdict on each card, the companion check, in JSON and with an exit code.

The command line and the service answer with the same report. A scan of one card is its verdict; one of
several cards is the verdict that matters most, with all of them under "cards".

    report = scan(texts, trusted, now)
    report.exit_code, report.to_json(load_wording())
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from credential.core.qr_text import SealKeys
from ledger.errors import MalformedError
from verifier.core.companion import CompanionResult, check_companion
from verifier.core.evidence import Verdict
from verifier.core.trusted_list import Trusted
from verifier.core.unsealing import judge_texts
from verifier.core.verdict import DEFAULT_POLICY, StationPolicy
from verifier.core.wording import Wording, tell, tell_companion

WORST_FIRST: Final = (
    "altered",
    "not_listed",
    "withdrawn",
    "suspended",
    "incomplete",
    "unknown_issuer",
    "replaced",
    "expired",
    "not_yet_listed",
    "unreadable",
    "confirmed_stale",
    "confirmed",
)
"""Which of several verdicts leads a report."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one scan gave: at least one verdict, and the companion check where the question arises."""

    verdicts: tuple[Verdict, ...]
    companion: CompanionResult | None

    @property
    def leading(self) -> Verdict:
        """The verdict that matters most."""
        return min(self.verdicts, key=lambda verdict: WORST_FIRST.index(verdict.state))

    @property
    def exit_code(self) -> int:
        """The worst exit code among the verdicts."""
        return max(verdict.exit_code for verdict in self.verdicts)

    def to_json(self, words: Wording) -> dict[str, Any]:
        """Return the report in types of JSON."""
        body = verdict_json(self.leading, words)
        if len(self.verdicts) > 1:
            body["cards"] = [verdict_json(verdict, words) for verdict in self.verdicts]
        if self.companion is not None:
            line, questions = tell_companion(self.companion, words)
            body["companion_check"] = {
                **self.companion.to_json(),
                "line": line,
                "questions": list(questions),
            }
        return body


def scan(
    texts: Sequence[str],
    trusted: Trusted,
    now: datetime | int,
    *,
    slip: SealKeys | None = None,
    policy: StationPolicy = DEFAULT_POLICY,
) -> Report:
    """Judge all codes of one scan; no code at all reads as unreadable.

    Raises:
        CodedError: wrong_secret where a slip was given that does not open a card.
    """
    if not texts:
        nothing = MalformedError("no code was found", field="image")
        return Report((Verdict.of_error(nothing),), None)
    verdicts = judge_texts(texts, trusted, now, slip=slip, policy=policy)
    genuine = [verdict.evidence for verdict in verdicts if verdict.evidence is not None]
    return Report(tuple(verdicts), check_companion(genuine))


def verdict_json(verdict: Verdict, words: Wording) -> dict[str, Any]:
    """Return a verdict with its words in types of JSON."""
    told = tell(verdict, words)
    return {
        **verdict.to_json(),
        "title": told.title,
        "meaning": told.meaning,
        "now": told.state.now,
        "lines": list(told.lines),
        "freshness": told.freshness,
    }
