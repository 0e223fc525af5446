"""The verdict: is this card genuine, and is it in force as of the list at hand.

docs/protocol.md, section 10: eleven steps in a fixed order. `verify` raises only where the card cannot be
judged genuine and returns evidence otherwise; `judge` makes one result of both for commands and services.
Nothing here reads a clock, asks a network or keeps anything.

The entry of a card is not encoded again to prove that it is deterministic: its form is matched byte by
byte, and its leaf is looked up in the ledger, which takes nothing else.

    evidence = verify("SC1:6BF...", trusted, now)
    evidence.state, evidence.codes
    ('confirmed_stale', ('stale',))
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

from credential.core.key_binding import check_key_binding
from credential.core.profiles import built_in_profile
from credential.core.qr_text import parse_qr_text
from credential.errors import KeyBindingError
from ledger.core.calendar_days import DAY_S
from ledger.core.cells import fold_cell
from ledger.core.merkle import leaf_hash
from ledger.core.registry.issuers import ACTIVE, DISTRUSTED, KeyRecord
from ledger.core.status_change import AFFIRMED, HELD, REPLACED, SUSPENDED, VALID, WITHDRAWN
from ledger.errors import CodedError
from verifier.core.card import Card, read_card
from verifier.core.evidence import (
    CompanionRight,
    Evidence,
    Status,
    Verdict,
    leading_state,
    order_codes,
)
from verifier.core.open_parts import (
    AGES,
    COMPANION,
    open_disclosures,
    read_answers,
    read_companion,
    read_opened,
)
from verifier.core.trusted_list import Trusted, TrustedIssuer, TrustedList, choose_list
from verifier.errors import CardError

RECENT_S: Final = 35 * DAY_S
"""How far back before the list's time a card may be dated and still be on its way to the ledger."""
CLOCK_AHEAD_S: Final = 400 * DAY_S
_STATUS_CODES: Final = {
    VALID: None,
    WITHDRAWN: "withdrawn",
    SUSPENDED: "suspended",
    REPLACED: "replaced",
    AFFIRMED: None,
    HELD: "quarantined",
}


@dataclass(frozen=True, slots=True)
class StationPolicy:
    """What a station decides for itself.

    Attributes:
        stale_after_days: from how many days on its list counts as stale.
        audience: the station's name, which a key binding must be for; "" accepts no key binding.
        nonce: what the station asked the holder's device to answer, 8 to 64 bytes; None if it asked nothing.
    """

    stale_after_days: int = 7
    audience: str = ""
    nonce: bytes | None = None


DEFAULT_POLICY: Final = StationPolicy()


def verify(
    text: str,
    trusted: Trusted,
    now: datetime | int,
    *,
    policy: StationPolicy = DEFAULT_POLICY,
) -> Evidence:
    """Judge the text of one code.

    Args:
        text: `SC1:` + Base45 of a card, or of a key binding token with a card in it.
        trusted: the list at hand, those of several ledgers, or None.
        now: the device's clock: seconds since 1970, or a datetime with a time zone.
        policy: from when on the list counts as stale, and what a key binding must answer.

    Raises:
        CodedError: a code of docs/protocol.md section 10 that is "raised": malformed, too_large,
            unsupported, bad_signature, bad_disclosure, not_listed, out_of_scope, unknown_issuer, no_bundle.
    """
    data = parse_qr_text(text)  # step 1
    card = read_card(data)  # step 2
    return verify_card(card, trusted, now, policy=policy)


