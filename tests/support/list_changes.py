"""Bundles of a made-up day and deltas between them, of the right form and with nothing in them to verify.

A delta says nothing of signatures: what two readers could do otherwise is how they join what is there and what is new.

    changes = ListChanges()
    changes.delta(random.Random(1))       # an input of the format "delta"
"""

from __future__ import annotations

import base64
import random
from dataclasses import replace
from hashlib import sha256
from typing import Final

from ledger.core.bundle import Bundle, PackedList, PlacedEntry, format_bundle
from ledger.core.cells import CELL_SIZE
from ledger.core.delta import format_delta, make_delta, parse_delta
from tests.support.mutations import mutate_bytes

_URIS: Final = ("sc:1/0", "sc:1/10", "sc:1/9", "sc:10/0", "sc:2/0")
_CELLS: Final = b"".join(sha256(bytes([number])).digest() for number in range(12))
_CHARTER: Final = PlacedEntry(0, bytes(128), b"charter")


class ListChanges:
    """Inputs of the formats "delta" and "make_delta"; everything follows from the random source that is given."""

    def delta(self, rng: random.Random) -> dict[str, str]:
        """Return a bundle and a delta, mostly one that leads on from it."""
        old, within, new = self._day(rng)
        at_hand = rng.choice((old, within, within, new))
        first, last = rng.choice(((old, new), (old, new), (old, new), (old, within), (within, new)))
        delta = make_delta(format_bundle(first), format_bundle(last))
        match rng.randrange(8):
            case 0:
                delta = mutate_bytes(rng, delta, [delta])
            case 1:
                at_hand = self._changed(rng, at_hand)
            case 2:
                told = parse_delta(delta)
                delta = format_delta(replace(told, approvals=told.approvals[1:], lists=told.lists[1:]))
        return {"bundle": format_bundle(at_hand).hex(), "delta": delta.hex()}

    def pair(self, rng: random.Random) -> dict[str, str]:
        """Return two bundles, mostly one that extends the other."""
        old, within, new = self._day(rng)
        first, second = rng.choice(((old, new), (within, new), (old, within), (new, new), (new, old)))
        if rng.random() < 0.2:
            second = self._changed(rng, second)
        data = format_bundle(second)
        if rng.random() < 0.1:
            data = mutate_bytes(rng, data, [data])
        return {"old": format_bundle(first).hex(), "new": data.hex()}

    def _day(self, rng: random.Random) -> tuple[Bundle, Bundle, Bundle]:
        """Return three bundles of one history, the first of them the oldest."""
        counts = sorted(rng.choices(range(1, 13), k=3))
        last = counts[-1] * CELL_SIZE - 1
        approvals = [
            PlacedEntry(index, bytes(128), b"approval %d" % index)
            for index in sorted(rng.sample(range(1, last), rng.randrange(min(9, last - 1))))
        ]
        sizes = rng.sample(range(1, 13), rng.randrange(4))
        bundles = []
        lists: dict[str, PackedList] = {}
        bridges: dict[int, str] = {}
        for number, count in enumerate(counts):
            for uri in rng.sample(_URIS, rng.randrange(3)):
                lists[uri] = PackedList(uri, b"raw %d" % number, rng.randbytes(2))
            for size in sizes:
                if rng.random() < 0.5:
                    bridges[size] = _note(size * CELL_SIZE, number)
            own = [one for one in approvals if one.index < count * CELL_SIZE - 1]
            if count < counts[-1] and own and rng.random() < 0.3:
                own.remove(rng.choice(own))  # an approval that has not made its action yet
            bundles.append(
                Bundle(
                    charter=_CHARTER,
                    approvals=tuple(own),
                    checkpoint=_note(count * CELL_SIZE, number),
                    cells=_CELLS[: 32 * count],
                    seal=PlacedEntry(count * CELL_SIZE - 1, bytes(128), b"seal %d" % count),
                    lists=tuple(lists[uri] for uri in sorted(lists)),
                    bridges=tuple(bridges[size] for size in sorted(bridges)),
                )
            )
        return bundles[0], bundles[1], bundles[2]

    def _changed(self, rng: random.Random, bundle: Bundle) -> Bundle:
        """Return the bundle with something that the day's delta does not expect."""
        match rng.randrange(5):
            case 0:
                return replace(bundle, cells=bytes(32) + bundle.cells[32:])
            case 1:
                return replace(bundle, charter=replace(_CHARTER, entry=b"another charter"))
            case 2:
                return replace(
                    bundle, bridges=(*bundle.bridges, rng.choice(("bridge", "a\n\n\N{EM DASH} b c\n")))
                )
            case 3:
                more = PackedList("sc:9/9", b"", b"")
                return replace(bundle, lists=(*bundle.lists, more))
            case _:
                return replace(bundle, approvals=bundle.approvals[1:], lists=())


def _note(size: int, number: int) -> str:
    """Return a checkpoint note of this size; nobody has signed it."""
    root, signature = (base64.b64encode(bytes([number]) * length).decode() for length in (32, 68))
    return f"ledger.example/day\n{size}\n{root}\n\n\N{EM DASH} ledger.example/day {signature}\n"
