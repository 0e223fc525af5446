"""Issuing: digests, decoys, values, and what is refused."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core.birth import BirthInterval
from credential.core.holder import holder_signer
from credential.core.issue import (
    Companion,
    IssuedCredential,
    PersonClaims,
    StatusPlace,
    companion_hash,
    issue,
    new_subject,
)
from credential.core.padding import parse_padded
from credential.core.profiles import built_in_profile
from credential.core.sd_cwt import apply_disclosures
from credential.errors import InputError
from ledger.core import cbor, cose
from ledger.core.calendar_days import DAY_S, date_of_seconds, day_of_date, exp_for, quarter_of_seconds
from ledger.core.cose_key import PublicKey, SoftwareSigner
from ledger.core.statement import parse_statement
from ledger.errors import MalformedError
from tests.support.desks import PORTRAIT, person, until
from tests.support.ledgers import CountedBytes, signer

IAT_S = 1_794_700_800
SECRET = bytes(range(16))
SUB = "AbCdEfGhIjKlMnOp"
CHILD = "ChIlD-sub-16-chr"


def made(claims: PersonClaims, vct: str = "sc:identity", **changes: Any) -> IssuedCredential:
    arguments: dict[str, Any] = {
        "iss": "civil-1",
        "sub": SUB,
        "iat_s": IAT_S,
        "place": StatusPlace("sc:1/0", 4711),
        "holder": SECRET,
        "signer": signer("issuer"),
        "random_bytes": CountedBytes("issue"),
    }
    return issue(built_in_profile(vct), claims, **(arguments | changes))


def opened(issued: IssuedCredential) -> dict[Any, Any]:
    """Every claim of a credential with all its disclosures, as a verifier would restore them."""
    payload = cbor.decode(cose.parse_sign1(issued.entry, max_size=4096).payload or b"", max_size=4096)
    contents = [part.content for part in issued.disclosures.values()]
    claims: dict[Any, Any] = apply_disclosures(payload, contents).claims
    return claims


def companion_claims(**changes: Any) -> PersonClaims:
    link = Companion(CHILD, "travel", until())
    return dataclasses.replace(person(), companion=dataclasses.replace(link, **changes))


def test_a_credential_is_a_statement_that_verifies() -> None:
    issued = made(person())
    statement = parse_statement(issued.entry)
    statement.check_signature(signer("issuer").public_key)
    assert statement.kind == "credential"
    assert statement.body == issued.claims
    assert (statement.iss, statement.sub) == ("civil-1", SUB)


def test_the_end_follows_from_the_day_of_issue_alone() -> None:
    for claims in (person(), PersonClaims()):
        assert made(claims).claims.exp == exp_for(IAT_S, 1095)


def test_the_confirmation_key_follows_from_the_holder_s_words() -> None:
    expected = holder_signer(SECRET, "civil-1", SUB).public_key
    assert made(person()).claims.cnf == expected.x
    assert made(person(), holder=expected).claims.cnf == expected.x


@pytest.mark.parametrize(
    ("claims", "vct", "count"),
    [
        (PersonClaims(), "sc:identity", 4),
        (person(), "sc:identity", 4),
        (person(PORTRAIT), "sc:identity", 4),
        (companion_claims(), "sc:companion", 3),
        (PersonClaims(companion=Companion(CHILD, "school", until())), "sc:companion", 3),
    ],
)
def test_the_number_of_digests_says_nothing(claims: PersonClaims, vct: str, count: int) -> None:
    issued = made(claims, vct)
    digests = issued.claims.digests
    assert len(digests) == count
    assert list(digests) == sorted(digests)
    top = [part for path, part in issued.disclosures.items() if len(path) == 1]
    decoys = [part for part in issued.decoys if part.digest in digests]
    assert {part.digest for part in [*top, *decoys]} == set(digests)


def test_a_profile_with_more_digests_than_claims_fills_up_with_decoys() -> None:
    profile = built_in_profile("sc:identity")
    rules = [dataclasses.replace(rule, digest_count=6) if rule.nested else rule for rule in profile.claims]
    wide = dataclasses.replace(profile, digest_count=7, claims=tuple(rules))
    issued = issue(
        wide, person(), iss="civil-1", sub=SUB, iat_s=IAT_S, place=StatusPlace("sc:1/0", 1), holder=SECRET,
        signer=signer("issuer"), random_bytes=CountedBytes("decoys"),
    )  # fmt: skip
    nested = issued.disclosures[("more",)].value[cbor.REDACTED_KEYS]
    assert (len(issued.claims.digests), len(nested)) == (7, 6)
    said = {part.digest for part in issued.disclosures.values()}
    assert {part.digest for part in issued.decoys} == {*issued.claims.digests, *nested} - said
    assert {part.kind for part in issued.decoys} == {"decoy"}
    assert len({part.salt for part in issued.decoys}) == 3 + 2
    for vct, claims in (("sc:identity", person()), ("sc:companion", companion_claims())):
        assert made(claims, vct).decoys == ()


def test_nested_claims_have_four_digests_whatever_is_known() -> None:
    for claims in (person(), PersonClaims(sex="female"), PersonClaims(birthplace="Aleppo")):
        nested = made(claims).disclosures[("more",)].value[cbor.REDACTED_KEYS]
        assert len(nested) == 4
        assert nested == sorted(nested)


def test_someone_of_whom_nothing_is_known_has_every_part_and_the_benefit_of_the_doubt() -> None:
    issued = made(PersonClaims())
    assert set(issued.disclosures) == set(made(person(PORTRAIT)).disclosures)
    assert len(issued.disclosures) == 8
    assert issued.decoys == ()
    claims = opened(issued)
    sealed = {**claims["more"], "names": claims["names"], "portrait": claims["portrait"]}
    assert {parse_padded(value, name) for name, value in sealed.items()} == {None}
    quarter = quarter_of_seconds(issued.claims.exp)
    assert opened(issued)["ages"] == {12: [2, quarter], 15: [2, quarter], 18: [2, quarter]}


def test_every_claim_has_the_value_of_the_cddl() -> None:
    claims = opened(made(person(PORTRAIT)))
    quarter = quarter_of_seconds(exp_for(IAT_S, 1095))
    assert claims["ages"] == {12: [0, quarter], 15: [0, quarter], 18: [1, 2027 * 4]}
    names = parse_padded(claims["names"], "names")
    assert names == [["مريم", "Arab", "MARYAM", 0], ["Mimi", "Latn", "MIMI", 1]]
    assert claims["portrait"] == [PORTRAIT, b""]
    birth = [
        day_of_date(date(2009, 1, 1)),
        day_of_date(date(2009, 12, 31)),
        1,
        "gregorian",
        "in the year of the flood",
    ]
    assert {name: parse_padded(value, name) for name, value in claims["more"].items()} == {
        "birth": birth,
        "sex": 1,
        "nationalities": ["SYR"],
        "birthplace": "Deir ez-Zor",
    }


def test_a_companion_is_named_by_hashes_under_the_disclosure_s_own_salt() -> None:
    issued = made(companion_claims(scope="medical", adult_sub="AdUlT-sub-16-chr"), "sc:companion")
    part = issued.disclosures[("companion",)]
    child, adult, scope, last = part.value
    assert child == sha256(part.salt + b"civil-1\0" + CHILD.encode()).digest()[:16]
    assert adult == companion_hash(part.salt, "civil-1", "AdUlT-sub-16-chr")
    assert (scope, last) == (3, day_of_date(until()))
    assert len(child) == 16


def test_an_authorisation_ends_before_the_day_of_exp() -> None:
    end = date_of_seconds(exp_for(IAT_S, 90))
    last = made(companion_claims(until=end - timedelta(days=1)), "sc:companion")
    assert last.disclosures[("companion",)].value[3] * DAY_S == last.claims.exp - DAY_S
    for late in (end, end + timedelta(days=1)):
        with pytest.raises(InputError) as error:
            made(companion_claims(until=late), "sc:companion")
        assert error.value.field == "companion.until"


def test_a_companion_without_another_card_is_named_by_this_one() -> None:
    part = made(companion_claims(), "sc:companion").disclosures[("companion",)]
    assert part.value[1] == companion_hash(part.salt, "civil-1", SUB)


@pytest.mark.parametrize(
    ("claims", "vct", "field"),
    [
        (person(bytes(801)), "sc:identity", "portrait"),
        (person(PORTRAIT), "sc:companion", "portrait"),
        (PersonClaims(sex="f"), "sc:identity", "sex"),
        (companion_claims(), "sc:identity", "companion"),
        (person(), "sc:companion", "companion"),
        (companion_claims(scope="work"), "sc:companion", "companion.scope"),
        (companion_claims(until=date(2026, 11, 14)), "sc:companion", "companion.until"),
        (companion_claims(child_sub=SUB), "sc:companion", "companion.child"),
        (
            PersonClaims(birth=BirthInterval(date(2027, 1, 1), date(2027, 1, 2))),
            "sc:identity",
            "birth.earliest",
        ),
    ],
)
def test_what_cannot_be_attested_names_the_field(claims: PersonClaims, vct: str, field: str) -> None:
    with pytest.raises(InputError) as error:
        made(claims, vct)
    assert error.value.field == field


@pytest.mark.parametrize(
    "changes",
    [{"iss": "Civil"}, {"sub": "short"}, {"iss": ""}],
)
def test_names_that_are_none_are_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        made(person(), **changes)


@pytest.mark.parametrize("iat_s", [IAT_S + 1, -DAY_S, 1])
def test_a_day_of_issue_is_a_whole_day(iat_s: int) -> None:
    with pytest.raises(InputError) as error:
        made(person(), iat_s=iat_s)
    assert error.value.field == "iat"


def test_a_holder_s_key_on_p256_is_refused() -> None:
    key: PublicKey = SoftwareSigner.from_seed("p256", bytes(32)).public_key
    with pytest.raises(InputError):
        made(person(), holder=key)


def test_a_random_source_that_repeats_itself_is_refused() -> None:
    with pytest.raises(InputError):
        made(person(), random_bytes=bytes)


def test_a_subject_is_sixteen_characters() -> None:
    assert new_subject(bytes) == "A" * 16
    assert len(new_subject(CountedBytes("sub"))) == 16


@given(
    earliest=st.dates(date(1920, 1, 1), date(2026, 11, 14)),
    width=st.integers(0, 2000),
    days=st.integers(0, 1000),
)
def test_no_answer_ever_takes_the_benefit_of_the_doubt_away(earliest: date, width: int, days: int) -> None:
    latest = date.fromordinal(earliest.toordinal() + width)
    iat_s = IAT_S + days * DAY_S
    issued = made(PersonClaims(birth=BirthInterval(earliest, latest)), iat_s=iat_s)
    end = quarter_of_seconds(issued.claims.exp)
    for years, (answer, until_quarter) in issued.disclosures[("ages",)].value.items():
        assert until_quarter <= end
        if answer == 0:
            assert latest.year + years <= 2030
            assert latest < date(2030 - years + 1, 1, 1)
        if answer == 1:
            assert earliest.year + years >= 2026
