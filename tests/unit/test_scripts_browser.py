"""Finding a Chromium for the tests of the phone page, and trying to install one where there is none."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import browser, environment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs are shell scripts here")


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path with nothing on it but what the test puts there, and Playwright without a browser of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.delenv(environment.READY_VARIABLE, raising=False)
    monkeypatch.setattr(browser, "playwrights_own", lambda: None)
    monkeypatch.setattr(browser, "_TRIED", tmp_path / "browser.tried")
    return folder


def program(path: Path, says: str = "Chromium 150.0", code: int = 0) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return path


def test_the_program_that_is_named_goes_before_those_on_the_path(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_path = program(bin_folder / "chromium")
    assert browser.find() == on_the_path
    named = program(bin_folder / "another")
    monkeypatch.setenv(browser.VARIABLE, str(named))
    assert browser.find() == named


@pytest.mark.parametrize("name", browser.NAMES)
def test_every_usual_name_is_found(bin_folder: Path, name: str) -> None:
    assert browser.find() is None
    assert browser.find() != program(bin_folder / name) == browser.find()


def test_a_script_that_only_asks_for_another_package_is_passed_over(bin_folder: Path) -> None:
    program(bin_folder / "chromium", "install the snap", code=10)
    program(bin_folder / "chromium-browser", "no version here")
    chrome = program(bin_folder / "google-chrome")
    assert browser.find() == chrome


def test_a_name_that_leads_nowhere_is_an_error_and_not_another_browser(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(bin_folder / "chromium")
    monkeypatch.setenv(browser.VARIABLE, str(bin_folder / "nothing"))
    with pytest.raises(environment.SetUpError, match=browser.VARIABLE):
        browser.find()
    with pytest.raises(SystemExit, match="Set-up failed"):
        browser.enter()


def test_where_there_is_none_playwright_is_asked_first(
    bin_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[Sequence[str]] = []

    def install(command: Sequence[str]) -> int:
        commands.append(command)
        program(bin_folder / "chromium")
        return 0

    assert browser.prepare(install) == bin_folder / "chromium"
    assert commands == [[sys.executable, "-m", "playwright", "install", "chromium"]]
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_cannot_be_installed_is_said_and_not_tried_again_the_same_day(
    bin_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[Sequence[str]] = []

    def fail(command: Sequence[str]) -> int:
        commands.append(command)
        return 1

    assert browser.prepare(fail) is None
    assert "left out" in capsys.readouterr().out
    tried = len(commands)
    assert browser.prepare(fail) is None
    assert len(commands) == tried
    browser._TRIED.write_text("0")
    browser.prepare(fail)
    assert len(commands) == 2 * tried


def test_one_that_was_installed_since_is_found_all_the_same(bin_folder: Path) -> None:
    browser.prepare(lambda _command: 1)
    assert browser.prepare(lambda _command: 1) != program(bin_folder / "chromium")
    assert browser.prepare(lambda _command: 1) == bin_folder / "chromium"


def test_an_environment_that_is_said_to_be_ready_installs_nothing(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(environment.READY_VARIABLE, "ready")
    monkeypatch.setattr(browser, "prepare", lambda: pytest.fail("it was asked"))
    browser.enter()
