"""Real processes: a corrupt clerk alone at her desk ends nobody's paper; two people do, and the audit agrees."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.scenario.test_processes import founded
from tests.support.processes import ROOT, Town

__all__ = ["founded"]


@pytest.fixture
def town(founded: Town, tmp_path: Path) -> Town:
    return founded.copy(tmp_path / "town")


def test_t4_a_clerk_withdraws_nothing_alone(town: Town) -> None:
    person = str(ROOT / "tests" / "data" / "persons" / "p02.json")
    with town.serve() as server:
        settings = town.folder / "desk" / "desk.json"
        config = json.loads(settings.read_text(encoding="utf-8"))
        settings.write_text(json.dumps({**config, "ledger_url": server.url}), encoding="utf-8")
        town.run_all(
            [
                ("issuer", "issue", person, "--out", "cards"),
                ("ledger", "govern", "key", "eva", "--out", "eva.pem"),
            ]
        )
        [card] = (town.folder / "cards").glob("*.case")
        _approved(town, town.run("issuer", "status", "require", "eva=eva.pem.pub", "--request", "rule"))

        asked = town.run("issuer", "status", "change", str(card), "--set", "withdrawn", "--request", "ask")
        assert "Nothing was sent" in asked
        own = (
            "issuer",
            "status",
            "sign",
            "ask",
            "--key",
            "ana.pem",
            "--name",
            "eva",
            "--yes",
            "--out",
            "own",
        )
        town.run(*own)
        assert "unknown_issuer" in town.run("issuer", "status", "send", "ask", "own", expect=1)

        shown = _approved(town, asked)
        assert "withdrawn: 1, reason withdrawn" in shown
    audited = town.run(
        "ledger", "audit", "data", "--pin", "data/pin.json", "--jobs", "1", "--json", "--allow-uncosigned"
    )
    assert json.loads(audited)["counts"]["status"] == 1


def _approved(town: Town, asked: str) -> str:
    """Have eva sign a request and the desk send it; return what eva read."""
    request = re.search(r"^Request: (.+)$", asked, re.MULTILINE)
    words = re.search(r"^In words: (.+)$", asked, re.MULTILINE)
    assert request is not None, asked
    assert words is not None, asked
    approval = f"{request[1]}.approval"
    shown = town.run(
        "issuer",
        "status",
        "sign",
        request[1],
        "--key",
        "eva.pem",
        "--name",
        "eva",
        "--yes",
        "--out",
        approval,
    )
    assert words[1] in shown
    town.run("issuer", "status", "send", request[1], approval)
    return shown
