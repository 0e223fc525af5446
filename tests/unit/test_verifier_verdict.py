"""The verdict: every code of the protocol's table, in its place, and the stories that must hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core import base45
from credential.core.birth import BirthInterval, year_only
from credential.core.disclosure import format_disclosure
from credential.core.issue import Companion, PersonClaims
from credential.core.qr_text import PREFIX, parse_qr_text
from ledger.codes import CODES
from ledger.core import cbor, cose
from ledger.core.actions import AddKey, Change, DistrustKey, RetireKey, Scope, Suspend
from ledger.core.calendar_days import DAY_S
from ledger.core.claims import parse_claims
from ledger.core.statement import sign_credential
from ledger.core.status_change import (
    AFFIRMED,
    HELD,
    REASON_AFFIRMED,
    REASON_CONTESTED,
    REASON_REPLACED,
    REASON_WITHDRAWN,
    REPLACED,
    SUSPENDED,
    VALID,
    WITHDRAWN,
)
from ledger.errors import CodedError
from tests.support.ledgers import START_S, TinyCard, TinyIssuer, TinyLedger, signer
from verifier.core.evidence import BESIDE, CONFIRMED, LEADING, Evidence, Verdict, leading_state, order_codes
from verifier.core.trusted_list import TrustedList, TrustedStatusList
from verifier.core.verdict import StationPolicy, judge, verify

YEAR_ONLY = PersonClaims(birth=year_only(2009))


@cache
def a_ledger() -> tuple[TinyLedger, TinyIssuer, list[TinyCard]]:
    ledger = TinyLedger()
    civil = ledger.admit()
    cards = [ledger.issue(civil, YEAR_ONLY) for _ in range(20)]
    ledger.close_epoch()
    return ledger, civil, cards


@cache
def trusted() -> TrustedList:
    return a_ledger()[0].trusted()


def now() -> int:
    return a_ledger()[0].now_s


def card(number: int = 3) -> TinyCard:
    return a_ledger()[2][number]


def judged(text: str, at: int | None = None, by: TrustedList | None = None) -> Verdict:
    return judge(text, by or trusted(), now() if at is None else at)


def of(text: str, at: int | None = None, by: TrustedList | None = None) -> Evidence:
    evidence = judged(text, at, by).evidence
    assert evidence is not None
    return evidence


def code_of(text: str, at: int | None = None, by: TrustedList | None = None) -> tuple[str, tuple[str, ...]]:
    verdict = judged(text, at, by)
    return verdict.state, verdict.codes


def text_of(data: bytes) -> str:
    return PREFIX + base45.encode(data)


def with_header(text: str, change: Callable[[dict[Any, Any]], object]) -> str:
    """Return the card as somebody reprints it: the unsigned header changed."""
    message = cose.parse_sign1(parse_qr_text(text), max_size=4096)
    header = dict(message.unprotected)
    change(header)
    return text_of(cose.format_sign1(replace(message, unprotected=header)))


# ---- confirmed


def test_a_genuine_card_is_confirmed() -> None:
    evidence = of(card().front())
    assert (evidence.state, evidence.codes) == ("confirmed", ())
    assert evidence.issuer.id == "civil-1"
    assert evidence.ledger_index == card().index
    assert evidence.status is not None
    assert evidence.status.value == VALID
    assert evidence.list_age_days == 0
    assert evidence.answers == {12: "no", 15: "no", 18: "yes"}
    assert evidence.holder_binding == "none"
    assert all(result == "ok" for _, _, result in evidence.steps)
    assert [number for number, _, _ in evidence.steps] == list(range(1, 12))


@pytest.mark.parametrize("kind", ["p256", "ed25519"])
def test_both_kinds_of_keys_are_judged(kind: Any) -> None:
    ledger = TinyLedger()
    one = ledger.issue(ledger.admit(kind=kind))
    ledger.close_epoch()
    assert judge(one.front(), ledger.trusted(), ledger.now_s).state == "confirmed"


def test_every_card_of_an_epoch_is_found_in_its_cell() -> None:
    assert {judged(one.front()).state for one in a_ledger()[2]} == {"confirmed"}


def test_the_back_says_no_more_than_the_front_while_it_is_sealed() -> None:
    front, back = of(card().front()), of(card().back())
    assert back == front._replace(sealed_count=back.sealed_count)
    assert back.sealed_count > 0


def test_a_json_verdict_names_nothing_that_recognises_the_card() -> None:
    claims = card().issued.claims
    shown = repr(of(card().front()).to_json())
    assert claims.sub not in shown
    assert claims.uri not in shown
    assert card().issued.entry.hex() not in shown
    assert "index" not in shown
    assert claims.sub not in repr(of(card().front()))


def test_a_datetime_and_seconds_are_the_same_time() -> None:
    moment = datetime.fromtimestamp(now(), UTC)
    assert verify(card().front(), trusted(), moment) == verify(card().front(), trusted(), now())
    with pytest.raises(ValueError, match="zone"):
        verify(card().front(), trusted(), moment.replace(tzinfo=None))


# ---- raised: text and form


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "unsupported"),
        ("HC1:6BF", "unsupported"),
        ("sc1:6BF", "unsupported"),
        ("SC2:6BF", "unsupported"),
        ("SC1:", "malformed"),
        ("SC1:6", "malformed"),
        ("SC1:abc", "malformed"),
        ("SC1:::::::", "malformed"),
        ("SC1:" + "0" * 4293, "too_large"),
    ],
)
def test_a_text_that_is_no_card_is_unreadable(text: str, code: str) -> None:
    assert code_of(text) == ("unreadable", (code,))


def test_a_statement_of_another_kind_is_unsupported() -> None:
    assert code_of(text_of(a_ledger()[0].entries[1])) == ("unreadable", ("unsupported",))


def test_a_profile_that_is_not_known_here_is_unsupported() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    claims = ledger.issue(civil, submit=False).issued.claims._replace(vct="sc:unheard-of")
    trusting = ledger.trusted()
    issuer = trusting.issuers["civil-1"]
    scope = replace(issuer.scopes[0], vcts=frozenset({"sc:unheard-of"}))
    willing = replace(trusting, issuers={"civil-1": replace(issuer, scopes=(scope,))})
    text = text_of(sign_credential(claims, civil.signer))
    assert code_of(text, ledger.now_s, willing) == ("unreadable", ("unsupported",))


def test_every_flipped_bit_of_a_text_fails_or_leaves_the_evidence_as_it_was() -> None:
    """All bits of every character of a front: 7 times about 870 texts."""
    text = card().front()
    good = of(text)
    for place, character in enumerate(text):
        for bit in range(7):
            changed = text[:place] + chr(ord(character) ^ 1 << bit) + text[place + 1 :]
            verdict = judged(changed)
            if not verdict.codes:
                assert verdict.evidence == good, (place, bit)


def test_every_flipped_bit_of_the_bytes_of_a_back_fails_or_changes_sealed_bytes_only() -> None:
    data = parse_qr_text(card().back())
    good = of(card().back())
    for bit in range(0, 8 * len(data), 5):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        verdict = judged(text_of(bytes(changed)))
        if not verdict.codes:
            assert verdict.evidence == good, bit


@given(st.text(max_size=60) | st.binary(max_size=90).map(text_of))
def test_any_text_gets_a_verdict(text: str) -> None:
    verdict = judged(text)
    assert verdict.evidence is None
    assert CODES[verdict.codes[0]].state == verdict.state


# ---- raised: issuer, key, signature


def test_without_a_list_nothing_can_be_said() -> None:
    assert judge(card().front(), None, now()).codes == ("no_bundle",)
    assert judge(card().front(), None, now()).state == "unknown_issuer"


def test_an_issuer_that_is_not_admitted_is_unknown() -> None:
    other = TinyLedger("ledger.example/other")
    other.admit("someone")
    assert code_of(card().front(), by=other.trusted()) == ("unknown_issuer", ("unknown_issuer",))


def test_a_key_that_the_issuer_does_not_have_is_unknown() -> None:
    ledger, civil, _ = a_ledger()
    forged = ledger.issue(civil, signer=signer("forger"), submit=False)
    assert code_of(forged.front(position=False)) == ("unknown_issuer", ("unknown_issuer",))


def test_a_changed_claim_does_not_verify() -> None:
    message = cose.parse_sign1(card().issued.entry, max_size=4096)
    claims = cbor.decode(message.payload or b"", max_size=4096)
    claims[4] += 90 * DAY_S
    parse_claims(claims)
    forged = text_of(cose.format_sign1(replace(message, payload=cbor.encode(claims))))
    assert code_of(forged) == ("altered", ("bad_signature",))


def test_the_other_half_of_a_signature_is_malformed() -> None:
    """(r, n - s) verifies too, and would be a second card from a first."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    entry = card().issued.entry
    twin = entry[:-32] + (order - int.from_bytes(entry[-32:])).to_bytes(32)
    assert code_of(text_of(twin)) == ("unreadable", ("malformed",))


