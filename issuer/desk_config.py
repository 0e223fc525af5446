"""A desk's own description: which issuer it is of, which list it draws from, which ledger it believes.

One JSON file, `desk.json`. It holds nothing secret; the key stands beside it, encrypted.

>>> config = DeskConfig("civil-1", "ministry", "Registry of Examplia", "ledger.example/one", 0, 2)
>>> parse_config(format_config(config)) == config
True
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from typing import Any, Final

from issuer.errors import InputError
from issuer.second_signers import NO_RULE, SecondSigners, format_second_signers, parse_second_signers
from ledger.core.fields import parse_origin, parse_party, parse_title
from ledger.errors import MalformedError

FORMAT: Final = 1
CONFIG_MAX_BYTES: Final = 16_384
DESKS_MAX: Final = 1024
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """Settings of a desk.

    Attributes:
        issuer_id: the `iss` of what it signs.
        authority: who answers for the issuer.
        title: the issuer's title.
        origin: the ledger's origin.
        desk: number of this desk among the issuer's desks, from 0; its lists are desk, desk + desks, ...
        desks: desks of the issuer, as the governors admitted it.
        number: the issuer's number on the ledger; 0 while it is not connected.
        charter: leaf hash of the pinned charter in hex; "" while it is not connected.
        ledger_url: base address of the ledger; "" while it is not connected.
        second_signers: who has to approve changes of status; left out of the file while there never was a rule,
            so that a version without this rule reads no settings that have one.
    """

    issuer_id: str
    authority: str
    title: str
    origin: str
    desk: int
    desks: int
    number: int = 0
    charter: str = ""
    ledger_url: str = ""
    second_signers: SecondSigners = NO_RULE

    @property
    def is_connected(self) -> bool:
        """Whether the desk knows its ledger and its number there."""
        return self.number > 0


_RULE: Final = "second_signers"
_PLAIN: Final = tuple(item.name for item in fields(DeskConfig) if item.name != _RULE)


def format_config(config: DeskConfig) -> bytes:
    """Return the JSON file; the inverse of `parse_config`."""
    value: dict[str, Any] = {"format": FORMAT} | {name: getattr(config, name) for name in _PLAIN}
    if config.second_signers.version:
        value[_RULE] = format_second_signers(config.second_signers)
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def parse_config(data: bytes) -> DeskConfig:
    """Read the JSON file.

    Raises:
        InputError: not JSON of exactly the fields of `DeskConfig`, or a value out of its range.
    """
    try:
        value = json.loads(data) if len(data) <= CONFIG_MAX_BYTES else None
    except (ValueError, RecursionError):
        value = None
    given: dict[str, Any] = value if isinstance(value, dict) else {}
    has_rule = _RULE in given
    rule = given.pop(_RULE, None)
    if given.pop("format", None) != FORMAT or set(given) != set(_PLAIN):
        raise InputError("desk.json", "must be the file that init made")
    numbers = ((name, given[name]) for name in ("desk", "desks", "number"))
    for name, number in numbers:
        if type(number) is not int or not 0 <= number < 10_000_000:
            raise InputError(f"desk.json: {name}", "must be a number from 0")
    if not all(isinstance(given[name], str) for name in ("charter", "ledger_url")):
        raise InputError("desk.json", "charter and ledger_url must be texts")
    try:
        parse_party(given["issuer_id"], field="issuer_id")
        parse_party(given["authority"], field="authority")
        parse_title(given["title"], field="title")
        parse_origin(given["origin"], field="origin")
        second_signers = parse_second_signers(rule) if has_rule else NO_RULE
    except MalformedError as error:
        raise InputError(f"desk.json: {error.field}", error.detail) from None
    config = DeskConfig(**given, second_signers=second_signers)
    if not config.desk < config.desks <= DESKS_MAX:
        raise InputError("desk.json: desk", "must be below the number of desks")
    if config.is_connected != bool(_HASH.fullmatch(config.charter)):
        raise InputError("desk.json: charter", "must be 64 small hex digits once the desk is connected")
    return config
