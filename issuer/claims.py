"""From the clerk's record of a person to what is attested: the same facts, as the credential takes them.

`issuer.person` reads what a clerk typed, where a field may be "unknown"; `credential.core.issue` takes only
what is there. The portrait is read from beside the record and made small; the photograph itself goes nowhere.

    claims_of(parse_person(data), Path("queue"))
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from credential.core.card import parse_card
from credential.core.issue import Companion, PersonClaims
from credential.core.qr_text import parse_qr_text
from issuer.errors import InputError
from issuer.files import read_file
from issuer.person import UNKNOWN, Person
from issuer.portrait import MAX_IMAGE_BYTES, compress_portrait
from ledger.core.statement import parse_statement


def claims_of(person: Person, folder: Path, companion: Companion | None = None) -> PersonClaims:
    """Return the claims about a person.

    A companion's card has no portrait (docs/protocol.md, section 6), so that of the record is left out there.

    Args:
        person: the record.
        folder: where the portrait's file is.
        companion: the authorisation, for a companion's card.

    Raises:
        IssuerError: not_found or storage_failed, the portrait cannot be read.
        InputError: it is not an image.
    """
    portrait = b""
    if person.portrait is not None and companion is None:
        portrait = compress_portrait(
            read_file(folder / person.portrait, "portrait", max_size=MAX_IMAGE_BYTES)
        )
    return PersonClaims(
        names=person.names,
        birth=person.birth,
        sex="" if person.sex == UNKNOWN else person.sex,
        nationalities=person.nationalities,
        birthplace=person.birthplace or "",
        portrait=portrait,
        companion=companion,
    )


def subject_of(texts: Sequence[str]) -> str:
    """Return `iss/sub` of the one card of which these are codes: a child's or an adult's own.

    Raises:
        InputError: no code, or codes of several cards.
        MalformedError: a code of another kind (code unsupported), or not of its form.
    """
    statements = [parse_statement(parse_card(parse_qr_text(text)).entry) for text in texts]
    subjects = {f"{statement.iss}/{statement.sub}" for statement in statements}
    if len(subjects) != 1:
        raise InputError("card", "must be the code of one card")
    return subjects.pop()


def companion_of(
    vct: str, child: str | None, adult: str | None, scope: str, until: str | None
) -> Companion | None:
    """Return the authorisation that a clerk typed; None for every profile but sc:companion.

    Args:
        vct: the profile.
        child: subject of the child's credential; `iss/sub` where another issuer signed it.
        adult: the same of the adult's own credential, if there is one.
        scope: one of `credential.core.issue.SCOPES`.
        until: last day, YYYY-MM-DD.

    Raises:
        InputError: a value is missing, is not of its form, or does not belong to the profile.
    """
    if vct != "sc:companion":
        if child or adult or until:
            raise InputError("vct", "must be sc:companion for --child, --adult and --until")
        return None
    if not child or not until:
        raise InputError("child", "and until are needed for sc:companion")
    try:
        day = date.fromisoformat(until)
    except ValueError:
        raise InputError("until", "must be a day, YYYY-MM-DD") from None
    return Companion(child, scope, day, adult or "")
