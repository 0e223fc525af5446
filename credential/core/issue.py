"""Issuing: from what a person says of herself to a signed credential and its disclosures.

docs/protocol.md, section 6; values as in docs/safeconduct.cddl, "what is printed". The credential is an
SD-CWT (draft-ietf-spice-sd-cwt, read: April 2026) in which the person is behind salted digests only.
Every profile has a fixed number of digests; a part that a person does not have is a decoy, so that the
number says nothing. Randomness and the signer are arguments.

>>> from credential.core.profiles import built_in_profile
>>> from ledger.core.cose_key import SoftwareSigner
>>> place = StatusPlace("sc:1/0", 7)
>>> salts = (bytes([n]) * 16 for n in range(99))
>>> done = issue(built_in_profile("sc:identity"), PersonClaims(), iss="civil-1", sub="A" * 16, iat_s=0,
...     place=place, holder=bytes(16), signer=SoftwareSigner.from_seed("p256", bytes(32)),
...     random_bytes=lambda size: next(salts))
>>> sorted(done.disclosures), len(done.decoys)
([('ages',)], 3)
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from credential.core.birth import BASES, Answer, BirthInterval, age_answer
from credential.core.disclosure import Disclosure
from credential.core.holder import holder_signer
from credential.core.names import Name, format_name
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
COMPANION_HASH_BYTES: Final = 16
SUBJECT_RANDOM_BYTES: Final = 12
PORTRAIT_MAX_BYTES: Final = 800

Path = tuple[str, ...]
RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Companion:
    """Who may accompany which child.

    Attributes:
        child_sub: `sub` of the child's credential.
        scope: one of `SCOPES`.
        until: last day of the authorisation.
        adult_sub: `sub` of the adult's own credential; "" where the companion's card is the only one.
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
        sex: a word, or "".
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
        disclosures: by path, such as ("names",) or ("more", "birth"); a parent's value holds digests.
        decoys: disclosures that stand for nothing; they go to the holder's case file.
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
        InputError: `iat_s` is not a whole day, a value that the profile has no claim for, a birth after
            the day of issue, a missing or ended companion's authorisation, a portrait over 800 bytes, a
            repeated salt.
        MalformedError: `iss`, `sub` or a companion's `sub` is not of its form, or a date lies outside
            the years 1 to 9999.
    """
    parse_party(iss, field="iss")
    parse_subject(sub, field="sub")
    if iat_s < 0 or iat_s % calendar_days.DAY_S:
        raise InputError("the day of issue is not a whole day", field="iat")
    exp_s = calendar_days.exp_for(iat_s, profile.validity_days)
    values = _values(profile, person, sub, calendar_days.date_of_seconds(iat_s), exp_s)
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


def companion_hash(salt: bytes, sub: str) -> bytes:
    """Return the 16 bytes that name the credential `sub` in a companion's authorisation.

    Args:
        salt: salt of the disclosure "companion", 16 bytes.
        sub: of the child's or the adult's credential.
    """
    return hashlib.sha256(salt + sub.encode()).digest()[:COMPANION_HASH_BYTES]


def _marked(profile: Profile, values: Mapping[str, Any]) -> dict[Any, Any]:
    """Return the claims with marks of redaction, filled up with decoys to the profile's numbers."""
    decoys = iter(range(1, 100))
    marked: dict[Any, Any] = {}
    for rule in profile.claims:
        value = _nested(rule, values, decoys) if rule.nested else values.get(rule.name)
        if value is not None:
            marked[RedactedKey(rule.name)] = value
    while len(marked) < profile.digest_count:
        marked[Decoy(next(decoys))] = None
    return marked


def _nested(rule: ClaimRule, values: Mapping[str, Any], decoys: Any) -> dict[Any, Any] | None:
    marked: dict[Any, Any] = {RedactedKey(name): values[name] for name in rule.nested if name in values}
    if not marked:
        return None  # nothing to nest: the whole part is one decoy
    while len(marked) < rule.digest_count:
        marked[Decoy(next(decoys))] = None
    return marked


def _values(profile: Profile, person: PersonClaims, sub: str, day: date, exp_s: int) -> dict[str, Any]:
    """Return the values by claim name, only of what the person has and the profile names."""
    if len(person.portrait) > PORTRAIT_MAX_BYTES:
        raise InputError(f"the portrait is over {PORTRAIT_MAX_BYTES} bytes", field="portrait")
    if person.birth is not None and person.birth.earliest > day:
        raise InputError("the birth lies after the day of issue", field="birth.earliest")
    values: dict[str, Any] = {
        "names": [format_name(name) for name in person.names],
        "birth": _format_birth_value(person.birth),
        "sex": person.sex,
        "nationalities": list(person.nationalities),
        "birthplace": person.birthplace,
        "portrait": person.portrait,
        "companion": _companion_value(person.companion, sub, day),
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


def _companion_value(companion: Companion | None, sub: str, day: date) -> SaltedValue | None:
    if companion is None:
        return None
    child = parse_subject(companion.child_sub, field="companion.child")
    adult = parse_subject(companion.adult_sub or sub, field="companion.adult")
    if child == adult:
        raise InputError("child and adult are two persons", field="companion.child")
    if companion.scope not in SCOPES:
        raise InputError(f"one of {', '.join(SCOPES)}", field="companion.scope")
    if companion.until < day:
        raise InputError("the authorisation has ended before the day of issue", field="companion.until")
    scope, until = SCOPES.index(companion.scope) + 1, calendar_days.day_of_date(companion.until)
    return SaltedValue(lambda salt: [companion_hash(salt, child), companion_hash(salt, adult), scope, until])


def _confirmation(holder: bytes | PublicKey, iss: str, sub: str) -> bytes:
    key = holder if isinstance(holder, PublicKey) else holder_signer(holder, iss, sub).public_key
    if key.kind != "ed25519":
        raise InputError("the holder's key is an Ed25519 key", field="cnf")
    return key.x
