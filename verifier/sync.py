"""Bringing a station up to date with as little data as can be: daily deltas first, else the whole list.

docs/protocol.md, section 9, "Deltas". The deltas lead to the end of the last day (UTC); what came since is
in the whole list only. Whatever is fetched is verified by the station like a file from a stick.

    synced = sync_station(station, "https://ledger.example", now_s=now_s)
    synced.received_bytes, synced.deltas
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Final

from ledger.core.calendar_days import DAY_S, date_of_day
from ledger.core.delta import apply_delta
from ledger.errors import BundleError, MalformedError, StorageError
from verifier.core.trusted_list import TrustedList
from verifier.fetch import fetch_bundle, fetch_delta, fetch_origin
from verifier.kept_deltas import DeltaShelf
from verifier.station import Station

MAX_DELTAS: Final = 31
"""A list that is older than this many days is fetched whole."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What a synchronisation gave.

    Attributes:
        ledger: the station of the ledger that answered.
        trusted: its list, in use from now on.
        received_bytes: data used, without the overhead of HTTP.
        deltas: daily deltas that were applied; 0 where the whole list was fetched.
    """

    ledger: Station
    trusted: TrustedList
    received_bytes: int
    deltas: int


@dataclass(frozen=True, slots=True)
class Fetchers:
    """How to ask a ledger service; tests give others."""

    bundle: Callable[[str], bytes] = fetch_bundle
    delta: Callable[[str, date], bytes | None] = fetch_delta
    origin: Callable[[str], str | None] = fetch_origin


def sync_station(
    station: Station, url: str, *, now_s: int, whole: bool = False, fetchers: Fetchers | None = None
) -> Synced:
    """Fetch what the station lacks, verify it and use it from now on.

    Args:
        station: its folder, with at least one pin.
        url: base address of the ledger service.
        now_s: the device's clock, seconds; it only decides which deltas are asked for.
        whole: fetch the whole list in any case.
        fetchers: how to ask.

    Raises:
        BundleError, ForkAlarm, StationError: as `Station.import_bundle`.
        StorageError: code not_reachable, the service does not answer.
    """
    ask = fetchers or Fetchers()
    received = 0
    if not whole:
        target = _ledger_at(station, url, ask)
        if target is not None:
            data, received, deltas = _follow_deltas(target, url, now_s, ask)
            trusted = None if data is None else _import_followed(target, data)
            if trusted is not None:
                with suppress(StorageError):  # they save data of phones, and nothing hangs on them
                    DeltaShelf(target.folder).keep(deltas)
                return Synced(target, trusted, received, len(deltas))
    data = ask.bundle(url)
    trusted = station.import_bundle(data)
    ledger = station.ledger_of(trusted.origin) or station
    return Synced(ledger, trusted, received + len(data), 0)


def missing_days(list_s: int, now_s: int) -> list[date]:
    """Return the days (UTC) whose deltas lead from a list of one time to the end of yesterday; oldest first.

    Empty where the list is of today or later, or older than the deltas are worth.
    """
    first, today = list_s // DAY_S, now_s // DAY_S
    return [] if today - first > MAX_DELTAS else [date_of_day(day) for day in range(first, today)]


def _ledger_at(station: Station, url: str, ask: Fetchers) -> Station | None:
    """Return the station of the ledger that answers at an address, None where nobody knows yet."""
    if len(station.ledgers()) == 1:
        return station
    try:
        origin = ask.origin(url)
    except StorageError:
        return None
    return None if origin is None else station.ledger_of(origin)


def _follow_deltas(
    ledger: Station, url: str, now_s: int, ask: Fetchers
) -> tuple[bytes | None, int, dict[date, bytes]]:
    """Return the bundle that all missing deltas lead to, or None, the data used, and the deltas by their day."""
    received = 0
    deltas: dict[date, bytes] = {}
    try:
        trusted = ledger.trusted()
        days = [] if trusted is None else missing_days(trusted.now_min_s, now_s)
        if not days:
            return None, 0, {}
        at_hand = data = ledger.export_bundle()
        for day in days:
            delta = ask.delta(url, day)
            if delta is None:
                return None, received, {}
            received += len(delta)
            data = apply_delta(data, delta)
            deltas[day] = delta
    except (BundleError, MalformedError, StorageError):
        return None, received, {}  # the whole list says what is the matter
    return (None if data == at_hand else data), received, deltas


def _import_followed(ledger: Station, data: bytes) -> TrustedList | None:
    try:
        return ledger.import_bundle(data)
    except BundleError:
        return None
