"""Drawing a status place: at random, from the desk's own list, never one that was drawn before.

docs/protocol.md, sections 4 (rule 5) and 7. Lists of desk d of n are d, d + n, d + 2n, ...; the next opens
when half of the one before is taken. Drawn places are remembered until they are stored, so that the people
of one call do not draw the same one.

    draw = PlaceDraw(config, store, random_bytes)
    draw.next_place()          # StatusPlace("sc:1/0", 101071)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from credential.core.issue import StatusPlace
from issuer.desk_config import DeskConfig
from issuer.desk_store import DeskStore
from issuer.errors import IssuerError
from ledger.core.fields import PLACES, format_list_uri

HALF_USED: Final = PLACES // 2
"""Places taken in a list from which on the issuer's next list is open."""
_DRAWS_MAX: Final = 1000


class PlaceDraw:
    """Places for the people of one call."""

    def __init__(self, config: DeskConfig, store: DeskStore, random_bytes: Callable[[int], bytes]) -> None:
        """Choose the desk's first list that is not half used; one call may take a little more than half."""
        n = config.desk
        while store.count_listed(format_list_uri(config.number, n)) >= HALF_USED:
            n += config.desks
        self._uri = format_list_uri(config.number, n)
        self._store = store
        self._random_bytes = random_bytes
        self._drawn: set[int] = set()

    def next_place(self) -> StatusPlace:
        """Draw a place.

        Raises:
            IssuerError: out_of_scope where no free place is found; storage_failed.
        """
        for _ in range(_DRAWS_MAX):
            # 17 bits are exactly the places of a list, so no number is likelier than another.
            idx = int.from_bytes(self._random_bytes(4)) % PLACES
            if idx not in self._drawn and not self._store.is_used(self._uri, idx):
                self._drawn.add(idx)
                return StatusPlace(self._uri, idx)
        raise IssuerError("out_of_scope", "no free place was found", field="place")
