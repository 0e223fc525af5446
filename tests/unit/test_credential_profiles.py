"""Profiles: the two that are built in, and a parser that takes nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core.profiles import (
    Profile,
    built_in_profile,
    built_in_profiles,
    format_profile,
    parse_profile,
)
from issuer.sizes import reference_size
from ledger.errors import MalformedError

VCTS = ("sc:companion", "sc:identity")


def as_json(profile: Profile) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(format_profile(profile))
    return value


def test_the_two_profiles_are_built_in() -> None:
    assert tuple(built_in_profiles()) == VCTS


@pytest.mark.parametrize(
    ("vct", "names", "must_open", "sealed", "digests", "days"),
    [
        (
            "sc:identity",
            ["ages", "names", "more", "portrait"],
            ("ages",),
            ("names", "more", "portrait"),
            4,
            1095,
        ),
        ("sc:companion", ["companion", "names", "more"], ("companion",), ("names", "more"), 3, 90),
    ],
)
def test_a_profile_is_the_protocol_s_table(
    vct: str, names: list[str], must_open: tuple[str, ...], sealed: tuple[str, ...], digests: int, days: int
) -> None:
    profile = built_in_profile(vct)
    assert [claim.name for claim in profile.claims] == names
    assert profile.must_open == must_open
    assert profile.sealed_groups == sealed
    assert (profile.digest_count, profile.validity_days) == (digests, days)
    more = profile.rule_of("birth")
    assert more is not None
    assert (more.name, more.digest_count) == ("more", 4)
    assert more.nested == ("birth", "sex", "nationalities", "birthplace")
    assert profile.rule_of("weight") is None


@pytest.mark.parametrize("vct", VCTS)
def test_the_front_is_as_large_as_the_profile_says_and_meets_the_goal(vct: str) -> None:
    measured = reference_size(vct)
    assert measured.total_bytes == measured.limits.measured
    assert measured.total_bytes <= measured.limits.goal == 603
    assert measured.limits.ceiling == 644
    assert measured.version == 19


@pytest.mark.parametrize("vct", VCTS)
def test_a_profile_survives_writing_and_reading(vct: str) -> None:
    profile = built_in_profile(vct)
    assert parse_profile(format_profile(profile)) == profile


def test_an_unknown_profile_is_unsupported() -> None:
    with pytest.raises(MalformedError) as error:
        built_in_profile("sc:other")
    assert error.value.code == "unsupported"


BUCKETS = dict(built_in_profile("sc:identity").bucket_bytes)
CHANGES: dict[str, tuple[str, Any]] = {
    "digest_count above 32": ("digest_count", 33),
    "digest_count as a text": ("digest_count", "4"),
    "digest_count as a truth value": ("digest_count", True),
    "fewer digests than claims": ("digest_count", 3),
    "no validity": ("validity_days", 0),
    "validity of 21 years": ("validity_days", 7301),
    "ages that fall": ("ages", [18, 15]),
    "ages twice": ("ages", [18, 18]),
    "an age of 0": ("ages", [0, 18]),
    "no ages": ("ages", []),
    "an empty vct": ("vct", ""),
    "a title with a line break": ("title", "a\nb"),
    "no claims": ("claims", []),
    "claims that are no list": ("claims", {}),
    "a front that names nothing": ("card", {"front": [], "back": []}),
    "a front with a sealed part": ("card", {"front": ["ages", "names"], "back": []}),
    "a back with an unknown part": ("card", {"front": ["ages"], "back": ["weight"]}),
    "a back that names a part twice": ("card", {"front": ["ages"], "back": ["names", "names"]}),
    "no buckets": ("bucket_bytes", {}),
    "buckets that are no map": ("bucket_bytes", [160]),
    "a bucket for what is open": ("bucket_bytes", {**BUCKETS, "ages": 64}),
    "a bucket for what nests": ("bucket_bytes", {**BUCKETS, "more": 64}),
    "a claim without a bucket": ("bucket_bytes", {n: b for n, b in BUCKETS.items() if n != "sex"}),
    "a bucket of 31 bytes": ("bucket_bytes", {**BUCKETS, "sex": 31}),
    "a bucket that is a text": ("bucket_bytes", {**BUCKETS, "sex": "32"}),
    "a size beyond the ceiling": ("front_size_bytes", {"measured": 645, "goal": 603, "ceiling": 644}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_broken_rule_is_malformed(change: str) -> None:
    field, value = CHANGES[change]
    with pytest.raises(MalformedError) as error:
        parse_profile(json.dumps(as_json(built_in_profile("sc:identity")) | {field: value}).encode())
    assert error.value.code == "malformed"


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        (0, {"must_open": False}),
        (0, {"group": "names"}),
        (0, {"nested": ["inner"], "digest_count": 1}),
        (1, {"name": "ages"}),
        (1, {"name": "Names"}),
        (1, {"must_open": 1}),
        (2, {"digest_count": 3}),
        (2, {"nested": []}),
        (2, {"nested": ["names"]}),
        (1, {"further": 1}),
    ],
)
def test_a_broken_claim_is_malformed(claim: int, change: dict[str, Any]) -> None:
    value = as_json(built_in_profile("sc:identity"))
    value["claims"][claim] |= change
    with pytest.raises(MalformedError):
        parse_profile(json.dumps(value).encode())


@pytest.mark.parametrize("field", [*as_json(built_in_profile("sc:identity"))])
def test_a_missing_field_is_refused(field: str) -> None:
    value = as_json(built_in_profile("sc:identity"))
    del value[field]
    with pytest.raises(MalformedError):
        parse_profile(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b" " * 16_385, "too_large"),
        (b'{"format": 2}', "unsupported"),
        (b'{"format": 1, "format": 1}', "malformed"),
        (b"[" * 5000, "malformed"),
        (b"\xff", "malformed"),
        (b"NaN", "malformed"),
        (b"[]", "malformed"),
    ],
)
def test_what_is_no_profile_has_a_code(data: bytes, code: str) -> None:
    with pytest.raises(MalformedError) as error:
        parse_profile(data)
    assert error.value.code == code


@given(st.data())
def test_a_damaged_profile_is_a_profile_or_malformed(data: st.DataObject) -> None:
    text = bytearray(format_profile(built_in_profile("sc:identity")))
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        profile = parse_profile(bytes(text))
    except MalformedError:
        return
    assert parse_profile(format_profile(profile)) == profile
