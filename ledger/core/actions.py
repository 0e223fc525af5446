"""Govern actions: what k of n governors decide. docs/protocol.md section 3, docs/safeconduct.cddl.

An action is a list of verbs on one subject, all of them or none. A govern statement is one governor's
approval of one action; approvals with equal payload bytes belong together.

>>> format_action(Action("civil-1", 1, 1_800_000_000, (Suspend(),)))
{1: 'civil-1', 2: 1, 3: 1800000000, 4: [[3]]}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ledger.core.cose_key import PublicKey, format_cose_key, parse_cose_key
from ledger.core.fields import (
    parse_array,
    parse_bytes,
    parse_map,
    parse_origin,
    parse_party,
    parse_text,
    parse_title,
    parse_uint,
)
from ledger.core.ledger_verbs import BRIDGED_VERBS, LedgerVerb, format_ledger_verb, parse_ledger_verb
from ledger.errors import MalformedError

KID_BYTES = 8
MAX_KEYS = 32
"""Keys of one issuer, active or not."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an issuer may sign.

    Attributes:
        vcts: credential types, sorted bytewise.
        rate: credentials accepted in 24 clock hours.
        desks: status lists open side by side.
    """

    vcts: tuple[str, ...]
    rate: int
    desks: int


@dataclass(frozen=True, slots=True)
class Admission:
    """What an issuer applies with: who answers for it, its title, its first keys, its scope."""

    authority: str
    title: str
    keys: tuple[PublicKey, ...]
    scope: Scope


@dataclass(frozen=True, slots=True)
class Admit:
    """Verb 1: admit the subject as an issuer."""

    admission: Admission


@dataclass(frozen=True, slots=True)
class Change:
    """Verb 2: replace what is given."""

    authority: str | None = None
    title: str | None = None
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Suspend:
    """Verb 3: the issuer signs no new credentials."""


@dataclass(frozen=True, slots=True)
class Reinstate:
    """Verb 4: end a suspension."""


@dataclass(frozen=True, slots=True)
class AddKey:
    """Verb 5: a further key."""

    key: PublicKey


@dataclass(frozen=True, slots=True)
class RetireKey:
    """Verb 6: nothing new of this key."""

    kid: bytes


@dataclass(frozen=True, slots=True)
class DistrustKey:
    """Verb 7: nothing new of this key, and what it signed from `from_index` on needs affirmation."""

    kid: bytes
    from_index: int


@dataclass(frozen=True, slots=True)
class ConfirmHeld:
    """Verb 8: what the status statement at `index` asked for and was held takes effect."""

    index: int


@dataclass(frozen=True, slots=True)
class RefuseHeld:
    """Verb 9: what the status statement at `index` asked for and was held never takes effect."""

    index: int


HeldVerb = ConfirmHeld | RefuseHeld
IssuerVerb = Admit | Change | Suspend | Reinstate | AddKey | RetireKey | DistrustKey | HeldVerb
Verb = IssuerVerb | LedgerVerb

_ARGUMENTS: Final = (0, 1, 1, 0, 0, 1, 1, 2, 1, 1, 2, 1, 1, 1, 2, 1, 1, 2)
"""How many arguments the verb of a number has."""
HELD_VERBS: Final = (ConfirmHeld, RefuseHeld)


@dataclass(frozen=True, slots=True)
class Action:
    """One action.

    Attributes:
        subject: the origin, or an issuer id.
        counter: number of actions in effect so far on that subject.
        not_after: seconds since 1970; no approval counts later.
        verbs: 1 to 16.
    """

    subject: str
    counter: int
    not_after: int
    verbs: tuple[Verb, ...]

    @property
    def is_bridged(self) -> bool:
        """Whether a verifier crosses it only by a checkpoint under the keys and the witnesses before it.

        Source: docs/protocol.md section 9, "Bridging".
        """
        return any(isinstance(verb, BRIDGED_VERBS) for verb in self.verbs)


def parse_action(value: Any) -> Action:
    """Return the action of a decoded body.

    Raises:
        MalformedError: not the form of the CDDL.
    """
    body = parse_map(value, (1, 2, 3, 4), field="action")
    return Action(
        subject=parse_origin(body[1], field="action.subject"),
        counter=parse_uint(body[2], field="action.counter"),
        not_after=parse_uint(body[3], field="action.not_after"),
        verbs=tuple(_parse_verb(item) for item in parse_array(body[4], field="action.verbs", low=1, high=16)),
    )


def format_action(action: Action) -> dict[int, Any]:
    """Return the body of an action, ready to be encoded."""
    return {
        1: action.subject,
        2: action.counter,
        3: action.not_after,
        4: [format_verb(verb) for verb in action.verbs],
    }


def _parse_verb(value: Any) -> Verb:
    item = parse_array(value, field="action.verb", low=1, high=3)
    code = parse_uint(item[0], field="action.verb", low=1, high=17)
    if len(item) != 1 + _ARGUMENTS[code]:
        raise MalformedError("a verb with the wrong number of arguments", field="action.verb")
    return _parse_issuer_verb(code, item) if code < 10 else parse_ledger_verb(code, item)


def _parse_issuer_verb(code: int, item: list[Any]) -> IssuerVerb:
    match code:
        case 1:
            return Admit(parse_admission(item[1]))
        case 2:
            return _parse_change(item[1])
        case 3:
            return Suspend()
        case 4:
            return Reinstate()
        case 5:
            return AddKey(parse_cose_key(item[1]))
        case 6:
            return RetireKey(parse_bytes(item[1], KID_BYTES, field="verb.kid"))
        case 7:
            return DistrustKey(
                parse_bytes(item[1], KID_BYTES, field="verb.kid"),
                parse_uint(item[2], field="verb.from_index"),
            )
        case 8:
            return ConfirmHeld(parse_uint(item[1], field="verb.index"))
        case _:
            return RefuseHeld(parse_uint(item[1], field="verb.index"))


def format_verb(verb: Verb) -> list[Any]:
    """Return a verb as an array: its number, then its arguments."""
    match verb:
        case Admit(admission):
            return [1, format_admission(admission)]
        case Change():
            return [2, _format_change(verb)]
        case Suspend():
            return [3]
        case Reinstate():
            return [4]
        case AddKey(key):
            return [5, format_cose_key(key)]
        case RetireKey(kid):
            return [6, kid]
        case DistrustKey(kid, from_index):
            return [7, kid, from_index]
        case ConfirmHeld(index):
            return [8, index]
        case RefuseHeld(index):
            return [9, index]
        case _:
            return format_ledger_verb(verb)


def parse_admission(value: Any) -> Admission:
    """Return the admission of a decoded body; 1 to 8 keys, all different."""
    body = parse_map(value, (1, 2, 3, 4), field="admission")
    keys = tuple(parse_cose_key(item) for item in parse_array(body[3], field="admission.keys", low=1, high=8))
    if len({key.kid for key in keys}) != len(keys):
        raise MalformedError("two keys with one kid", field="admission.keys", code="place_taken")
    return Admission(
        authority=parse_party(body[1], field="admission.authority"),
        title=parse_title(body[2], field="admission.title"),
        keys=keys,
        scope=parse_scope(body[4]),
    )


def format_admission(admission: Admission) -> dict[int, Any]:
    """Return an admission, ready to be encoded."""
    return {
        1: admission.authority,
        2: admission.title,
        3: [format_cose_key(key) for key in admission.keys],
        4: format_scope(admission.scope),
    }


def parse_scope(value: Any) -> Scope:
    """Return the scope of a decoded body; credential types sorted bytewise, none twice."""
    body = parse_map(value, (1, 2, 3), field="scope")
    vcts = tuple(
        parse_text(item, field="scope.vcts", max_bytes=64)
        for item in parse_array(body[1], field="scope.vcts", low=1, high=16)
    )
    if list(vcts) != sorted(set(vcts), key=str.encode):
        raise MalformedError("not sorted, or one stands twice", field="scope.vcts")
    return Scope(
        vcts=vcts,
        rate=parse_uint(body[2], field="scope.rate"),
        desks=parse_uint(body[3], field="scope.desks", low=1, high=1024),
    )


def format_scope(scope: Scope) -> dict[int, Any]:
    """Return a scope, ready to be encoded."""
    return {1: list(scope.vcts), 2: scope.rate, 3: scope.desks}


def _parse_change(value: Any) -> Change:
    body = parse_map(value, (), optional=(1, 2, 4), field="change")
    if not body:
        raise MalformedError("changes nothing", field="change")
    return Change(
        authority=parse_party(body[1], field="change.authority") if 1 in body else None,
        title=parse_title(body[2], field="change.title") if 2 in body else None,
        scope=parse_scope(body[4]) if 4 in body else None,
    )


def _format_change(change: Change) -> dict[int, Any]:
    scope = None if change.scope is None else format_scope(change.scope)
    fields = {1: change.authority, 2: change.title, 4: scope}
    return {key: value for key, value in fields.items() if value is not None}
