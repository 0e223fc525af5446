"""A ledger and three witnesses, each a process of its own; one replays. Some are killed and come back."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.core.checkpoint import open_checkpoint
from ledger.core.cosignature import check_cosignatures
from ledger.core.pin import Pin, format_pin
from ledger.core.policy import parse_policy
from ledger.witness.folder import MLDSA44, make_witness
from ledger.witness.logs import log_of_pin, write_logs
from ledger.witness.report import describe_state
from tests.support.log_service import ORIGIN, FakeClock, World
from tests.support.processes import PASSPHRASE, Server, Town

NAMES = ("w1", "w2", "w3")


@dataclass
class Ring:
    """The folder with ledger and witnesses, and what runs of it."""

    town: Town
    world: World
    ports: dict[str, int]
    stack: ExitStack
    running: dict[str, Server] = field(default_factory=dict)
    seq: int = 0

    def start_ledger(self) -> Server:
        self.running["ledger"] = self.stack.enter_context(
            self.town.listen("serve", "data", "--port", str(self.ports["ledger"]))
        )
        return self.running["ledger"]

    def start(self, name: str, arguments: Sequence[str] = ()) -> None:
        port = str(self.ports[name])
        self.running[name] = self.stack.enter_context(
            self.town.listen("witness", "serve", name, "--port", port, *arguments)
        )

    def kill(self, name: str) -> None:
        self.running.pop(name).kill()

    def post(self, *entries: bytes) -> None:
        for entry in entries:
            headers = {"Content-Type": "application/cose", "Prefer": "wait"}
            answer = httpx.post(f"{self.running['ledger'].url}/entries", content=entry, headers=headers)
            assert answer.status_code == 201, answer.text

    def grow(self) -> None:
        """Register one more credential."""
        self.post(self.world.credential(self.seq))
        self.seq += 1

    def grow_until_cosigned(self, *names: str) -> None:
        """Register until a head is published with the cosignatures of these witnesses, and check them."""
        url = self.running["ledger"].url

        def is_there() -> bool:
            self.grow()
            size = httpx.get(f"{url}/healthz").json()["size"]
            until(lambda: httpx.get(f"{url}/healthz").json()["published_size"] >= size)
            return set(names) <= set(httpx.get(f"{url}/healthz").json()["witnesses"])

        until(is_there)
        signed = open_checkpoint(httpx.get(f"{url}/checkpoint").text, self.world.log_keys())
        keys = parse_policy(self.world.witness_policy).witness_keys()
        assert set(names) <= set(check_cosignatures(signed.note, signed.checkpoint, keys))

    def health(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.running[name].url}/healthz").json()["logs"][0]
        return found


def until(happened: Callable[[], bool], limit_s: float = 90) -> None:
    end = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    ports = dict(zip(("ledger", *NAMES), free_ports(4), strict=True))
    lines = []
    for name in NAMES:
        algorithm = MLDSA44 if name == "w2" else "ed25519"
        vkey = make_witness(tmp_path / name, f"{name}.example", PASSPHRASE.encode, algorithm=algorithm)
        lines.append(f"witness {name} {vkey} http://127.0.0.1:{ports[name]}/\n")
    policy = "".join(lines) + "group two 2 w1 w2 w3\nquorum two\n"
    clock = FakeClock(now=time.time_ns() // 1_000_000 - 60_000)
    world = World(tmp_path / "data", clock=clock, epoch_ms=60, witness_policy=policy).found()
    world.witnesses(tmp_path / "unused")  # opens the keys
    pin = Pin(ORIGIN, world.charter_hash)
    (tmp_path / "pin.json").write_bytes(format_pin(pin))
    for name in ("w1", "w2"):
        write_logs(tmp_path / name, [log_of_pin(pin, str(tmp_path / "data"), replay=False)])
    with ExitStack() as stack:
        yield Ring(Town(tmp_path), world, ports, stack)


def test_three_witnesses_of_which_one_replays_through_kills_and_a_restored_ledger(ring: Ring) -> None:
    ledger = ring.start_ledger()  # the first start needs no witness
    ring.post(*ring.world.admission())
    assert httpx.get(f"{ledger.url}/checkpoint").status_code == 503
    replay = ("--replay", f"pin.json={ledger.url}")
    with ThreadPoolExecutor(3) as side_by_side:
        list(side_by_side.map(ring.start, NAMES, ((), (), replay)))
    ring.grow_until_cosigned(*NAMES)
    assert ring.health("w3")["replayed"] >= ring.health("w3")["size"] > 0
    backup = shutil.copytree(ring.town.folder / "data", ring.town.folder / "backup")

    ring.kill("w2")
    ring.grow_until_cosigned("w1", "w3")  # a quorum goes on
    ring.start("w2")
    ring.grow_until_cosigned(*NAMES)

    ring.kill("w3")
    ring.grow_until_cosigned("w1", "w2")
    ring.start("w3", replay)  # replays from entry 0
    ring.grow_until_cosigned(*NAMES)
    assert ring.health("w3")["state"] == "cosigning"

    assert ring.running.pop("ledger").stop() == 0
    shutil.rmtree(ring.town.folder / "data")
    shutil.copytree(backup, ring.town.folder / "data")
    told = ring.town.run("ledger", "serve", "data", "--port", "0", expect=3)
    assert "lock_mismatch: a witness" in told
    for name in NAMES:
        assert ring.running.pop(name).stop() == 0
        lines, has_evidence = describe_state(ring.town.folder / name)
        assert not has_evidence, lines
