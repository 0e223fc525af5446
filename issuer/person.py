"""What a clerk knows about one person: the strict form of PERSON.json.

Everything but one name may be unknown: a person always has something she is called. The record is the
desk's input only; which parts become claims, and which the bearer opens, is decided by the profile.

A birth is a range of Gregorian days (`earliest`, `latest`), or what was told in some calendar and nothing
else (`told`, with `calendar` and `basis` if they differ from gregorian and statement): then the range is
worked out as `credential.core.told_birth` says.

>>> person = parse_person({"names": [{"text": "Hosna", "latin": "HOSNA"}], "birth": "unknown"})
>>> person.names[0].latin, person.birth, person.sex, person.nationalities
('HOSNA', None, 'unknown', ())
>>> told = {"told": "1999", "calendar": "ethiopian"}
>>> parse_person({"names": [{"text": "Hosna", "latin": "HOSNA"}], "birth": told}).birth.latest
datetime.date(2007, 9, 11)
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from credential.core.birth import BirthInterval, format_birth, parse_birth
from credential.core.names import Name, name_from_input
from credential.core.told_birth import birth_from_told
from issuer.errors import InputError
from ledger.errors import CodedError

PERSON_MAX_BYTES: Final = 16_384
NAMES_MAX: Final = 6
NATIONALITIES_MAX: Final = 4
BIRTHPLACE_MAX_CHARACTERS: Final = 60
SEXES: Final = ("female", "male", "other", "unknown")
UNKNOWN: Final = "unknown"
UNDETERMINED: Final = "undetermined"

_FIELDS: Final = frozenset({"names", "birth", "sex", "nationalities", "birthplace", "portrait"})
_NAME_FIELDS: Final = frozenset({"text", "script", "latin", "kind"})
_BIRTH_FIELDS: Final = frozenset({"earliest", "latest", "basis", "calendar", "told"})
_BIRTH_DEFAULTS: Final = {"basis": "statement", "calendar": "gregorian", "told": ""}
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}")
# ISO 3166-1 alpha-3, and XKX, which passports and agencies use for Kosovo.
_COUNTRIES: Final = frozenset(
    """
    ABW AFG AGO AIA ALA ALB AND ARE ARG ARM ASM ATA ATF ATG AUS AUT AZE BDI BEL BEN BES BFA BGD BGR BHR BHS
    BIH BLM BLR BLZ BMU BOL BRA BRB BRN BTN BVT BWA CAF CAN CCK CHE CHL CHN CIV CMR COD COG COK COL COM CPV
    CRI CUB CUW CXR CYM CYP CZE DEU DJI DMA DNK DOM DZA ECU EGY ERI ESH ESP EST ETH FIN FJI FLK FRA FRO FSM
    GAB GBR GEO GGY GHA GIB GIN GLP GMB GNB GNQ GRC GRD GRL GTM GUF GUM GUY HKG HMD HND HRV HTI HUN IDN IMN
    IND IOT IRL IRN IRQ ISL ISR ITA JAM JEY JOR JPN KAZ KEN KGZ KHM KIR KNA KOR KWT LAO LBN LBR LBY LCA LIE
    LKA LSO LTU LUX LVA MAC MAF MAR MCO MDA MDG MDV MEX MHL MKD MLI MLT MMR MNE MNG MNP MOZ MRT MSR MTQ MUS
    MWI MYS MYT NAM NCL NER NFK NGA NIC NIU NLD NOR NPL NRU NZL OMN PAK PAN PCN PER PHL PLW PNG POL PRI PRK
    PRT PRY PSE PYF QAT REU ROU RUS RWA SAU SDN SEN SGP SGS SHN SJM SLB SLE SLV SMR SOM SPM SRB SSD STP SUR
    SVK SVN SWE SWZ SXM SYC SYR TCA TCD TGO THA TJK TKL TKM TLS TON TTO TUN TUR TUV TWN TZA UGA UKR UMI URY
    USA UZB VAT VCT VEN VGB VIR VNM VUT WLF WSM XKX YEM ZAF ZMB ZWE
    """.split()
)


@dataclass(frozen=True, slots=True)
class Person:
    """One person as the desk records her.

    Attributes:
        names: 1 to 6 names in the order given, at least one of them primary.
        birth: the interval of birth, or None where nothing is known.
        sex: one of `SEXES`.
        nationalities: ISO 3166-1 alpha-3 codes; ("undetermined",) where it was looked into without a
            result; () where it is unknown or was not asked.
        birthplace: short text, or None.
        portrait: name of an image file beside the record, or None.
    """

    names: tuple[Name, ...]
    birth: BirthInterval | None = None
    sex: str = UNKNOWN
    nationalities: tuple[str, ...] = ()
    birthplace: str | None = None
    portrait: str | None = None


def parse_person(data: bytes | Mapping[str, Any]) -> Person:
    """Return the person of a PERSON.json, or of the same content as a mapping.

    Every optional field may be absent, null or "unknown".

    Args:
        data: at most 16 KiB of JSON in UTF-8, or a mapping.

    Raises:
        InputError: not JSON, a key twice, an unknown key, or a field that breaks its rule; the error's
            `field` is its path, such as `names[1].latin`, and its text never repeats the value.
    """
    record = _object(_load(data) if isinstance(data, bytes) else data, "", _FIELDS)
    return Person(
        names=_names(record.get("names")),
        birth=_birth(_known(record, "birth")),
        sex=_sex(_known(record, "sex")),
        nationalities=_nationalities(_known(record, "nationalities")),
        birthplace=_birthplace(_known(record, "birthplace")),
        portrait=_portrait(_known(record, "portrait")),
    )


def format_person(person: Person) -> dict[str, Any]:
    """Return the record as `parse_person` reads it; what is unknown is left out."""
    record: dict[str, Any] = {
        "names": [
            {"text": name.text, "script": name.script, "latin": name.latin, "kind": name.kind}
            for name in person.names
        ]
    }
    if person.birth is not None:
        record["birth"] = format_birth(person.birth)
    if person.sex != UNKNOWN:
        record["sex"] = person.sex
    if person.nationalities:
        record["nationalities"] = list(person.nationalities)
    if person.birthplace is not None:
        record["birthplace"] = person.birthplace
    if person.portrait is not None:
        record["portrait"] = person.portrait
    return record


def primary_name(person: Person) -> Name:
    """Return the first primary name."""
    return next(name for name in person.names if name.kind == "primary")


def _load(data: bytes) -> object:
    if len(data) > PERSON_MAX_BYTES:
        raise InputError("", "the record is larger than 16 KiB")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique_keys)
    except InputError:
        raise
    except (ValueError, RecursionError):
        raise InputError("", "the record is not JSON in UTF-8") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise InputError("", "a key stands twice in one object")
    return record


def _object(value: object, path: str, allowed: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(path, "must be an object")
    if not allowed.issuperset(value):
        raise InputError(path, f"has a key other than {', '.join(sorted(allowed))}")
    return value


def _known(record: Mapping[str, Any], field: str) -> Any:
    value = record.get(field)
    return None if value == UNKNOWN else value


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise InputError(path, "must be a text")
    return value


def _names(value: object) -> tuple[Name, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= NAMES_MAX:
        raise InputError("names", f"must be a list of 1 to {NAMES_MAX} names")
    names = tuple(_name(item, f"names[{place}]") for place, item in enumerate(value))
    if all(name.kind != "primary" for name in names):
        raise InputError("names", "must have at least one primary name")
    if len(set(names)) != len(names):
        raise InputError("names", "must not repeat a name")
    return names


def _name(value: object, path: str) -> Name:
    fields = _object(value, path, _NAME_FIELDS)
    for required in ("text", "latin"):
        if required not in fields:
            raise InputError(f"{path}.{required}", "is required")
    given = {key: _text(item, f"{path}.{key}") for key, item in fields.items()}
    try:
        return name_from_input(
            given["text"], given["latin"], given.get("kind", "primary"), given.get("script")
        )
    except CodedError as error:
        raise InputError(f"{path}.{error.field.rpartition('.')[2]}", error.detail) from None


def _birth(value: object) -> BirthInterval | None:
    if value is None:
        return None
    fields = _object(value, "birth", _BIRTH_FIELDS)
    for key, item in fields.items():
        _text(item, f"birth.{key}")
    given = {**_BIRTH_DEFAULTS, **fields}
    only_told = bool(given["told"]) and not {"earliest", "latest"} & set(fields)
    for required in () if only_told else ("earliest", "latest"):
        if required not in fields:
            raise InputError(f"birth.{required}", "is required; write the whole range that is possible")
    try:
        if only_told:
            return birth_from_told(given["told"], given["calendar"], given["basis"])
        return parse_birth(given)
    except CodedError as error:
        raise InputError(error.field, error.detail) from None


def _sex(value: object) -> str:
    if value is None:
        return UNKNOWN
    if value not in SEXES:
        raise InputError("sex", f"must be one of {', '.join(SEXES)}")
    return str(value)


def _nationalities(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if value == UNDETERMINED or value == [UNDETERMINED]:
        return (UNDETERMINED,)
    if not isinstance(value, list | tuple) or len(value) > NATIONALITIES_MAX:
        raise InputError(
            "nationalities", f'must be "{UNDETERMINED}" or a list of at most {NATIONALITIES_MAX} codes'
        )
    for place, code in enumerate(value):
        if not isinstance(code, str) or code not in _COUNTRIES:
            raise InputError(f"nationalities[{place}]", "must be a code of ISO 3166-1 alpha-3, such as SYR")
    if len(set(value)) != len(value):
        raise InputError("nationalities", "must not repeat a code")
    return tuple(value)


def _birthplace(value: object) -> str | None:
    if value is None:
        return None
    text = " ".join(unicodedata.normalize("NFC", _text(value, "birthplace")).split())
    if not text or len(text) > BIRTHPLACE_MAX_CHARACTERS or not text.isprintable():
        raise InputError(
            "birthplace", f"must be a printable text of 1 to {BIRTHPLACE_MAX_CHARACTERS} characters"
        )
    return text


def _portrait(value: object) -> str | None:
    if value is None:
        return None
    if not _FILE_NAME.fullmatch(_text(value, "portrait")):
        raise InputError("portrait", "must be the plain name of a file beside the record")
    return str(value)