def verify_card(
    card: Card,
    trusted: Trusted,
    now: datetime | int,
    *,
    policy: StationPolicy = DEFAULT_POLICY,
) -> Evidence:
    """Take steps 3 to 11 with a card that was read; arguments and errors as `verify`."""
    codes: list[str] = []
    trusted, issuer = find_issuer(card, trusted)  # step 3
    record = find_key(card, issuer)  # step 4
    record.key.verify(card.alg, card.message, card.signature)  # step 5
    now_s = _seconds(now)
    listed = check_position(card, record, trusted, now_s, codes)  # step 6
    distrusted = check_scope(card, issuer, record, listed=listed)  # step 7
    claims = open_claims(card, codes)  # step 8
    status = look_up_status(card, trusted, codes, listed=listed)  # step 9
    if distrusted and (status is None or status.value != AFFIRMED):
        codes.append("key_distrusted")
    judged_s, list_age_days = judge_time(card, trusted, now_s, policy, codes)  # step 10
    holder_binding = check_binding(card, now_s, policy, codes) if card.token else "none"
    answers, companion = answer(card, claims, judged_s, codes)  # step 11
    ordered = order_codes(codes) if codes else ()
    header = card.header
    return Evidence(
        state=leading_state(ordered),
        codes=ordered,
        issuer=issuer.name,
        vct=card.claims.vct,
        iat_s=card.claims.iat,
        exp_s=card.claims.exp,
        ledger_index=None if header.position is None else header.position.index,
        list_time_s=trusted.now_min_s,
        list_age_days=list_age_days,
        judged_s=judged_s,
        status=status,
        answers=answers,
        companion=companion,
        opened=read_opened(claims),
        sealed_count=len(header.sealed),
        sub=card.claims.sub,
        holder_binding=holder_binding,
    )


def judge(
    text: str,
    trusted: Trusted,
    now: datetime | int,
    *,
    policy: StationPolicy = DEFAULT_POLICY,
) -> Verdict:
    """Judge the text of one code and never raise for what is wrong with it; arguments as `verify`."""
    try:
        return Verdict.of_evidence(verify(text, trusted, now, policy=policy))
    except CodedError as error:
        return Verdict.of_error(error)


def find_issuer(card: Card, trusted: Trusted) -> tuple[TrustedList, TrustedIssuer]:
    """Step 3: a list is loaded (`no_bundle`) and knows the issuer (`unknown_issuer`).

    Of several lists it returns the one that judges this card.
    """
    if not trusted:
        raise CardError("no_bundle", "no list is loaded", field="bundle")
    if not isinstance(trusted, TrustedList):
        position = card.header.position
        place = None if position is None else (position.index, leaf_hash(card.entry), position.path)
        trusted = choose_list(trusted, card.claims.iss, card.kid, place) or trusted[0]
    issuer = trusted.issuers.get(card.claims.iss)
    if issuer is None:
        raise CardError("unknown_issuer", "no admitted issuer has this name", field="iss")
    return trusted, issuer


def find_key(card: Card, issuer: TrustedIssuer) -> KeyRecord:
    """Step 4: the issuer has this key, active or not (`unknown_issuer`)."""
    record = issuer.keys.get(card.kid)
    if record is None:
        raise CardError("unknown_issuer", "the issuer has no such key", field="kid")
    return record


def check_position(card: Card, record: KeyRecord, trusted: TrustedList, now_s: int, codes: list[str]) -> bool:
    """Step 6: return whether the ledger at hand has the card where it says.

    Where the list cannot know, because the card is newer or does not say, the code is `not_yet_listed` or
    `incomplete`.

    Raises:
        CardError: code not_listed.
    """
    position = card.header.position
    if position is not None and position.index < trusted.tree_size:
        cell = fold_cell(leaf_hash(card.entry), position.index, position.path)
        if cell != trusted.cell(position.index):
            raise CardError("not_listed", "the ledger has another entry there", field="position")
        return True
    if 0 <= now_s - trusted.now_min_s <= CLOCK_AHEAD_S and card.claims.iat > now_s + RECENT_S:
        # No ledger takes a day of issue that far ahead: this card will never be on one. With a clock that
        # is wrong, or a list so old that it looks wrong, nobody can say that.
        raise CardError("not_listed", "the day of issue lies far ahead", field="iat")
    if card.claims.iat >= trusted.now_min_s - RECENT_S:
        if record.state == ACTIVE:
            codes.append("not_yet_listed")
            return False
    elif position is None:
        codes.append("incomplete")
        return False
    raise CardError("not_listed", "the ledger at hand should have it, and has not", field="position")


