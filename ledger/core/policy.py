r"""Trust policies: which logs are known, and which witnesses must have cosigned a checkpoint.

Implements C2SP tlog-policy. The parser accepts everything the specification allows (spaces, tabs, comments,
any order); `format_policy` writes the one canonical form: logs, witnesses, groups, quorum, single spaces.
Names of witnesses and groups are local to the policy; on a checkpoint a witness is found by the name and
key ID of its verifier key. One log may have several lines, one per key, all with the origin as key name:
our verifiers require every one of them (docs/protocol.md, section 8).

>>> from ledger.core.cosignature import Ed25519Cosigner
>>> from ledger.core.note import format_vkey
>>> keys = [format_vkey(Ed25519Cosigner(f"w{i}.example", bytes([i]) * 32).verifier_key) for i in range(3)]
>>> lines = [f"witness w{i} {key}\n" for i, key in enumerate(keys)]
>>> policy = parse_policy("".join(lines) + "group some 2 w0 w1 w2\nquorum some\n")
>>> policy.satisfied(["w0", "w2"]), policy.quorum_time({"w0": 30, "w1": 20, "w2": 10})
(True, 20)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ledger.core.cosignature import COSIGNATURE_TYPES
from ledger.core.note import (
    TYPE_ED25519,
    TYPE_MLDSA44_COSIGNATURE,
    VerifierKey,
    format_vkey,
    parse_vkey,
)
from ledger.errors import MalformedError

MAX_POLICY_SIZE: Final = 512 * 1024
MAX_ITEMS: Final = 64
"""Largest number of logs, of witnesses, and of groups (the specification asks for at least 32 of each)."""
QUORUM_NONE: Final = "none"

LOG_TYPES: Final = (TYPE_ED25519, TYPE_MLDSA44_COSIGNATURE)
_NOT_ALLOWED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_SEPARATOR: Final = re.compile("[ \t]+")
_THRESHOLD: Final = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A `log` line: one key of a log, whose key name is the log's origin."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A `witness` line: local name, key, and where the witness takes checkpoints."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """A `group` line: satisfied when at least `threshold` of the members are."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy. `quorum` is the name of a witness or group, or "none"."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str

    def log_keys(self, origin: str) -> tuple[VerifierKey, ...]:
        """Return the keys of the log with this origin, in the order of the policy; empty if unknown."""
        return tuple(log.key for log in self.logs if log.key.name == origin)

    def witness_keys(self) -> dict[str, VerifierKey]:
        """Return {local name: key} of all witnesses, as `cosignature.check_cosignatures` takes it."""
        return {witness.name: witness.key for witness in self.witnesses}

    def satisfied(self, names: Collection[str]) -> bool:
        """Whether cosignatures of the witnesses with these local names meet the quorum.

        Other names are ignored. A quorum of "none" is always met.
        """
        if self.quorum == QUORUM_NONE:
            return True
        met = {witness.name for witness in self.witnesses} & set(names)
        for group in self.groups:  # members stand before their group, so one pass settles everything
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum in met

    def quorum_time(self, timestamps: Mapping[str, int]) -> int | None:
        """Return the largest t such that the witnesses with a time >= t meet the quorum.

        Args:
            timestamps: local witness name -> time of its cosignature in seconds.

        Returns:
            The time in seconds, or None where the quorum is not met or is "none" (nobody vouches for time).
        Source: docs/protocol.md, section 9.
        """
        if self.quorum == QUORUM_NONE:
            return None
        for time_s in sorted(set(timestamps.values()), reverse=True):
            if self.satisfied([name for name, other in timestamps.items() if other >= time_s]):
                return time_s
        return None


def parse_policy(data: str | bytes) -> Policy:
    """Read a policy file.

    Args:
        data: the file; bytes that are not UTF-8 are kept as opaque characters, as the specification asks.

    Raises:
        MalformedError: code `too_large` above 512 KiB or 64 logs, witnesses or groups; code `unsupported` for
            a key of a type that does not fit its role (logs 0x01 or 0x06, witnesses 0x04 or 0x06); otherwise
            a character that is not allowed, a line that does not end in a newline or is not one of the four
            kinds, a name used before or twice defined, a second membership, a threshold out of range, a
            duplicate public key among the logs or among the witnesses, or not exactly one quorum line.
    Source: tlog-policy, "Policy file syntax and structure".
    """
    if len(data) > MAX_POLICY_SIZE:
        raise MalformedError("the policy is too large", field="policy", code="too_large")
    text = data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")
    if _NOT_ALLOWED.search(text):
        raise MalformedError("a policy holds no control characters", field="policy")
    lines = text.split("\n")
    if lines.pop() != "":
        raise MalformedError("a policy's last line ends in a newline", field="policy")
    reader = _Reader()
    for line in lines:
        items = _SEPARATOR.split(line.strip(" \t"))
        if items[0] and not items[0].startswith("#"):
            reader.read(items)
    return reader.policy()


