"""From the clerk's record of a person to what is attested: the same facts, as the credential takes them.

`issuer.person` reads what a clerk typed, where a field may be "unknown"; `credential.core.issue` takes only
what is there. The portrait is read from beside the record and made small; the photograph itself goes nowhere.

    claims_of(parse_person(data), Path("queue"))
"""

from __future__ import annotations

from pathlib import Path

from credential.core.issue import Companion, PersonClaims
from issuer.files import read_file
from issuer.person import UNKNOWN, Person
from issuer.portrait import MAX_IMAGE_BYTES, compress_portrait


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
