"""`sc-verifier serve`: where it says that the station is, and what a person compares before a phone trusts it."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import zxingcpp
from PIL import Image

from ledger.core.pin import format_pin
from tests.support.ledgers import TinyLedger
from verifier import addresses, cli, serve_cli
from verifier.https import format_fingerprint, make_certificate, parse_chain
from verifier.phone_build import BuiltPage

HERE = ["192.168.7.20", "10.9.0.4"]


class Desk:
    """A station's folder, and what the command would start."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder = folder
        self.started: dict[str, Any] = {}
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        pin = folder / "pin.json"
        pin.write_bytes(format_pin(TinyLedger().pin))
        self.run("pin", str(pin))

    def run(self, *arguments: str) -> tuple[int, str, str]:
        words = ["sc-verifier", *arguments, "--station", str(self.folder / "station")]
        self._monkeypatch.setattr(sys, "argv", words)
        self._monkeypatch.setenv("COLUMNS", "200")
        try:
            code = cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def serve(self, *arguments: str) -> tuple[int, str, str]:
        self.started.clear()
        return self.run("serve", *arguments)

    @property
    def kept(self) -> Path:
        return self.folder / "station" / "https.pem"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    made = Desk(tmp_path, monkeypatch, capsys)

    def run(app: Any, **options: Any) -> None:
        made.started.update(options, app=app)

    monkeypatch.setattr(uvicorn, "run", run)
    monkeypatch.setattr(serve_cli, "own_addresses", lambda: list(HERE))
    monkeypatch.setattr(serve_cli, "own_host_names", lambda: ["front-desk", "front-desk.local"])
    monkeypatch.setattr(serve_cli, "load_page", lambda: BuiltPage({}))
    return made


def codes_in(said: str) -> list[str]:
    """Read the codes in what was printed, as a phone in front of the screen does."""
    halves = {" ": (1, 1), "▄": (1, 0), "▀": (0, 1), "█": (0, 0)}
    texts, block = [], []
    for line in [*said.splitlines(), "end"]:
        if len(line) > 20 and set(line) <= set(halves):
            block.append(line)
        elif block:
            width = max(map(len, block))
            picture = Image.new("1", (width, 2 * len(block)))
            for y, row in enumerate(block):
                for x, letter in enumerate(row.ljust(width)):
                    for half in (0, 1):
                        picture.putpixel((x, 2 * y + half), halves[letter][half])
            large = picture.resize((width * 4, len(block) * 8)).convert("L")
            texts += [code.text for code in zxingcpp.read_barcodes(large)]
            block = []
    return texts


def test_alone_it_serves_this_device_in_plain_http_and_says_how_phones_get_in(desk: Desk) -> None:
    code, said, _ = desk.serve()
    assert code == 0
    assert "  http://127.0.0.1:8480/\n" in said
    assert "Only this device reaches it. For phones: --https --host 0.0.0.0" in said
    assert (desk.started["ssl_certfile"], desk.started["host"]) == (None, "127.0.0.1")
    assert desk.started["access_log"] is False
    assert not desk.kept.exists()


def test_plain_http_to_phones_is_said_to_give_no_camera(desk: Desk) -> None:
    _, said, _ = desk.serve("--host", "0.0.0.0", "--port", "80")
    assert "  http://192.168.7.20/\n  http://10.9.0.4/\n" in said
    assert "start with --https" in said
    assert codes_in(said) == []


def test_a_phone_reads_the_address_and_the_fingerprints_from_the_screen(desk: Desk) -> None:
    code, said, _ = desk.serve("--https", "--host", "0.0.0.0")
    assert code == 0
    kept = parse_chain(desk.kept.read_bytes(), own=True)
    assert kept.root_der is not None
    address, fingerprints = codes_in(said)
    assert address == "https://192.168.7.20:8480/phone/"
    server, root = format_fingerprint(kept.leaf_der), format_fingerprint(kept.root_der)
    assert fingerprints.split() == ["SERVER", *server.split(), "ROOT", *root.split()]
    assert f"server  {server}\nroot    {root}\n" in said
    end = datetime.datetime.fromtimestamp(kept.not_after_s, datetime.UTC).date()
    assert f"Certificate until {end}." in said
    assert "It is not for" not in said
    assert desk.started["ssl_certfile"] == desk.started["ssl_keyfile"] == str(desk.kept)


