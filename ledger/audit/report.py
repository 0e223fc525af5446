"""What an audit found, in a form for people and for machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ledger.core.registry import Registry


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Result of an audit.

    Attributes:
        code: "ok", the code of the first violation, or not_cosigned (names of `ledger.codes`).
        origin: of the ledger.
        tree_size: of the checkpoint that was audited.
        root: its root hash, hex.
        index: index of the first bad entry, or None.
        rule: the field or rule that the violation names.
        detail: one sentence.
        counts: entries by kind.
        epochs: number of seals.
        issuers: id -> title.
        last_time_ms: time of the last seal.
        cosigned: witness -> time in seconds of its valid cosignature, of the newest head with a quorum.
        cosigned_size: tree size of the newest head with a quorum of witnesses, or None; below `tree_size`
            where the newest head of a directory has none yet.
        quorum: whether there is such a head.
        held: what waits for the governors, by index: entry, issuer, list, places, and the time in seconds
            until which they may confirm or refuse it.
        against_size: tree size of the head seen before that it was proven consistent with, or None.
        resumed_from: how many entries an audit before this one has replayed, so that this one began behind
            them; 0 where it began with the first.
    """

    code: str
    origin: str
    tree_size: int = 0
    root: str = ""
    index: int | None = None
    rule: str = ""
    detail: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    epochs: int = 0
    issuers: dict[str, str] = field(default_factory=dict)
    last_time_ms: int = 0
    cosigned: dict[str, int] = field(default_factory=dict)
    cosigned_size: int | None = None
    quorum: bool = False
    held: list[dict[str, Any]] = field(default_factory=list)
    against_size: int | None = None
    resumed_from: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with the ledger itself."""
        return self.code == "ok"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def held_changes(registry: Registry) -> list[dict[str, Any]]:
    """Return what is held, in plain values."""
    names = {issuer.number: name for name, issuer in registry.governance.issuers.items()}
    return [
        {
            "index": held.index,
            "issuer": names[held.number],
            "list": held.uri,
            "places": len(held.rows),
            "until_s": held.lapses_ms // 1000,
        }
        for held in registry.places.quarantine.held.values()
    ]
