"""Issuing: from what a person says of herself to a signed credential and its disclosures.

docs/protocol.md, section 6; values as in docs/safeconduct.cddl, "what is printed". The credential is an
SD-CWT (draft-ietf-spice-sd-cwt, read: April 2026) in which the person is behind salted digests only.
Every claim of the profile is always there: a part that a person does not have has the value null, and what
is sealed is padded (`padding`), so that neither the number nor the length of the parts says anything about
the person. Randomness and the signer are arguments.

>>> from credential.core.profiles import built_in_profile
>>> from ledger.core.cose_key import SoftwareSigner
>>> place = StatusPlace("sc:1/0", 7)
>>> salts = (bytes([n]) * 16 for n in range(99))
>>> done = issue(built_in_profile("sc:identity"), PersonClaims(), iss="civil-1", sub="A" * 16, iat_s=0,
...     place=place, holder=bytes(16), signer=SoftwareSigner.from_seed("p256", bytes(32)),
...     random_bytes=lambda size: next(salts))
>>> len(done.disclosures), len(done.decoys)
(8, 0)
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from credential.core.birth import BASES, Answer, BirthInterval, age_answer
from credential.core.disclosure import Disclosure
from credential.core.holder import holder_signer
from credential.core.names import Name, format_name
from credential.core.padding import format_padded
from credential.core.profiles import ClaimRule, Profile
from credential.core.redaction import Decoy, RedactedKey, SaltedValue, redact
from credential.errors import InputError
from ledger.core import calendar_days
from ledger.core.cbor import REDACTED_KEYS
from ledger.core.claims import CredentialClaims
from ledger.core.cose_key import PublicKey, Signer
from ledger.core.fields import parse_party, parse_subject
from ledger.core.statement import sign_credential

SCOPES: Final = ("travel", "school", "medical", "daily_care")
"""What a companion is authorised for; in the credential the place in this list plus one."""
SEXES: Final = ("female", "male", "other")
"""What may be said of a sex; in the credential the place in this list plus one."""
COMPANION_HASH_BYTES: Final = 16
SUBJECT_RANDOM_BYTES: Final = 12
PORTRAIT_MAX_BYTES: Final = 800

Path = tuple[str, ...]
RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Companion:
    """Who may accompany which child.

    Attributes:
        child_sub: `sub` of the child's credential, or `iss/sub` where another issuer signed it.
        scope: one of `SCOPES`.
        until: last day of the authorisation.
        adult_sub: the same of the adult's own credential; "" where the companion's card is the only one.
    """

    child_sub: str
    scope: str
    until: date
    adult_sub: str = ""


@dataclass(frozen=True, slots=True)
class PersonClaims:
    """What is attested about a person; every part may be missing.

    Attributes:
        names: names in the order given.
        birth: interval of birth.
        sex: one of `SEXES`, or "".
        nationalities: ISO 3166-1 alpha-3 codes, or ("undetermined",).
        birthplace: a text, or "".
        portrait: an image of at most 800 bytes, or b"".
        companion: the authorisation of a companion's card; None for every other.
    """

    names: tuple[Name, ...] = ()
    birth: BirthInterval | None = None
    sex: str = ""
    nationalities: tuple[str, ...] = ()
    birthplace: str = ""
    portrait: bytes = b""
    companion: Companion | None = None


@dataclass(frozen=True, slots=True)
class StatusPlace:
    """A place on a status list: its URI and the number in it."""

    uri: str
    idx: int


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A signed credential.

    Attributes:
        entry: the bytes to register.
        claims: what stands in it in clear.
        disclosures: by path, such as ("names",) or ("more", "birth"), every claim of the profile; a
            parent's value holds digests.
        decoys: disclosures that stand for nothing, in a profile with more digests than claims; they go to
            the holder's case file.
    """

    entry: bytes
    claims: CredentialClaims
    disclosures: Mapping[Path, Disclosure]
    decoys: tuple[Disclosure, ...]


