"""What governors hand to each other as files: accepts, actions, approvals.

docs/protocol.md section 3. A governor needs no network: a charter is accepted and an action approved on
paper-like files that travel on a stick or by mail. An action file is the deterministic CBOR of the action,
the very payload that each approval signs, so approvals of equal files belong together. People compare an
action by its words: eight words of a public list that stand for the first 88 bits of its digest.

    action = Action("civil-1", 0, until_s, parse_verbs(["admit", "application.cose"], read))
    approval = approve(parse_action_file(format_action_file(action)), "ana", signer)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from mnemonic import Mnemonic

from ledger.core import cbor
from ledger.core.actions import (
    Action,
    AddKey,
    Admission,
    Admit,
    Change,
    ConfirmHeld,
    DistrustKey,
    RefuseHeld,
    Reinstate,
    RetireKey,
    Scope,
    Suspend,
    Verb,
    format_action,
    parse_action,
)
from ledger.core.charter import Accept, Charter, Governors
from ledger.core.cose_key import Signer
from ledger.core.merkle import leaf_hash
from ledger.core.statement import (
    MAX_ENTRY_BYTES,
    Statement,
    parse_application,
    parse_statement,
    sign_statement,
)
from ledger.errors import MalformedError, VerificationError
from ledger.governor_keys import parse_public_key
from ledger.ledger_arguments import LEDGER_WORDS, ReadFile, bad, parse_number, take, take_ledger_verb

WORDS: Final = 8
"""Never twelve: twelve words are a holder's secret."""
_WORD_BITS: Final = 11
_CHANGES: Final = ("authority", "title", "vcts", "rate", "desks")
VERBS: Final = (
    *(
        "admit",
        "change",
        "suspend",
        "reinstate",
        "add-key",
        "retire-key",
        "distrust-key",
        "confirm",
        "refuse",
    ),
    *LEDGER_WORDS,
)


