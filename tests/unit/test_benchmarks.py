"""Each benchmark runs at a tiny size and hands back figures of the promised form; no time is judged here."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks import audit_replay, big_ledger, qr_sizes, registration, verify_card
from benchmarks.__main__ import report_of, run, table_of
from benchmarks.measure import Figure, Goal, quantile
from ledger.audit import audit


@pytest.fixture(autouse=True)
def threads_for_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads in place of processes: nothing is timed, and processes take seconds to start."""

    def pool() -> Executor:
        return ThreadPoolExecutor(2)

    for module in (audit_replay, big_ledger, registration):
        monkeypatch.setattr(module, "worker_pool", pool)
    monkeypatch.setattr(registration, "BARE_COUNT", 16)


def no_progress(title: str, total: int) -> Callable[[int], None]:
    assert title
    assert total > 0
    return lambda done: None


def check_form(figures: list[Figure], names: list[str], rounds: int = 1) -> None:
    report = json.loads(json.dumps(report_of(figures, rounds)))
    assert set(report) == {"machine", "rounds", "figures"}
    assert report["machine"]["cores"] >= 1
    assert [figure["id"] for figure in report["figures"]] == names
    for figure in report["figures"]:
        assert set(figure) == {
            "id", "what", "against", "unit", "goal", "median", "worst", "met", "rounds", "details",
        }  # fmt: skip
        assert len(figure["rounds"]) == rounds
        assert figure["met"] in (True, False)
    assert table_of(figures).row_count == len(figures)


def test_p1_gives_two_ratios() -> None:
    figures = verify_card.measure(2, cards=4, repeats=1)
    check_form(figures, ["P1", "P1t"], rounds=2)
    assert all(value > 0 for figure in figures for value in figure.rounds)


def test_p3_gives_four_ratios() -> None:
    figures = registration.measure(1, 256, 8, no_progress)
    check_form(figures, ["P3a", "P3b", "P3c", "P3d"])
    assert all(value > 0 for figure in figures for value in figure.rounds)


def test_p6_gives_a_ratio_of_an_audit_that_passed() -> None:
    figures = audit_replay.measure_speed(1, 1024, no_progress)
    check_form(figures, ["P6"])
    assert figures[0].details["entries"] >= 1024


@pytest.mark.skipif(not audit_replay.can_watch(), reason="this system has no /proc")
def test_p7_gives_a_peak_and_a_growth() -> None:
    figures = audit_replay.measure_memory((1008, 2016), no_progress)
    check_form(figures, ["P7", "P7g"])
    assert figures[0].median > 1
    assert "extrapolated" in figures[1].what


def test_p13_gives_the_size_of_both_profiles() -> None:
    figures = qr_sizes.measure()
    check_form(figures, ["P13", "P13b"])
    assert all(figure.details["version"] >= 10 for figure in figures)


def test_the_large_ledger_is_a_true_one(tmp_path: Path) -> None:
    sizes: list[int] = []
    ledger = big_ledger.build_big_ledger(tmp_path / "ledger", 2500, sizes.append)
    report = audit(str(ledger.folder), ledger.pin)
    assert (report.code, report.tree_size) == ("ok", ledger.size)
    assert report.counts["status"] == 1
    assert sum(report.counts.values()) - report.counts["padding"] == ledger.signatures
    assert sizes[-1] == ledger.size >= 2500


def test_goals_know_their_direction() -> None:
    assert Goal(">=", 4).met(4)
    assert not Goal("<=", 1.5).met(1.51)
    assert (Goal(">=", 4).worst([5, 3]), Goal("<=", 4).worst([5, 3])) == (3, 5)
    assert str(Goal("<=", 1.5)) == "<= 1.5"
    assert [quantile([3.0, 1.0, 2.0], share) for share in (0, 0.5, 0.99)] == [1, 2, 3]


def test_the_command_writes_its_figures(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(run)
    out = tmp_path / "figures.json"
    result = CliRunner().invoke(app, ["p13", "--rounds", "1", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert [figure["id"] for figure in json.loads(out.read_text())["figures"]] == ["P13", "P13b"]
    assert CliRunner().invoke(app, ["P99"]).exit_code == 2