def issue(
    profile: Profile,
    person: PersonClaims,
    *,
    iss: str,
    sub: str,
    iat_s: int,
    place: StatusPlace,
    holder: bytes | PublicKey,
    signer: Signer,
    random_bytes: RandomBytes,
) -> IssuedCredential:
    """Sign a credential of `profile` about `person`.

    Args:
        profile: what is claimed, and how many digests there are.
        person: the values; what the profile does not name must be missing.
        iss: issuer id.
        sub: 16 characters (`new_subject`).
        iat_s: day of issue, epoch seconds, a multiple of 86,400.
        place: a free status place.
        holder: the holder's 16-byte secret, or the Ed25519 key that a phone sent.
        signer: the issuer's key.
        random_bytes: returns so many bytes from a cryptographic source; 16 are drawn per digest.

    Raises:
        InputError: `iat_s` is not a whole day, a value that the profile has no claim for, a sex that is
            none of `SEXES`, a birth after
            the day of issue, a missing or ended companion's authorisation or one that outlasts its card, a
            portrait over 800 bytes, a repeated salt.
        MalformedError: `iss`, `sub` or a companion's `sub` is not of its form, or a date lies outside
            the years 1 to 9999.
    """
    parse_party(iss, field="iss")
    parse_subject(sub, field="sub")
    if iat_s < 0 or iat_s % calendar_days.DAY_S:
        raise InputError("the day of issue is not a whole day", field="iat")
    exp_s = calendar_days.exp_for(iat_s, profile.validity_days)
    values = _values(profile, person, iss, sub, calendar_days.date_of_seconds(iat_s), exp_s)
    redaction = redact(_marked(profile, values), random_bytes)
    disclosures = {
        tuple(str(key) for key in part.path): part.disclosure
        for part in redaction.disclosures
        if part.disclosure.kind == "claim"
    }
    decoys = tuple(part.disclosure for part in redaction.disclosures if part.disclosure.kind == "decoy")
    claims = CredentialClaims(
        iss=iss,
        sub=sub,
        iat=iat_s,
        exp=exp_s,
        cnf=_confirmation(holder, iss, sub),
        vct=profile.vct,
        uri=place.uri,
        idx=place.idx,
        digests=tuple(redaction.payload[REDACTED_KEYS]),
    )
    return IssuedCredential(sign_credential(claims, signer), claims, disclosures, decoys)


def new_subject(random_bytes: RandomBytes) -> str:
    """Return a fresh `sub`: base64url of 12 random bytes, 16 characters."""
    return urlsafe_b64encode(random_bytes(SUBJECT_RANDOM_BYTES)).decode("ascii")


def companion_hash(salt: bytes, iss: str, sub: str) -> bytes:
    """Return the 16 bytes that name a credential in a companion's authorisation.

    The issuer is part of it: a `sub` is public on the ledger, and another issuer could sign the same one.

    Args:
        salt: salt of the disclosure "companion", 16 bytes.
        iss, sub: of the child's or the adult's credential.
    """
    return hashlib.sha256(salt + iss.encode() + b"\x00" + sub.encode()).digest()[:COMPANION_HASH_BYTES]


def _marked(profile: Profile, values: Mapping[str, Any]) -> dict[Any, Any]:
    """Return the claims with marks of redaction, filled up with decoys to the profile's numbers."""
    decoys = iter(range(1, 100))
    marked: dict[Any, Any] = {}
    for rule in profile.claims:
        if rule.must_open:
            marked[RedactedKey(rule.name)] = values[rule.name]
        elif rule.nested:
            marked[RedactedKey(rule.name)] = _nested(profile, rule, values, decoys)
        else:
            marked[RedactedKey(rule.name)] = _padded(profile, rule.name, values)
    while len(marked) < profile.digest_count:
        marked[Decoy(next(decoys))] = None
    return marked


def _nested(
    profile: Profile, rule: ClaimRule, values: Mapping[str, Any], decoys: Iterator[int]
) -> dict[Any, Any]:
    marked: dict[Any, Any] = {RedactedKey(name): _padded(profile, name, values) for name in rule.nested}
    while len(marked) < rule.digest_count:
        marked[Decoy(next(decoys))] = None
    return marked