def words_of(digest: bytes) -> str:
    """Return eight words that stand for the first 88 bits of a digest of at least 11 bytes.

    >>> words_of(bytes(32))
    'abandon abandon abandon abandon abandon abandon abandon abandon'
    """
    bits = int.from_bytes(digest[: WORDS * _WORD_BITS // 8])
    return " ".join(
        _word_list()[bits >> shift & 0x7FF] for shift in range((WORDS - 1) * _WORD_BITS, -1, -_WORD_BITS)
    )


@cache
def _word_list() -> tuple[str, ...]:
    return tuple(Mnemonic("english").wordlist)


def parse_charter_file(data: bytes) -> Statement:
    """Read a charter and check that the service key in it signed it.

    Raises:
        MalformedError: not a charter.
        VerificationError: code bad_signature, or unknown_issuer where another key signed it.
    """
    statement = parse_statement(data)
    if statement.kind != "charter":
        raise MalformedError("this file is not a charter", field="charter")
    charter: Charter = statement.body
    if statement.kid != charter.service_key.kid:
        raise VerificationError("unknown_issuer", "the charter is not signed by its service key", field="kid")
    statement.check_signature(charter.service_key)
    return statement


def accept_charter(charter_entry: bytes, signer: Signer) -> tuple[str, bytes]:
    """Return the governor's name in the charter and her signed accept.

    Raises:
        MalformedError, VerificationError: as `parse_charter_file`; code unknown_issuer if the charter does
            not name the signer's key as a governor's.
    """
    charter: Charter = parse_charter_file(charter_entry).body
    names = [name for name, key in charter.governors if key == signer.public_key]
    if not names:
        raise VerificationError("unknown_issuer", "the charter does not name this key", field="key")
    body = Accept(leaf_hash(charter_entry))
    return names[0], sign_statement("accept", names[0], charter.origin, body, signer)


def parse_action_file(data: bytes) -> Action:
    """Read an action file.

    Raises:
        MalformedError: not an action.
    """
    return parse_action(cbor.decode(data, max_size=MAX_ENTRY_BYTES, field="action"))


def format_action_file(action: Action) -> bytes:
    """Return an action file, the payload that approvals sign; the inverse of `parse_action_file`.

    Raises:
        MalformedError: a value of the action is out of its range.
    """
    data = cbor.encode(format_action(action))
    parse_action_file(data)
    return data


def approve(action: Action, governor: str, signer: Signer) -> bytes:
    """Return a governor's approval of an action: a govern statement."""
    return sign_statement("govern", governor, action.subject, action, signer)


def check_application(data: bytes) -> tuple[str, str, Admission]:
    """Return (issuer id, origin, admission) of an application whose signer holds a key it asks for.

    Raises:
        MalformedError: not an application.
        VerificationError: unknown_issuer where the signing key is not asked for; bad_signature.
    """
    statement = parse_application(data)
    admission: Admission = statement.body
    for key in admission.keys:
        if key.kid == statement.kid:
            statement.check_signature(key)
            return statement.iss, statement.sub, admission
    raise VerificationError("unknown_issuer", "signed with a key that it does not ask for", field="kid")


def parse_verbs(words: Sequence[str], read: ReadFile, governors: Governors = ()) -> tuple[Verb, ...]:
    """Return the verbs that a person typed, such as `suspend add-key new.pub`.

    Args:
        words: verbs, each followed by its arguments.
        read: returns the content of a file that a verb names.
        governors: those of now, whose keys `governors` takes over where it names none.

    Raises:
        LedgerError: code bad_input, an unknown verb or a missing or malformed argument.
        MalformedError, VerificationError: a file that a verb names is not what it must be.
    """
    rest = list(words)
    verbs: list[Verb] = []
    while rest:
        verbs.append(_take_verb(rest, read, governors))
    if not verbs:
        raise bad("say what is to be done: " + ", ".join(VERBS))
    return tuple(verbs)


def _take_verb(rest: list[str], read: ReadFile, governors: Governors) -> Verb:
    if rest[0] in LEDGER_WORDS:
        return take_ledger_verb(rest, read, governors)
    match rest.pop(0):
        case "admit":
            return Admit(check_application(read(take(rest, "admit APPLICATION_FILE")))[2])
        case "change":
            return _take_change(rest)
        case "suspend":
            return Suspend()
        case "reinstate":
            return Reinstate()
        case "add-key":
            return AddKey(parse_public_key(read(take(rest, "add-key PUBLIC_KEY_FILE"))))
        case "retire-key":
            return RetireKey(_kid(take(rest, "retire-key KID")))
        case "distrust-key":
            kid = _kid(take(rest, "distrust-key KID FROM"))
            return DistrustKey(kid, parse_number(take(rest, "distrust-key KID FROM"), "FROM"))
        case "confirm":
            return ConfirmHeld(parse_number(take(rest, "confirm INDEX"), "INDEX"))
        case "refuse":
            return RefuseHeld(parse_number(take(rest, "refuse INDEX"), "INDEX"))
        case other:
            raise bad(f"{other!r} is not a verb; verbs are " + ", ".join(VERBS))


def _take_change(rest: list[str]) -> Change:
    given: dict[str, str] = {}
    while rest and "=" in rest[0]:
        name, _, value = rest.pop(0).partition("=")
        if name not in _CHANGES or name in given:
            raise bad(f"change takes each once: {', '.join(f'{known}=...' for known in _CHANGES)}")
        given[name] = value
    scope_given = {name for name in ("vcts", "rate", "desks") if name in given}
    if not given or scope_given not in (set(), {"vcts", "rate", "desks"}):
        raise bad("change replaces authority=, title=, or the whole scope: vcts=a,b rate=N desks=N")
    scope = None
    if scope_given:
        vcts = tuple(sorted(set(given["vcts"].split(",")), key=str.encode))
        scope = Scope(vcts, parse_number(given["rate"], "rate"), parse_number(given["desks"], "desks"))
    return Change(given.get("authority"), given.get("title"), scope)


def _kid(text: str) -> bytes:
    try:
        kid = bytes.fromhex(text)
    except ValueError:
        kid = b""
    if len(kid) != 8:
        raise bad("a KID is 16 hex digits, as `sc-ledger govern status` shows it")
    return kid
