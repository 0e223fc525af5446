"""Evidence: all that a verdict knows about one card, and the little of it that a screen may show.

docs/protocol.md, section 10. A scan answers three questions and never merges them: is it genuine, is it in
force as of the list's date, does the person match. The third has no answer here: a person gives it.

`Evidence.to_json` holds nothing that could be stored to recognise the card again: no subject, no ledger
index, no status place, no key.

>>> leading_state(("replaced", "stale", "clock_wrong")), leading_state(("clock_wrong",))
('replaced', 'confirmed')
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

from ledger.codes import CODES, EXIT_OK, EXIT_VERDICT
from ledger.core.calendar_days import date_of_day, date_of_seconds, month_of_seconds
from ledger.core.cbor import CBORSimpleValue, CBORTag
from ledger.core.status_change import REASON_NAMES
from ledger.errors import CodedError

LEADING: Final = (
    "withdrawn",
    "suspended",
    "key_distrusted",
    "status_unknown",
    "replaced",
    "expired",
    "incomplete",
    "bad_key_binding",
    "not_yet_listed",
    "stale",
)
"""Codes that lead to a state, in the order in which they lead."""
BESIDE: Final = ("quarantined", "not_yet_valid", "clock_wrong", "companion_ended")
"""Codes that are a line of their own beside the leading state."""
CONFIRMED: Final = "confirmed"
STEPS: Final = (
    "text to bytes",
    "form of the card and of its claims",
    "a list is loaded and knows the issuer",
    "the key is known",
    "the signature verifies",
    "ledger position",
    "key and scope at that place",
    "disclosures match, what must be open is open",
    "status",
    "time",
    "answers as of the judged time",
)
"""What each step of docs/protocol.md, section 10 asks; step n is at n - 1."""
_STEP_OF_CODE: Final = {
    "not_yet_listed": 6,
    "key_distrusted": 7,
    "incomplete": 8,
    "withdrawn": 9,
    "suspended": 9,
    "status_unknown": 9,
    "replaced": 9,
    "quarantined": 9,
    "expired": 10,
    "not_yet_valid": 10,
    "clock_wrong": 10,
    "stale": 10,
    "bad_key_binding": 10,
    "companion_ended": 11,
}


class IssuerName(NamedTuple):
    """What a field worker reads about the signer."""

    id: str
    title: str
    authority: str


class Status(NamedTuple):
    """Status of the place: value of the list, reason code and month YYYYMM of its last change, or None."""

    value: int
    reason: int | None = None
    month: int | None = None


@dataclass(frozen=True, slots=True)
class CompanionRight:
    """An authorisation to accompany a child, as of the judged time.

    Attributes:
        scope: travel, school, medical or daily_care.
        until: last day.
        ended: the last day is over.
        salt, child, adult: what ties it to two other cards; never shown.
    """

    scope: str
    until: date
    ended: bool
    salt: bytes = field(repr=False)
    child: bytes = field(repr=False)
    adult: bytes = field(repr=False)


class Evidence(NamedTuple):
    """Verdict on a card that is authentic as signed. A named tuple: it is made in the time of a scan.

    Attributes:
        state: leading result state.
        codes: every code that applies, leading first; empty for a card of which nothing is to be said.
        issuer: who signed.
        vct: the profile.
        iat_s: start of the day of issue, seconds.
        exp_s: end of validity, seconds; a quarter day.
        ledger_index: or None where the card gave none.
        list_time_s: the time that the witnesses vouch for (`now_min`).
        list_age_days: whole days from it to the judged time; None where the device clock is wrong.
        judged_s: the time at which dates were judged.
        status: of the credential's place; None where the list at hand cannot know it yet.
        answers: age -> "yes", "no" or "cannot_exclude" to "under that age?", as of the judged time.
        companion: of a companion's card, where that part is open.
        opened: every other disclosed claim, decoded.
        sealed_count: parts that are on the card and closed.
        sub: the credential's subject, for the check of a companion; never shown.
        holder_binding: "key" where the holder's device proved to this station, just now, that it has the
            key of the card; "none" for paper, and for a proof that does not hold.
    """

    state: str
    codes: tuple[str, ...]
    issuer: IssuerName
    vct: str
    iat_s: int
    exp_s: int
    ledger_index: int | None
    list_time_s: int
    list_age_days: int | None
    judged_s: int
    status: Status | None
    answers: Mapping[int, str]
    companion: CompanionRight | None
    opened: Mapping[str, Any]
    sealed_count: int
    sub: str
    holder_binding: str = "none"

    def __repr__(self) -> str:
        """Say the result only: what a log or a traceback shows must not recognise a card or a person."""
        return f"Evidence(state={self.state!r}, codes={self.codes!r}, issuer={self.issuer.id!r})"

    @property
    def clock_wrong(self) -> bool:
        """Whether the device clock cannot be right; dates are then judged at the list's time."""
        return "clock_wrong" in self.codes

    @property
    def steps(self) -> tuple[tuple[int, str, str], ...]:
        """(number, what was asked, "ok" or the codes) of the eleven steps, for people who want them."""
        found: dict[int, list[str]] = {}
        for code in self.codes:
            step = 6 if code == "incomplete" and self.ledger_index is None else _STEP_OF_CODE[code]
            found.setdefault(step, []).append(code)
        return tuple(
            (number, name, ", ".join(found.get(number, ["ok"]))) for number, name in enumerate(STEPS, start=1)
        )

    def to_json(self) -> dict[str, Any]:
        """Return what a screen may show, in types of JSON."""
        return {
            "state": self.state,
            "codes": list(self.codes),
            "issuer": self.issuer._asdict(),
            "profile": self.vct,
            "issued_month": _month(month_of_seconds(self.iat_s)),
            "valid_until": date_of_seconds(self.exp_s).isoformat(),
            "list": list_json(self.list_time_s, self.list_age_days, clock_wrong=self.clock_wrong),
            "status": None if self.status is None else _status_json(self.status),
            "answers": {f"under_{age}": answer for age, answer in self.answers.items()},
            "companion": None if self.companion is None else _companion_json(self.companion),
            "opened": _plain(self.opened),
            "sealed_parts": self.sealed_count,
            "holder_binding": self.holder_binding,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `judge` returns for every text: evidence, or the code that ended the steps.

    Attributes:
        state: result state, for every verdict.
        codes: leading first.
        evidence: None where the card could not be judged genuine.
        detail: one sentence on why not, without personal data; "" where there is evidence.
        field: the part that failed, or "".
    """

    state: str
    codes: tuple[str, ...]
    evidence: Evidence | None
    detail: str = ""
    field: str = ""

    @classmethod
    def of_error(cls, error: CodedError) -> Verdict:
        """Return the verdict on a card that raised `error`.

        Raises:
            CodedError: the error itself, where its code is not one of a verdict.
        """
        state = CODES[error.code].state
        if not state or error.code in LEADING:
            raise error
        return cls(state, (error.code,), None, error.detail, error.field)

    @classmethod
    def of_evidence(cls, evidence: Evidence) -> Verdict:
        """Return the verdict that evidence is."""
        return cls(evidence.state, evidence.codes, evidence)

    @property
    def exit_code(self) -> int:
        """Exit code of a command whose outcome this is."""
        return EXIT_OK if self.state in (CONFIRMED, "confirmed_stale") else EXIT_VERDICT

    def to_json(self) -> dict[str, Any]:
        """Return what a screen may show, in types of JSON."""
        if self.evidence is not None:
            return self.evidence.to_json()
        return {"state": self.state, "codes": list(self.codes), "detail": self.detail, "field": self.field}


def order_codes(codes: Iterable[str]) -> tuple[str, ...]:
    """Return codes in the order in which they lead, those beside the state last."""
    found = set(codes)
    return tuple(code for code in (*LEADING, *BESIDE) if code in found)


def leading_state(codes: Sequence[str]) -> str:
    """Return the result state of ordered codes."""
    if not codes or codes[0] not in LEADING:
        return CONFIRMED
    return CODES[codes[0]].state


def list_json(time_s: int, age_days: int | None, *, clock_wrong: bool) -> dict[str, Any]:
    """Return the freshness of a list in types of JSON: its date, its age, and whether the clock is wrong."""
    return {"date": date_of_seconds(time_s).isoformat(), "age_days": age_days, "clock_wrong": clock_wrong}


def _status_json(status: Status) -> dict[str, Any]:
    return {
        "value": status.value,
        "reason": None if status.reason is None else REASON_NAMES[status.reason],
        "month": None if status.month is None else _month(status.month),
    }


def _companion_json(right: CompanionRight) -> dict[str, Any]:
    return {"scope": right.scope, "until": right.until.isoformat(), "ended": right.ended}


def _month(month: int) -> str:
    return f"{month // 100:04}-{month % 100:02}"


def _plain(value: Any) -> Any:
    """Return a disclosed value in types of JSON.

    Bytes are base64, keys text, a tag is its content, a simple value "simple(n)": what an issuer signed beyond the
    profile is shown alike by every reader.
    """
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, CBORTag):
        return _plain(value.value)
    if isinstance(value, CBORSimpleValue):
        return f"simple({value.value})"
    if value is None or isinstance(value, str | int | bool):
        return value
    raise TypeError(f"not a disclosed value: {type(value).__name__}")


def format_day(day_number: int) -> str:
    """Return the ISO date of a day number."""
    return date_of_day(day_number).isoformat()
