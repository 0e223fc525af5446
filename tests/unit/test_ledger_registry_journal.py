"""The journal: what a distrust takes back, and in which order. docs/protocol.md section 3, "distrust"."""

from __future__ import annotations

from ledger.core.registry.journal import Journal
from ledger.core.status_change import AFFIRMED, HELD, REPLACED, SUSPENDED, VALID, WITHDRAWN, StatusRow

KID = b"key of 8"
URI = "sc:1/0"
MONTH = 202611


def test_a_confirmed_change_is_as_new_as_the_row_that_confirmed_it() -> None:
    journal = Journal("ledger.example/1")
    journal.record(10, KID, URI, StatusRow(1, VALID, HELD, 3, MONTH))
    journal.record(11, KID, URI, StatusRow(2, VALID, SUSPENDED, 4, MONTH))
    journal.record(12, None, URI, StatusRow(1, HELD, WITHDRAWN, 3, MONTH))
    newest_first = [(URI, 1, VALID, WITHDRAWN), (URI, 2, VALID, SUSPENDED)]
    assert journal.changes_to_reverse(1, {KID: 10}) == newest_first
    # Its index is its statement's all the same.
    assert journal.changes_to_reverse(1, {KID: 11}) == newest_first[1:]


def test_a_place_that_was_replaced_while_it_was_held_reads_what_it_read_before() -> None:
    journal = Journal("ledger.example/1")
    journal.record(10, bytes(7) + b"2", URI, StatusRow(1, AFFIRMED, HELD, 3, MONTH))
    journal.record(11, KID, URI, StatusRow(1, HELD, REPLACED, 1, MONTH))
    assert journal.changes_to_reverse(1, {KID: 11}) == [(URI, 1, AFFIRMED, REPLACED)]