def format_policy(policy: Policy) -> str:
    """Return the canonical text of a policy; `parse_policy` reads it back to an equal value.

    Raises:
        MalformedError: the values break a rule that `parse_policy` checks.
    """
    lines = [_join("log", format_vkey(log.key), log.url) for log in policy.logs]
    lines += [_join("witness", item.name, format_vkey(item.key), item.url) for item in policy.witnesses]
    lines += [_join("group", group.name, _rule(group), *group.members) for group in policy.groups]
    lines.append(_join("quorum", policy.quorum))
    text = "".join(lines)
    if parse_policy(text) != policy:
        raise MalformedError("the values do not make a policy", field="policy")
    return text


def _join(*items: str | None) -> str:
    return " ".join(item for item in items if item is not None) + "\n"


def _rule(group: PolicyGroup) -> str:
    if group.threshold == len(group.members):
        return "all"
    return "any" if group.threshold == 1 else str(group.threshold)


class _Reader:
    """Collects the lines of one policy and refuses what contradicts earlier lines."""

    def __init__(self) -> None:
        self._logs: list[PolicyLog] = []
        self._witnesses: list[PolicyWitness] = []
        self._groups: list[PolicyGroup] = []
        self._quorum: str | None = None
        self._defined: set[str] = set()
        self._members: set[str] = set()

    def read(self, items: list[str]) -> None:
        """Read one line that is not empty and no comment."""
        match items:
            case ["log", vkey] | ["log", vkey, _]:
                known = [log.key for log in self._logs]
                self._logs.append(PolicyLog(_key(vkey, LOG_TYPES, known), *items[2:]))
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                known = [witness.key for witness in self._witnesses]
                key = _key(vkey, COSIGNATURE_TYPES, known)
                self._define(name)
                self._witnesses.append(PolicyWitness(name, key, *items[3:]))
            case ["group", name, rule, _, *_]:
                self._groups.append(self._group(name, rule, items[3:]))
                self._define(name)
            case ["quorum", name] if self._quorum is None and name in {QUORUM_NONE, *self._defined}:
                self._quorum = name
            case _:
                raise MalformedError("a line of the policy is not allowed here", field="policy")
        if max(len(self._logs), len(self._witnesses), len(self._groups)) > MAX_ITEMS:
            raise MalformedError("the policy has too many lines", field="policy", code="too_large")

    def policy(self) -> Policy:
        """Return what was read."""
        if self._quorum is None:
            raise MalformedError("a policy has one quorum line", field="quorum")
        return Policy(tuple(self._logs), tuple(self._witnesses), tuple(self._groups), self._quorum)

    def _define(self, name: str) -> None:
        if name == QUORUM_NONE or name in self._defined:
            raise MalformedError("a name of the policy is taken", field="name")
        self._defined.add(name)

    def _group(self, name: str, rule: str, members: list[str]) -> PolicyGroup:
        for member in members:
            if member not in self._defined or member in self._members:
                raise MalformedError("a group member is not defined, or is a member already", field="group")
            self._members.add(member)
        if rule in ("any", "all"):
            return PolicyGroup(name, 1 if rule == "any" else len(members), tuple(members))
        if not _THRESHOLD.fullmatch(rule) or int(rule) > len(members):
            raise MalformedError("a group's threshold is 1 to the number of its members", field="group")
        return PolicyGroup(name, int(rule), tuple(members))


def _key(vkey: str, types: Collection[int], known: Iterable[VerifierKey]) -> VerifierKey:
    key = parse_vkey(vkey)
    if key.signature_type not in types:
        raise MalformedError("a key of this type does not fit its role", field="vkey", code="unsupported")
    if any(other.public_key == key.public_key for other in known):
        raise MalformedError("a public key stands in the policy twice", field="vkey")
    return key
