"""Snapshots: what a bundle and a status token need of the registry, as of one head.

The registry goes on while witnesses look at a head, and a bundle must show the lists as they were there
(docs/protocol.md section 9, step 7). A snapshot copies the lists that changed since the one before and
shares the others, with their compressed form.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from functools import cached_property

from ledger.core import cbor
from ledger.core.registry import Registry


@dataclass(frozen=True)
class ListSnapshot:
    """One status list as of a head: raw list of 65,536 bytes and encoded reasons."""

    uri: str
    raw: bytes
    reasons: bytes

    @cached_property
    def raw_deflated(self) -> bytes:
        """The raw list as it travels."""
        return zlib.compress(self.raw, 9)

    @cached_property
    def reasons_deflated(self) -> bytes:
        """The reasons as they travel."""
        return zlib.compress(self.reasons, 9)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The registry's part of a bundle.

    Attributes:
        size: tree size.
        checkpoint: text of the head, with cosignatures once there are any.
        time_ms: epoch time.
        approvals: indexes of the approvals of effective actions, rising.
        lists: status lists by URI, bytewise.
    """

    size: int
    checkpoint: str
    time_ms: int
    approvals: tuple[int, ...]
    lists: tuple[ListSnapshot, ...] = field(repr=False)

    def list_of(self, uri: str) -> ListSnapshot | None:
        """Return one list, None if no place of it is taken."""
        return next((item for item in self.lists if item.uri == uri), None)


def take_snapshot(registry: Registry, size: int, checkpoint: str, before: Snapshot | None) -> Snapshot:
    """Return a snapshot of the registry, which must stand at the head of this size.

    Args:
        registry: the state; it is read, not kept.
        size: tree size of the head.
        checkpoint: text of the head.
        before: an older snapshot whose unchanged lists are shared.
    """
    older = {} if before is None else {item.uri: item for item in before.lists}
    lists = []
    for uri in sorted(registry.lists, key=str.encode):
        state = registry.lists[uri]
        reasons = cbor.encode(state.format_reasons())
        known = older.get(uri)
        if known is None or known.raw != state.raw or known.reasons != reasons:
            known = ListSnapshot(uri, bytes(state.raw), reasons)
        lists.append(known)
    approvals = tuple(sorted(index for effect in registry.effects for index in effect.approvals))
    return Snapshot(size, checkpoint, registry.time_ms, approvals, tuple(lists))
