"""Who has to approve what a desk's key says about the status of cards: the rule of one desk.

docs/adr/0006-second-signer.md. The rule is a set of names and Ed25519 keys, any one of which approves; an
empty set asks for nobody. It stands in the desk's settings, and its version rises with every change, so that
an approval of an earlier change of the rule can never be used again.

>>> parse_second_signers(format_second_signers(SecondSigners(3))) == SecondSigners(3)
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from issuer.errors import InputError
from ledger.core.cose_key import PublicKey
from ledger.core.fields import parse_party, parse_uint
from ledger.errors import MalformedError
from ledger.governor_keys import read_public_key

SIGNERS_MAX: Final = 16
VERSION_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class SecondSigners:
    """The rule of a desk.

    Attributes:
        version: number of changes of the rule so far; 0 where there never was one.
        signers: (name, Ed25519 key) by name, no name and no key twice; empty where nobody is asked.
    """

    version: int = 0
    signers: tuple[tuple[str, PublicKey], ...] = ()

    @property
    def are_required(self) -> bool:
        """Whether a change of status needs the approval of one of them."""
        return bool(self.signers)

    def key_of(self, name: str) -> PublicKey | None:
        """Return the key of a name, or None."""
        return dict(self.signers).get(name)


NO_RULE: Final = SecondSigners()


def check_signers(version: int, signers: Sequence[tuple[str, PublicKey]]) -> SecondSigners:
    """Return a rule of values from outside.

    Raises:
        MalformedError: a version, a name or a number of signers out of its range; names that do not rise, a key
            that stands twice; code unsupported for a key that is not Ed25519.
    """
    parse_uint(version, field="second_signers.version", high=VERSION_MAX)
    if len(signers) > SIGNERS_MAX:
        raise MalformedError(f"more than {SIGNERS_MAX} second signers", field="second_signers")
    names = [parse_party(name, field="second_signers.name") for name, _ in signers]
    keys = [key for _, key in signers]
    if names != sorted(set(names)) or len(set(keys)) != len(keys):
        raise MalformedError("names that do not rise, or a key that stands twice", field="second_signers")
    if any(key.kind != "ed25519" for key in keys):
        raise MalformedError(
            "a second signer's key is Ed25519", field="second_signers.key", code="unsupported"
        )
    return SecondSigners(version, tuple(zip(names, keys, strict=True)))


def parse_second_signers(value: Any) -> SecondSigners:
    """Return the rule that the desk's settings hold, as decoded JSON.

    Raises:
        MalformedError: not `{"version": N, "signers": {NAME: 64 hex digits}}`, or as `check_signers`.
    """
    if not isinstance(value, dict) or set(value) != {"version", "signers"}:
        raise MalformedError("not version and signers", field="second_signers")
    signers = value["signers"]
    if not isinstance(signers, dict):
        raise MalformedError("not names with keys", field="second_signers")
    return check_signers(value["version"], [(name, _key_of_hex(signers[name])) for name in sorted(signers)])


def format_second_signers(rule: SecondSigners) -> Mapping[str, Any]:
    """Return the rule for the desk's settings; the inverse of `parse_second_signers`."""
    return {"version": rule.version, "signers": {name: key.x.hex() for name, key in rule.signers}}


def read_signers(words: Sequence[str]) -> tuple[tuple[str, PublicKey], ...]:
    """Return the signers that a person typed as NAME=PUBLIC_KEY_FILE, by name.

    Raises:
        InputError: not of this form, or a name, a key or a kind of key that cannot stand there.
        LedgerError: a file that is not there, cannot be read or is no public key.
    """
    named: dict[str, PublicKey] = {}
    for word in words:
        name, equals, file = word.partition("=")
        if not equals or not Path(file).is_file() or name in named:
            raise InputError(
                "signers", "must be NAME=PUBLIC_KEY_FILE, every name once, of files that are there"
            )
        named[name] = read_public_key(file)
    try:
        return check_signers(0, sorted(named.items(), key=lambda item: item[0])).signers
    except MalformedError as error:
        raise InputError("signers", error.detail) from None


def _key_of_hex(value: Any) -> PublicKey:
    try:
        # bytes.fromhex lets spaces and capitals through; one rule has one form.
        x = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        x = b""
    if len(x) != 32 or x.hex() != value:
        raise MalformedError("not 64 small hex digits", field="second_signers.key")
    return PublicKey("ed25519", x)