# ---- ledger position


def test_a_card_with_another_place_is_not_listed() -> None:
    def move(header: dict[Any, Any]) -> None:
        header[-65537] = [card().index ^ 1, header[-65537][1]]

    assert code_of(with_header(card().front(), move)) == ("not_listed", ("not_listed",))


def test_a_card_with_another_path_is_not_listed() -> None:
    def change(header: dict[Any, Any]) -> None:
        header[-65537] = [card().index, bytes(128)]

    assert code_of(with_header(card().front(), change)) == ("not_listed", ("not_listed",))


def test_a_card_that_was_never_registered_is_not_listed_where_it_says() -> None:
    ledger, civil, _ = a_ledger()
    unregistered = ledger.issue(civil, submit=False)

    def borrow(header: dict[Any, Any]) -> None:
        header[-65537] = [card().index, ledger.path(card().index)]

    text = with_header(unregistered.front(position=False), borrow)
    assert code_of(text) == ("not_listed", ("not_listed",))


def test_a_card_beyond_the_list_is_not_yet_listed() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    old = ledger.trusted()
    fresh = ledger.issue(civil)
    ledger.close_epoch()
    assert code_of(fresh.front(), ledger.now_s, old) == ("not_yet_listed", ("not_yet_listed",))
    assert of(fresh.front(), ledger.now_s, old).status is None
    assert code_of(fresh.front(), ledger.now_s, ledger.trusted()) == ("confirmed", ())