def test_the_certificate_is_for_all_names_of_the_machine_or_for_the_given_ones(desk: Desk) -> None:
    desk.serve("--https")
    every = (*HERE, "front-desk", "front-desk.local", "127.0.0.1", "localhost")
    assert set(parse_chain(desk.kept.read_bytes()).names) == set(every)
    _, said, _ = desk.serve("--https", "--name", "Kiosk.Example", "--name", "10.9.0.4", "--host", "0.0.0.0")
    assert set(parse_chain(desk.kept.read_bytes()).names) == {"kiosk.example", "10.9.0.4"}
    assert "  https://10.9.0.4:8480/\n  https://kiosk.example:8480/\n" in said
    assert "each phone has to trust it once" in said
    before = desk.kept.read_bytes()
    _, said, _ = desk.serve("--https", "--host", "0.0.0.0")
    assert desk.kept.read_bytes() == before
    assert "each phone has to trust it once" not in said
    _, said, _ = desk.serve("--https", "--new-certificate")
    assert desk.kept.read_bytes() != before
    assert "each phone has to trust it once" in said


def test_a_machine_with_another_address_keeps_what_phones_trust_and_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.serve("--https", "--host", "0.0.0.0")
    before = desk.kept.read_bytes()
    monkeypatch.setattr(serve_cli, "own_addresses", lambda: ["172.16.0.9"])
    _, said, _ = desk.serve("--https", "--host", "0.0.0.0")
    assert "It is not for 172.16.0.9; it is for" in said
    assert "--new-certificate makes one for the names of today" in said
    assert desk.kept.read_bytes() == before


def test_a_given_certificate_is_shown_by_its_own_names(desk: Desk) -> None:
    pem = make_certificate(["station.example.org"], int(time.time()))
    begin = pem.index(b"-----BEGIN CERT")
    key, chain = desk.folder / "key.pem", desk.folder / "chain.pem"
    key.write_bytes(pem[:begin])
    chain.write_bytes(pem[begin:])
    code, said, _ = desk.serve(
        "--certificate", str(chain), "--key", str(key), "--host", "0.0.0.0", "--port", "443"
    )
    assert code == 0
    assert codes_in(said)[0] == "https://station.example.org/phone/"
    assert "root  " not in said
    assert (desk.started["ssl_certfile"], desk.started["ssl_keyfile"]) == (str(chain), str(key))
    assert not desk.kept.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "a.example"),
        ("--new-certificate",),
        ("--certificate", "x.pem"),
        ("--key", "x.pem"),
        ("--https", "--name", "http://a.example"),
        ("--certificate", "x.pem", "--key", "x.pem", "--name", "a.example"),
        ("--port", "0"),
    ],
)
def test_a_wrong_call_exits_2_and_starts_nothing(desk: Desk, arguments: tuple[str, ...]) -> None:
    code, _, _ = desk.serve(*arguments)
    assert code == 2
    assert desk.started == {}
    assert not desk.kept.exists()


def test_a_page_that_was_not_built_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve_cli, "load_page", lambda: None)
    monkeypatch.setattr("verifier.api.load_page", lambda: None)
    code, said, _ = desk.serve()
    assert code == 0
    assert "The phone page was not built, so /phone/ answers 503." in said


def test_the_service_that_is_started_offers_its_root(desk: Desk) -> None:
    desk.serve("--https")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=desk.started["app"])
        async with httpx.AsyncClient(transport=transport, base_url="https://station") as client:
            return await client.get("/certificate.pem")

    kept = parse_chain(desk.kept.read_bytes(), own=True)
    assert asyncio.run(ask()).content == kept.root_pem() != b""


def test_the_addresses_of_this_machine_are_addresses_that_others_can_reach() -> None:
    found = [ipaddress.ip_address(text) for text in addresses.own_addresses()]
    assert not [address for address in found if address.is_loopback or address.is_link_local]
    assert len(found) == len(set(found))
    name, local = (*addresses.own_host_names(), "x.local")[:2]
    assert local.endswith(".local")
    assert name == name.lower()


@pytest.mark.parametrize(
    ("text", "reachable"),
    [("192.168.1.1", True), ("203.0.113.9", True), ("127.0.1.1", False), ("169.254.7.7", False), ("0.0.0.0", False)],
)  # fmt: skip
def test_loopback_and_link_local_are_no_addresses_for_a_phone(text: str, reachable: bool) -> None:
    assert addresses._is_reachable(text) == reachable
