"""Synchronising: as little data as can be, and never a list that was not verified."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ledger.core.bundle import format_bundle, parse_bundle
from ledger.core.calendar_days import DAY_S, date_of_seconds
from ledger.core.delta import apply_delta, make_delta
from ledger.errors import CodedError, StorageError
from tests.support.ledgers import TinyLedger
from verifier.station import Station
from verifier.sync import MAX_DELTAS, Fetchers, missing_days, sync_station

URL = "https://ledger.example"


class Server:
    """A ledger service that counts what it is asked."""

    def __init__(self) -> None:
        self.ledger = TinyLedger()
        self.civil = self.ledger.admit()
        self.bundles = {self.day: self.ledger.bundle()}
        self.deltas: dict[date, bytes] = {}
        self.asked: list[str] = []
        self.fetchers = Fetchers(self._bundle, self._delta, self._origin)

    @property
    def day(self) -> date:
        return date_of_seconds(self.ledger.now_s)

    def live_a_day(self) -> None:
        """Close the day that is at hand and issue something on the next."""
        before = list(self.bundles.values())
        if len(before) > 1:
            self.deltas[self.day] = make_delta(before[-2], before[-1])
        self.ledger.issue(self.civil)
        self.ledger.close_epoch(after_s=DAY_S)
        self.bundles[self.day] = self.ledger.bundle()

    def _bundle(self, url: str) -> bytes:
        self.asked.append("bundle")
        return list(self.bundles.values())[-1]

    def _delta(self, url: str, day: date) -> bytes | None:
        self.asked.append(str(day))
        return self.deltas.get(day)

    def _origin(self, url: str) -> str | None:
        self.asked.append("origin")
        return self.ledger.origin


@pytest.fixture
def server() -> Server:
    made = Server()
    for _ in range(4):
        made.live_a_day()
    return made


@pytest.fixture
def station(tmp_path: Path, server: Server) -> Station:
    made = Station(tmp_path / "station")
    made.set_pin(server.ledger.pin)
    return made


def test_a_station_without_a_list_fetches_the_whole_one(station: Station, server: Server) -> None:
    synced = sync_station(station, URL, now_s=server.ledger.now_s, fetchers=server.fetchers)
    assert server.asked == ["bundle"]
    assert synced.trusted.tree_size == server.ledger.tree_size
    assert (synced.deltas, synced.received_bytes) == (0, len(station.export_bundle()))


def test_the_deltas_of_the_missing_days_lead_to_the_end_of_yesterday(
    station: Station, server: Server
) -> None:
    bundles = list(server.bundles.values())
    station.import_bundle(bundles[1])
    synced = sync_station(station, URL, now_s=server.ledger.now_s, fetchers=server.fetchers)
    assert server.asked == [str(day) for day in list(server.bundles)[1:4]]
    assert station.export_bundle() == bundles[3]
    assert synced.deltas == 3
    assert synced.received_bytes == sum(len(server.deltas[day]) for day in list(server.bundles)[1:4])
    server.asked.clear()
    again = sync_station(station, URL, now_s=server.ledger.now_s, fetchers=server.fetchers)
    assert server.asked == [
        str(list(server.bundles)[3]),
        "bundle",
    ]  # yesterday brings nothing, today is asked for
    assert again.trusted.tree_size == server.ledger.tree_size
    server.asked.clear()
    sync_station(station, URL, now_s=server.ledger.now_s, fetchers=server.fetchers)
    assert server.asked == ["bundle"]


def test_the_whole_list_is_fetched_where_it_is_asked_for(station: Station, server: Server) -> None:
    station.import_bundle(list(server.bundles.values())[1])
    sync_station(station, URL, now_s=server.ledger.now_s, whole=True, fetchers=server.fetchers)
    assert server.asked == ["bundle"]
    assert station.export_bundle() == list(server.bundles.values())[-1]


@pytest.mark.parametrize("fault", ["missing", "damaged", "foreign", "silent"])
def test_a_delta_that_does_not_lead_on_is_dropped_whole(station: Station, server: Server, fault: str) -> None:
    days = list(server.bundles)
    station.import_bundle(server.bundles[days[1]])
    if fault == "missing":
        del server.deltas[days[2]]
    elif fault == "damaged":
        server.deltas[days[2]] = server.deltas[days[2]][:-1] + b"\x00"
    elif fault == "foreign":
        server.deltas[days[2]] = server.deltas[days[3]]

    def silent(_url: str, _day: date) -> bytes:
        raise StorageError("silence", code="not_reachable")

    ask = Fetchers(server.fetchers.bundle, silent if fault == "silent" else server.fetchers.delta)
    synced = sync_station(station, URL, now_s=server.ledger.now_s, fetchers=ask)
    assert synced.deltas == 0
    assert station.export_bundle() == server.bundles[days[-1]]


def test_where_the_list_of_a_delta_does_not_verify_the_whole_one_is_fetched(
    station: Station, server: Server
) -> None:
    days = list(server.bundles)
    station.import_bundle(server.bundles[days[2]])
    good = parse_bundle(server.bundles[days[3]])
    # Its hash is right: what the delta leads to is what it says, and is no list of this ledger.
    unsigned = replace(good, checkpoint="\n".join(good.checkpoint.split("\n")[:5]) + "\n")
    delta = make_delta(server.bundles[days[2]], format_bundle(unsigned))
    assert apply_delta(server.bundles[days[2]], delta) == format_bundle(unsigned)
    server.deltas = {days[2]: make_delta(server.bundles[days[1]], server.bundles[days[2]]), days[3]: delta}
    synced = sync_station(station, URL, now_s=server.ledger.now_s, fetchers=server.fetchers)
    assert server.asked == [str(days[2]), str(days[3]), "bundle"]
    assert synced.deltas == 0
    assert station.export_bundle() == server.bundles[days[-1]]


def test_nothing_is_taken_that_does_not_verify(station: Station, server: Server) -> None:
    good = server.bundles[list(server.bundles)[1]]
    station.import_bundle(good)
    ask = Fetchers(lambda _url: b"no list", lambda _url, _day: None)
    with pytest.raises(CodedError) as caught:
        sync_station(station, URL, now_s=server.ledger.now_s, fetchers=ask)
    assert caught.value.code == "bundle_invalid"
    assert station.export_bundle() == good


def test_of_several_ledgers_the_one_that_answers_is_brought_up_to_date(
    station: Station, server: Server
) -> None:
    other = TinyLedger("ledger.example/other")
    station.set_pin(other.pin)
    station.import_bundle(other.bundle())
    bundles = list(server.bundles.values())
    station.import_bundle(bundles[2])
    synced = sync_station(station, URL, now_s=server.ledger.now_s, fetchers=server.fetchers)
    assert server.asked[0] == "origin"
    assert synced.deltas == 2
    assert synced.ledger.pin() == server.ledger.pin
    assert {trusted.origin for trusted in station.trusted_lists()} == {other.origin, server.ledger.origin}


def test_the_missing_days_are_those_that_are_over() -> None:
    noon = 20_000 * DAY_S + DAY_S // 2
    assert missing_days(noon, noon) == []
    assert missing_days(noon, noon - DAY_S) == []
    assert len(missing_days(noon, noon + DAY_S)) == 1
    assert len(missing_days(noon, noon + MAX_DELTAS * DAY_S)) == MAX_DELTAS
    assert missing_days(noon, noon + (MAX_DELTAS + 1) * DAY_S) == []