def _padded(profile: Profile, name: str, values: Mapping[str, Any]) -> list[Any]:
    return format_padded(values.get(name), name, profile.bucket_bytes[name])


def _values(
    profile: Profile, person: PersonClaims, iss: str, sub: str, day: date, exp_s: int
) -> dict[str, Any]:
    """Return the values by claim name, only of what the person has and the profile names."""
    if len(person.portrait) > PORTRAIT_MAX_BYTES:
        raise InputError(f"the portrait is over {PORTRAIT_MAX_BYTES} bytes", field="portrait")
    if person.sex and person.sex not in SEXES:
        raise InputError(f"one of {', '.join(SEXES)}", field="sex")
    if person.birth is not None and person.birth.earliest > day:
        raise InputError("the birth lies after the day of issue", field="birth.earliest")
    values: dict[str, Any] = {
        "names": [format_name(name) for name in person.names],
        "birth": _format_birth_value(person.birth),
        "sex": SEXES.index(person.sex) + 1 if person.sex else None,
        "nationalities": list(person.nationalities),
        "birthplace": person.birthplace,
        "portrait": person.portrait,
        "companion": _companion_value(person.companion, iss, sub, day, calendar_days.date_of_seconds(exp_s)),
    }
    values = {name: value for name, value in values.items() if value}
    unknown = [name for name in values if profile.rule_of(name) is None]
    if unknown:
        raise InputError("the profile has no such claim", field=unknown[0])
    if profile.ages:
        values["ages"] = _ages_value(profile.ages, person.birth, day, calendar_days.quarter_of_seconds(exp_s))
    missing = [name for name in profile.must_open if name not in values]
    if missing:
        raise InputError("the profile needs this part", field=missing[0])
    return values


def _ages_value(
    ages: tuple[int, ...], birth: BirthInterval | None, day: date, exp_quarter: int
) -> dict[int, list[int]]:
    if birth is None:
        return {age: [int(Answer.CANNOT_EXCLUDE), exp_quarter] for age in ages}
    answers = {age: age_answer(birth, age, day, exp_quarter) for age in ages}
    return {age: [int(answer), until] for age, (answer, until) in answers.items()}


def _format_birth_value(birth: BirthInterval | None) -> list[int | str]:
    if birth is None:
        return []
    return [
        calendar_days.day_of_date(birth.earliest),
        calendar_days.day_of_date(birth.latest),
        BASES.index(birth.basis),
        birth.calendar,
        birth.told,
    ]


def _companion_value(
    companion: Companion | None, iss: str, sub: str, day: date, end: date
) -> SaltedValue | None:
    if companion is None:
        return None
    child = _named(companion.child_sub, iss, field="companion.child")
    adult = _named(companion.adult_sub or sub, iss, field="companion.adult")
    if child == adult:
        raise InputError("child and adult are two persons", field="companion.child")
    if companion.scope not in SCOPES:
        raise InputError(f"one of {', '.join(SCOPES)}", field="companion.scope")
    if companion.until < day:
        raise InputError("the authorisation has ended before the day of issue", field="companion.until")
    if companion.until >= end:
        raise InputError(f"this card is valid before {end.isoformat()} only", field="companion.until")
    scope, until = SCOPES.index(companion.scope) + 1, calendar_days.day_of_date(companion.until)
    return SaltedValue(
        lambda salt: [companion_hash(salt, *child), companion_hash(salt, *adult), scope, until]
    )


def _named(reference: str, iss: str, *, field: str) -> tuple[str, str]:
    """Return (iss, sub) of `sub` or `iss/sub`."""
    other, _, sub = reference.rpartition("/")
    return parse_party(other, field=field) if other else iss, parse_subject(sub, field=field)


def _confirmation(holder: bytes | PublicKey, iss: str, sub: str) -> bytes:
    key = holder if isinstance(holder, PublicKey) else holder_signer(holder, iss, sub).public_key
    if key.kind != "ed25519":
        raise InputError("the holder's key is an Ed25519 key", field="cnf")
    return key.x