def test_a_recent_card_without_a_place_is_not_yet_listed() -> None:
    assert code_of(card().front(position=False)) == ("not_yet_listed", ("not_yet_listed",))
    assert of(card().front(position=False)).ledger_index is None


@pytest.mark.parametrize(("days", "state"), [(35, "not_yet_listed"), (36, "incomplete")])
def test_an_older_card_without_a_place_is_incomplete(days: int, state: str) -> None:
    later = a_ledger()[0].trusted(time_s=START_S + days * DAY_S)
    verdict = judge(card().front(position=False), later, START_S + days * DAY_S)
    assert verdict.state == state
    if state == "incomplete":
        assert verdict.evidence is not None
        assert verdict.evidence.steps[5] == (6, "ledger position", "incomplete")


@pytest.mark.parametrize(
    ("days", "state"), [(34, "not_yet_listed"), (37, "not_listed"), (3650, "not_listed")]
)
def test_a_card_dated_far_ahead_will_never_be_listed(days: int, state: str) -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    ahead = ledger.issue(civil, submit=False, iat_s=ledger.now_s // DAY_S * DAY_S + days * DAY_S)
    assert judge(ahead.front(position=False), ledger.trusted(), ledger.now_s).state == state
    if state == "not_yet_listed":
        # 35 days ahead to the second, by a clock that can be right.
        edge = ahead.issued.claims.iat - 35 * DAY_S
        early = replace(ledger.trusted(), now_min_s=edge - DAY_S)
        assert judge(ahead.front(position=False), early, edge).codes == ("not_yet_listed",) + (
            "not_yet_valid",
        )
        assert judge(ahead.front(position=False), early, edge - 1).codes == ("not_listed",)


def test_with_a_clock_years_behind_a_new_card_is_not_called_unlisted() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    ahead = ledger.issue(civil, submit=False, iat_s=ledger.now_s // DAY_S * DAY_S + 60 * DAY_S)
    verdict = judge(ahead.front(position=False), ledger.trusted(), ledger.now_s - 1000 * DAY_S)
    assert verdict.state == "not_yet_listed"


def test_an_older_card_beyond_the_list_is_not_listed() -> None:
    later = a_ledger()[0].trusted(time_s=START_S + 36 * DAY_S)

    def move(header: dict[Any, Any]) -> None:
        header[-65537] = [later.tree_size + 5, header[-65537][1]]

    text = with_header(card().front(), move)
    assert judge(text, later, START_S + 36 * DAY_S).codes == ("not_listed",)
    assert judge(text, trusted(), now()).codes == ("not_yet_listed",)


def test_a_card_of_a_retired_key_that_was_never_listed_is_not_listed() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    listed = ledger.issue(civil)
    ledger.close_epoch()
    late = ledger.issue(civil, submit=False)
    ledger.act("civil-1", RetireKey(civil.signer.public_key.kid))
    assert judge(late.front(position=False), ledger.trusted(), ledger.now_s).codes == ("not_listed",)
    assert judge(listed.front(), ledger.trusted(), ledger.now_s).state == "confirmed"


# ---- key and scope


def test_what_the_issuer_may_not_sign_is_out_of_scope() -> None:
    ledger = TinyLedger()
    school = ledger.admit("school", vcts=("sc:companion",))
    forged = ledger.issue(school, submit=False)
    # What the list does not reach may be allowed by now, so the card is only not listed yet.
    verdict = judge(forged.front(position=False), ledger.trusted(), ledger.now_s)
    assert (verdict.state, verdict.codes) == ("not_yet_listed", ("not_yet_listed",))
    before = ledger.admit("civil-2")
    listed = ledger.issue(before)
    ledger.close_epoch()
    trusted = ledger.trusted()
    issuers = dict(trusted.issuers)
    companions = tuple(replace(item, vcts=frozenset({"sc:companion"})) for item in issuers["civil-2"].scopes)
    issuers["civil-2"] = replace(issuers["civil-2"], scopes=companions)
    assert judge(listed.front(), replace(trusted, issuers=issuers), ledger.now_s).codes == ("out_of_scope",)


def test_what_an_issuer_was_allowed_after_the_list_is_not_out_of_scope() -> None:
    ledger = TinyLedger()
    school = ledger.admit("school", vcts=("sc:companion",))
    old = ledger.trusted()
    ledger.act("school", Change(scope=Scope(("sc:companion", "sc:identity"), 10, 1)))
    fresh = ledger.issue(school)
    ledger.close_epoch()
    assert judge(fresh.front(), old, ledger.now_s).codes == ("not_yet_listed",)
    assert judge(fresh.front(), ledger.trusted(), ledger.now_s).state == "confirmed"


def test_a_very_old_list_never_calls_a_new_card_unlisted() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    old = ledger.trusted()
    later_s = ledger.now_s + 500 * DAY_S
    fresh = ledger.issue(civil, submit=False, iat_s=later_s // DAY_S * DAY_S)
    verdict = judge(fresh.front(position=False), old, later_s)
    assert verdict.codes == ("not_yet_listed", "stale", "not_yet_valid", "clock_wrong")


def test_a_place_on_the_list_of_another_issuer_is_out_of_scope() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    claims = ledger.issue(civil, submit=False).issued.claims._replace(uri="sc:2/0")
    text = text_of(sign_credential(claims, civil.signer))
    assert judge(text, ledger.trusted(), ledger.now_s).codes == ("out_of_scope",)


def test_a_narrowed_scope_does_not_reach_back() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    before = ledger.issue(civil)
    ledger.close_epoch()
    ledger.act("civil-1", Change(scope=Scope(("sc:companion",), 10, 1)))
    after = ledger.issue(civil, submit=False)
    assert judge(before.front(), ledger.trusted(), ledger.now_s).state == "confirmed"
    assert judge(after.front(position=False), ledger.trusted(), ledger.now_s).codes == ("not_yet_listed",)


def test_a_suspension_does_not_reach_back() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    before = ledger.issue(civil)
    ledger.close_epoch()
    ledger.act("civil-1", Suspend())
    assert judge(before.front(), ledger.trusted(), ledger.now_s).state == "confirmed"


# ---- disclosures


def test_a_disclosure_of_another_card_is_bad() -> None:
    other = card(4).issued.disclosures["ages",].content

    def swap(header: dict[Any, Any]) -> None:
        header[17] = [other]

    assert code_of(with_header(card().front(), swap)) == ("altered", ("bad_disclosure",))


def test_an_answer_that_was_made_up_is_bad() -> None:
    made_up = format_disclosure(bytes(16), {18: [0, 8119]}, "ages", kind="claim").content

    def swap(header: dict[Any, Any]) -> None:
        header[17] = [made_up]

    assert code_of(with_header(card().front(), swap)) == ("altered", ("bad_disclosure",))


def test_a_disclosure_that_stands_twice_is_bad() -> None:
    def double(header: dict[Any, Any]) -> None:
        header[17] = header[17] * 2

    assert code_of(with_header(card().front(), double)) == ("altered", ("bad_disclosure",))


def test_a_disclosure_of_another_form_is_malformed() -> None:
    def spoil(header: dict[Any, Any]) -> None:
        header[17] = [b"\x80"]

    assert code_of(with_header(card().front(), spoil)) == ("unreadable", ("malformed",))


def test_what_must_be_open_cannot_be_peeled_off() -> None:
    def peel(header: dict[Any, Any]) -> None:
        del header[17]

    verdict = judged(with_header(card().front(), peel))
    assert (verdict.state, verdict.codes) == ("incomplete", ("incomplete",))
    assert verdict.exit_code == 1
    assert verdict.evidence is not None
    assert verdict.evidence.answers == {}


def test_another_part_may_not_stand_for_what_must_be_open() -> None:
    def swap(header: dict[Any, Any]) -> None:
        header[17] = [card().issued.disclosures["portrait",].content]

    assert judged(with_header(card().front(), swap)).state == "incomplete"


# ---- status


@pytest.mark.parametrize(
    ("value", "reason", "state", "codes"),
    [
        (WITHDRAWN, REASON_WITHDRAWN, "withdrawn", ("withdrawn",)),
        (SUSPENDED, REASON_CONTESTED, "suspended", ("suspended",)),
        (REPLACED, REASON_REPLACED, "replaced", ("replaced",)),
    ],
)
def test_a_changed_status_leads(value: int, reason: int, state: str, codes: tuple[str, ...]) -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    one, other = ledger.issue(civil), ledger.issue(civil)
    ledger.close_epoch()
    ledger.change_status(civil, one, VALID, value, reason)
    ledger.close_epoch()
    verdict = judge(one.front(), ledger.trusted(), ledger.now_s)
    assert (verdict.state, verdict.codes) == (state, codes)
    assert verdict.evidence is not None
    assert verdict.evidence.status == (value, reason, 202611)
    assert judge(other.front(), ledger.trusted(), ledger.now_s).state == "confirmed"


def with_status(value: int) -> TrustedList:
    """Return the list with another status of the card; such values are not written by this version."""
    claims = card().issued.claims
    places = trusted().lists[claims.uri]
    raw = bytearray(places.raw)
    raw[claims.idx >> 1] |= value << 4 * (claims.idx & 1)
    return replace(trusted(), lists={claims.uri: TrustedStatusList(bytes(raw), {})})


@pytest.mark.parametrize("value", [4, 5, 11, 0x0E, 0x0F])
def test_a_status_that_this_version_does_not_know_is_under_review(value: int) -> None:
    assert code_of(card().front(), by=with_status(value)) == ("suspended", ("status_unknown",))


def test_a_held_withdrawal_leaves_the_card_confirmed() -> None:
    """S6: the cards of a mass withdrawal stay confirmed, with a line beside."""
    assert code_of(card().front(), by=with_status(HELD)) == ("confirmed", ("quarantined",))


def test_an_affirmed_card_is_confirmed() -> None:
    assert code_of(card().front(), by=with_status(AFFIRMED)) == ("confirmed", ())


def test_a_listed_card_without_its_list_is_under_review() -> None:
    assert code_of(card().front(), by=replace(trusted(), lists={})) == ("suspended", ("status_unknown",))


def test_a_status_reaches_a_card_without_its_place() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    one = ledger.issue(civil)
    ledger.close_epoch()
    ledger.change_status(civil, one, VALID, WITHDRAWN, REASON_WITHDRAWN)
    ledger.close_epoch()
    verdict = judge(one.front(position=False), ledger.trusted(), ledger.now_s)
    assert (verdict.state, verdict.codes) == ("withdrawn", ("withdrawn", "not_yet_listed"))


# ---- time


def test_validity_ends_at_the_quarter() -> None:
    end = card().issued.claims.exp
    assert datetime.fromtimestamp(end, UTC).date() == date(2030, 1, 1)
    later = a_ledger()[0].trusted(time_s=end - 10 * DAY_S)
    assert code_of(card().front(), end - 1, later)[0] == "confirmed_stale"
    assert code_of(card().front(), end, later) == ("expired", ("expired", "stale"))


def test_a_card_of_tomorrow_says_so() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    one = ledger.issue(civil, iat_s=START_S + DAY_S)
    ledger.close_epoch()
    verdict = judge(one.front(), ledger.trusted(), ledger.now_s)
    assert (verdict.state, verdict.codes) == ("confirmed", ("not_yet_valid",))
    assert judge(one.front(), ledger.trusted(), ledger.now_s + DAY_S).codes == ()
    begins = one.issued.claims.iat
    assert judge(one.front(), ledger.trusted(), begins - 1).codes == ("not_yet_valid",)
    assert judge(one.front(), ledger.trusted(), begins).codes == ()


@pytest.mark.parametrize(
    ("days", "state"), [(7, "confirmed"), (8, "confirmed_stale"), (400, "confirmed_stale")]
)
def test_an_old_list_degrades_the_answer_in_words(days: int, state: str) -> None:
    evidence = of(card().front(), now() + days * DAY_S)
    assert (evidence.state, evidence.list_age_days) == (state, days)


def test_a_station_decides_when_a_list_is_old() -> None:
    at = now() + 3 * DAY_S
    assert judge(card().front(), trusted(), at, policy=StationPolicy(2)).state == "confirmed_stale"
    assert judge(card().front(), trusted(), at, policy=StationPolicy(3)).state == "confirmed"


@pytest.mark.parametrize("offset", [-1, 400 * DAY_S + 1, -3 * 365 * DAY_S])
def test_a_wrong_clock_is_said_and_dates_are_judged_by_the_witnesses(offset: int) -> None:
    evidence = of(card().front(), now() + offset)
    assert (evidence.state, evidence.codes) == ("confirmed_stale", ("stale", "clock_wrong"))
    assert evidence.judged_s == trusted().now_min_s
    assert evidence.list_age_days is None
    assert evidence.clock_wrong


def test_more_than_one_thing_can_be_true() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    one = ledger.issue(civil)
    ledger.close_epoch()
    ledger.change_status(civil, one, VALID, REPLACED, REASON_REPLACED)
    ledger.close_epoch()
    end = one.issued.claims.exp
    by = ledger.trusted(time_s=end - 30 * DAY_S)

    def peel(header: dict[Any, Any]) -> None:
        del header[17]

    verdict = judge(with_header(one.front(), peel), by, end)
    assert (verdict.state, verdict.codes) == ("replaced", ("replaced", "expired", "incomplete", "stale"))


# ---- answers


def test_an_answer_ends_with_its_quarter() -> None:
    """Under 18 until the earliest birthday at most, rounded up to a quarter; then: cannot exclude."""
    ledger = TinyLedger()
    civil = ledger.admit()
    child = ledger.issue(civil, PersonClaims(birth=BirthInterval(date(2010, 5, 5), date(2010, 5, 5))))
    ledger.close_epoch()
    eighteen = int(datetime(2028, 7, 1, tzinfo=UTC).timestamp())
    by = ledger.trusted(time_s=eighteen - 5 * DAY_S)
    assert of(child.front(), eighteen - 1, by).answers[18] == "yes"
    assert of(child.front(), eighteen, by).answers[18] == "cannot_exclude"


def test_without_a_birth_nothing_is_excluded() -> None:
    ledger = TinyLedger()
    one = ledger.issue(ledger.admit(), PersonClaims())
    ledger.close_epoch()
    answers = of(one.front(), ledger.now_s, ledger.trusted()).answers
    assert answers == {12: "cannot_exclude", 15: "cannot_exclude", 18: "cannot_exclude"}


def test_an_authorisation_that_is_over_is_a_line_beside() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    friday = datetime.fromtimestamp(START_S, UTC).date() + timedelta(days=5)
    person = PersonClaims(companion=Companion("A" * 16, "travel", friday))
    one = ledger.issue(civil, person, vct="sc:companion")
    ledger.close_epoch()
    by = ledger.trusted()
    last_second = START_S + 6 * DAY_S - 1
    assert of(one.front(), last_second, by).codes == ()
    evidence = of(one.front(), last_second + 1, by)
    assert (evidence.state, evidence.codes) == ("confirmed", ("companion_ended",))
    assert evidence.companion is not None
    assert (evidence.companion.scope, evidence.companion.until, evidence.companion.ended) == (
        "travel",
        friday,
        True,
    )
    assert evidence.to_json()["companion"] == {"scope": "travel", "until": friday.isoformat(), "ended": True}


# ---- stories


def test_s1_a_hut_that_last_synced_19_days_ago_with_a_clock_three_years_wrong() -> None:
    at = now() + 19 * DAY_S
    assert code_of(card().front(), at) == ("confirmed_stale", ("stale",))
    assert of(card().front(), at).list_age_days == 19
    for wrong in (at - 3 * 365 * DAY_S, at + 3 * 365 * DAY_S):
        evidence = of(card().front(), wrong)
        assert evidence.state == "confirmed_stale"
        assert evidence.clock_wrong
        assert evidence.to_json()["list"] == {"date": "2026-11-15", "age_days": None, "clock_wrong": True}


def test_s5_a_consulate_whose_key_is_stolen() -> None:
    ledger = TinyLedger()
    consulate = ledger.admit("consulate")
    stolen = consulate.signer
    of_the_first = ledger.issue(consulate)
    ledger.close_epoch()
    theft = ledger.tree_size
    honest, thieves = ledger.issue(consulate), ledger.issue(consulate)
    ledger.close_epoch()
    consulate.signer = signer("new key of the consulate")
    ledger.act("consulate", AddKey(consulate.signer.public_key), DistrustKey(stolen.public_key.kid, theft))
    after_report = ledger.issue(consulate, signer=stolen, submit=False)

    def states() -> list[str]:
        texts = [one.front() for one in (of_the_first, honest, thieves)]
        return [judge(text, ledger.trusted(), ledger.now_s).state for text in texts]

    assert states() == ["confirmed", "suspended", "suspended"]
    by = ledger.trusted()
    assert judge(honest.front(), by, ledger.now_s).codes == ("key_distrusted",)
    assert judge(after_report.front(position=False), by, ledger.now_s).codes == ("not_listed",)

    ledger.change_status(consulate, honest, VALID, AFFIRMED, REASON_AFFIRMED)
    ledger.close_epoch()
    assert states() == ["confirmed", "confirmed", "suspended"]
    new = ledger.issue(consulate)
    ledger.close_epoch()
    assert judge(new.front(), ledger.trusted(), ledger.now_s).state == "confirmed"


def test_an_old_card_of_a_distrusted_key_without_its_place_is_under_review() -> None:
    ledger = TinyLedger()
    consulate = ledger.admit("consulate")
    one = ledger.issue(consulate)
    ledger.close_epoch()
    ledger.act("consulate", DistrustKey(consulate.signer.public_key.kid, ledger.tree_size))
    later = START_S + 40 * DAY_S
    verdict = judge(one.front(position=False), ledger.trusted(time_s=later), later)
    assert (verdict.state, verdict.codes) == ("suspended", ("key_distrusted", "incomplete"))


def test_s7_a_seventeen_year_old_with_a_year_only_record() -> None:
    ledger = TinyLedger()
    one = ledger.issue(ledger.admit(), PersonClaims(birth=year_only(2008)))
    ledger.close_epoch()
    assert of(one.front(), ledger.now_s, ledger.trusted()).answers == {
        12: "no",
        15: "no",
        18: "cannot_exclude",
    }


# ---- the table


def test_the_order_of_codes_is_the_protocols() -> None:
    everything = [*reversed(LEADING), *BESIDE]
    assert order_codes(everything) == (*LEADING, *BESIDE)
    for place, code in enumerate(LEADING):
        assert leading_state(order_codes(LEADING[place:])) == CODES[code].state
    assert leading_state(order_codes(BESIDE)) == CONFIRMED


def test_a_code_that_is_no_verdict_is_not_made_one() -> None:
    error = CodedError("storage_failed", "the disk is full")
    with pytest.raises(CodedError):
        Verdict.of_error(error)
    with pytest.raises(CodedError):
        Verdict.of_error(CodedError("stale", "a field, never raised"))
