"""Profiles as data: which claims a kind of credential has, and which of them must always be open.

docs/protocol.md, section 6. Each profile is one JSON file in `credential/profiles/`. What must be open
stands in group "open" and is printed on every code of the card; every other claim belongs to a group
that is sealed with a key of its own, and is padded to a bucket of its own (`padding`). The charter of a
ledger repeats `digest_count` and `validity_days`, and the registry refuses a credential that has others.

>>> built_in_profile("sc:identity").must_open
('ages',)
>>> [claim.name for claim in built_in_profile("sc:companion").claims]
['companion', 'names', 'more']
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, NoReturn

from ledger.errors import MalformedError

FORMAT: Final = 1
OPEN: Final = "open"
"""The group of claims that must be open; the only one that is never sealed."""
PORTRAIT: Final = "portrait"
"""The only sealed claim that has a card of its own, and is not printed where the person has none."""
FILE_MAX_BYTES: Final = 16_384
VALIDITY_DAYS_MAX: Final = 7300
DIGESTS_MAX: Final = 32
_NAME: Final = re.compile(r"[a-z][a-z_]{0,31}")
_VCT_MAX_CHARACTERS: Final = 64
_TITLE_MAX_CHARACTERS: Final = 80
_AGES: Final = range(1, 100)
_BUCKETS: Final = range(32, 2049)


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """One top-level claim of a profile.

    Attributes:
        name: the claim's key.
        group: "open", or the group whose seal key closes it and everything nested in it.
        must_open: True exactly for group "open".
        nested: names of the claims nested under it, each in a disclosure of its own; usually none.
        digest_count: digests in the nested map, decoys included; 0 where nothing is nested.
    """

    name: str
    group: str
    must_open: bool
    nested: tuple[str, ...]
    digest_count: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Default card: the claims on each side. What must be open stands on both, listed or not."""

    front: tuple[str, ...]
    back: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FrontSize:
    """Size of the front code in bytes of CBOR: as measured for the reference card, goal, ceiling."""

    measured: int
    goal: int
    ceiling: int


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of credential.

    Attributes:
        vct: name of the profile in the credential and in the charter.
        title: what it is, for people.
        digest_count: digests at the top level, decoys included.
        validity_days: days from issue; the end is the first quarter day at or after them.
        ages: thresholds of the age answers, rising; empty where the profile has no claim "ages".
        claims: the top-level claims.
        bucket_bytes: by name of each sealed claim in which nothing is nested, what the length of its
            disclosure is a multiple of.
        card: default layout.
        front_size_bytes: sizes of the front code.
    """

    vct: str
    title: str
    digest_count: int
    validity_days: int
    ages: tuple[int, ...]
    claims: tuple[ClaimRule, ...]
    bucket_bytes: Mapping[str, int]
    card: Layout
    front_size_bytes: FrontSize

    @property
    def must_open(self) -> tuple[str, ...]:
        """Names of the claims that must be open on every code."""
        return tuple(claim.name for claim in self.claims if claim.must_open)

    @property
    def sealed_groups(self) -> tuple[str, ...]:
        """The groups that are sealed, each once, in the order of the claims."""
        return tuple(dict.fromkeys(claim.group for claim in self.claims if claim.group != OPEN))

    def rule_of(self, name: str) -> ClaimRule | None:
        """Return the top-level rule under which the claim `name` stands, itself or nested."""
        for claim in self.claims:
            if name == claim.name or name in claim.nested:
                return claim
        return None


def built_in_profile(vct: str) -> Profile:
    """Return a profile that is part of the package.

    Raises:
        MalformedError: code unsupported, there is none of that name.
    """
    try:
        return built_in_profiles()[vct]
    except KeyError:
        raise MalformedError("the profile is not known here", field="vct", code="unsupported") from None


@cache
def built_in_profiles() -> Mapping[str, Profile]:
    """Return all profiles of `credential/profiles/` by `vct`, sorted.

    The files are part of the installed package, as constant as code; they are read once, on first use.
    """
    folder = resources.files("credential").joinpath("profiles")
    files = (item for item in folder.iterdir() if item.name.endswith(".json"))
    profiles = [parse_profile(item.read_bytes()) for item in files]
    return {profile.vct: profile for profile in sorted(profiles, key=lambda profile: profile.vct)}


def format_profile(profile: Profile) -> bytes:
    """Return the JSON file of a profile; the inverse of `parse_profile` up to white space."""
    return json.dumps({"format": FORMAT, **asdict(profile)}, indent=2).encode() + b"\n"


def parse_profile(data: bytes) -> Profile:
    """Read the JSON file of a profile.

    Args:
        data: UTF-8 JSON of at most 16,384 bytes.

    Raises:
        MalformedError: code too_large; code unsupported for another `format`; otherwise not JSON, a
            field missing, unknown, twice or of the wrong type, or a rule broken: a name twice, an open
            claim that is sealed or nested, more claims than digests, ages that do not rise, a sealed
            claim without a bucket, a card side that names an unknown claim or leaves out what must be
            open, a size beyond the ceiling.
    """
    if len(data) > FILE_MAX_BYTES:
        raise MalformedError("the profile is too large", field="profile", code="too_large")
    try:
        root = json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError("a profile is JSON without repeated fields", field="profile") from error
    if isinstance(root, dict) and root.get("format") != FORMAT:
        raise MalformedError("another format of profiles", field="profile.format", code="unsupported")
    fields = _fields(root, "profile", ("format", *Profile.__dataclass_fields__))
    profile = Profile(
        vct=_text(fields["vct"], "vct", _VCT_MAX_CHARACTERS),
        title=_text(fields["title"], "title", _TITLE_MAX_CHARACTERS),
        digest_count=_number(fields["digest_count"], "digest_count", range(1, DIGESTS_MAX + 1)),
        validity_days=_number(fields["validity_days"], "validity_days", range(1, VALIDITY_DAYS_MAX + 1)),
        ages=tuple(_number(age, "ages", _AGES) for age in _list(fields["ages"], "ages")),
        claims=tuple(_parse_claim(item) for item in _list(fields["claims"], "claims")),
        bucket_bytes=_parse_buckets(fields["bucket_bytes"]),
        card=_parse_layout(fields["card"]),
        front_size_bytes=_parse_front_size(fields["front_size_bytes"]),
    )
    _check_profile(profile)
    return profile


def _parse_claim(value: object) -> ClaimRule:
    fields = _fields(value, "claims", tuple(ClaimRule.__dataclass_fields__))
    if type(fields["must_open"]) is not bool:
        raise MalformedError("true or false", field="claims.must_open")
    return ClaimRule(
        name=_name(fields["name"], "claims.name"),
        group=_name(fields["group"], "claims.group"),
        must_open=fields["must_open"],
        nested=tuple(_name(name, "claims.nested") for name in _list(fields["nested"], "claims.nested")),
        digest_count=_number(fields["digest_count"], "claims.digest_count", range(DIGESTS_MAX + 1)),
    )


def _parse_buckets(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        raise MalformedError("a bucket for each sealed claim", field="bucket_bytes")
    return {name: _number(size, "bucket_bytes", _BUCKETS) for name, size in value.items()}


def _parse_layout(value: object) -> Layout:
    fields = _fields(value, "card", ("front", "back"))
    front, back = (
        tuple(_name(name, f"card.{side}") for name in _list(fields[side], f"card.{side}"))
        for side in ("front", "back")
    )
    return Layout(front, back)


def _parse_front_size(value: object) -> FrontSize:
    fields = _fields(value, "front_size_bytes", ("measured", "goal", "ceiling"))
    sizes = range(1, 3000)
    return FrontSize(
        **{name: _number(size, f"front_size_bytes.{name}", sizes) for name, size in fields.items()}
    )


def _check_profile(profile: Profile) -> None:
    names = [name for claim in profile.claims for name in (claim.name, *claim.nested)]
    if not names or len(set(names)) != len(names):
        raise MalformedError("each claim has a name of its own", field="claims.name")
    for claim in profile.claims:
        if claim.must_open != (claim.group == OPEN) or (claim.must_open and claim.nested):
            raise MalformedError("what must be open is in group open and flat", field="claims.must_open")
        if len(claim.nested) > claim.digest_count or bool(claim.nested) != bool(claim.digest_count):
            raise MalformedError("nested claims have a digest each", field="claims.digest_count")
    if not profile.must_open or len(profile.claims) > profile.digest_count:
        raise MalformedError("each claim has a digest and one must be open", field="digest_count")
    sealed = [claim for claim in profile.claims if not claim.must_open]
    if {name for claim in sealed for name in claim.nested or (claim.name,)} != set(profile.bucket_bytes):
        raise MalformedError("each sealed value has a bucket", field="bucket_bytes")
    if any(low >= high for low, high in zip(profile.ages, profile.ages[1:], strict=False)):
        raise MalformedError("the ages rise", field="ages")
    if bool(profile.ages) != ("ages" in names):
        raise MalformedError("there are ages exactly where there is a claim of that name", field="ages")
    top = {claim.name for claim in profile.claims}
    for side in (profile.card.front, profile.card.back):
        if not set(side) <= top or len(set(side)) != len(side):
            raise MalformedError("a card side names top-level claims, each once", field="card")
    if profile.card.front != profile.must_open:
        raise MalformedError("the front carries exactly what must be open", field="card.front")
    sizes = profile.front_size_bytes
    if not sizes.measured <= sizes.ceiling or not sizes.goal <= sizes.ceiling:
        raise MalformedError("the front is larger than its ceiling", field="front_size_bytes")


def _fields(value: object, where: str, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise MalformedError(f"exactly the fields {', '.join(names)}", field=where)
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list) or len(value) > DIGESTS_MAX:
        raise MalformedError(f"a list of at most {DIGESTS_MAX}", field=where)
    return value


def _number(value: object, where: str, allowed: range) -> int:
    if type(value) is not int or value not in allowed:
        raise MalformedError(f"a whole number from {allowed.start} to {allowed.stop - 1}", field=where)
    return value


def _text(value: object, where: str, max_characters: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= max_characters or not value.isprintable():
        raise MalformedError(f"a printable text of 1 to {max_characters} characters", field=where)
    return value


def _name(value: object, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise MalformedError("a name of small letters", field=where)
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands twice")
    return fields


def _refuse_constant(_text: str) -> NoReturn:
    raise ValueError("not a number")