def check_scope(card: Card, issuer: TrustedIssuer, record: KeyRecord, *, listed: bool) -> bool:
    """Step 7: the key and the scope allowed this there; return whether the key is distrusted for it.

    Raises:
        CardError: code out_of_scope.
    """
    claims, position = card.claims, card.header.position
    index = position.index if listed and position is not None else None
    scope = issuer.scope_at(index)
    if scope is None or not claims.uri.startswith(issuer.list_prefix):
        raise CardError("out_of_scope", "the issuer was not allowed to sign this", field="uri")
    if index is None:
        # The card is newer than the list, and so may be what its issuer is allowed to sign.
        return record.state == DISTRUSTED
    if claims.vct not in scope.vcts:
        raise CardError("out_of_scope", "the issuer was not allowed to sign this", field="vct")
    if scope.suspended or not record.was_active(index):
        raise CardError("out_of_scope", "the issuer or its key was not active there", field="kid")
    return record.distrusted_from is not None and index >= record.distrusted_from


def open_claims(card: Card, codes: list[str]) -> dict[Any, Any]:
    """Step 8: every disclosure matches (`bad_disclosure`), and what must be open is (`incomplete`).

    Raises:
        DisclosureError: code bad_disclosure.
        MalformedError: a disclosure is not of its form; code unsupported for an unknown profile.
    """
    claims = open_disclosures(card)
    for name in _must_open(card.claims.vct):
        if name not in claims:
            codes.append("incomplete")
            break
    return claims


def look_up_status(card: Card, trusted: TrustedList, codes: list[str], *, listed: bool) -> Status | None:
    """Step 9: status of the place; None where the list at hand does not have the place yet."""
    places = trusted.lists.get(card.claims.uri)
    if places is None:
        if listed:  # a listed card has its place on a list that the seal commits to
            codes.append("status_unknown")
        return None
    status = places.status(card.claims.idx)
    code = _STATUS_CODES.get(status.value, "status_unknown")
    if code is not None:
        codes.append(code)
    return status


def judge_time(
    card: Card, trusted: TrustedList, now_s: int, policy: StationPolicy, codes: list[str]
) -> tuple[int, int | None]:
    """Step 10: return the time at which dates are judged, and the age of the list in whole days.

    A clock before the witnesses' time or more than 400 days after it is wrong: dates are judged at the
    witnesses' time, and nobody knows how old the list is.
    """
    age_s = now_s - trusted.now_min_s
    if 0 <= age_s <= CLOCK_AHEAD_S:
        judged_s, age_days = now_s, age_s // DAY_S
        if age_s > policy.stale_after_days * DAY_S:
            codes.append("stale")
    else:
        judged_s, age_days = trusted.now_min_s, None
        codes += ("clock_wrong", "stale")
    if judged_s >= card.claims.exp:
        codes.append("expired")
    if judged_s < card.claims.iat:
        codes.append("not_yet_valid")
    return judged_s, age_days


def check_binding(card: Card, now_s: int, policy: StationPolicy, codes: list[str]) -> str:
    """Step 10, where the card came in a token: "key" if the holder's key signed it for this station, now.

    Anything else is `bad_key_binding`: the signature, another station, another nonce, or without a nonce a
    time that is not fresh by a clock that can be right. Called after `judge_time`.

    Raises:
        MalformedError: the token's claims are not of their form.
    """
    clock_s = None if "clock_wrong" in codes else now_s
    try:
        if not policy.audience:
            raise KeyBindingError("this station has no name", field="aud")
        check_key_binding(card.token, expected_aud=policy.audience, cnonce=policy.nonce, now_s=clock_s)
    except KeyBindingError:
        codes.append("bad_key_binding")
        return "none"
    return "key"


def answer(
    card: Card, claims: dict[Any, Any], judged_s: int, codes: list[str]
) -> tuple[dict[int, str], CompanionRight | None]:
    """Step 11: answers and the companion's authorisation, as of the judged time."""
    answers = read_answers(claims[AGES], judged_s) if AGES in claims else {}
    companion = None
    if COMPANION in claims:
        companion = read_companion(card, judged_s)
        if companion.ended:
            codes.append("companion_ended")
    return answers, companion


@cache
def _must_open(vct: str) -> tuple[str, ...]:
    """Return the claims that must be open; profiles are part of the package, as constant as code."""
    return built_in_profile(vct).must_open


def _seconds(now: datetime | int) -> int:
    if isinstance(now, int):
        return now
    if now.tzinfo is None:
        raise ValueError("a time without a time zone")
    return int(now.timestamp())
