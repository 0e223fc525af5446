"""A wheel brings the built phone page and nothing of what it was built with; a source package brings the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts import web
from scripts.hatch_build import WITHOUT_VARIABLE
from tests.docs.repository import ROOT
from verifier.phone_build import STAMP_NAME, load_page

PARTS = (
    "ledger",
    "credential",
    "issuer",
    "verifier",
    "scripts",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    ".gitignore",
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, with the npm packages that are installed already; no build of the page."""
    folder = tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns("__pycache__", "node_modules", web.DIST, ".page")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    page = folder / "verifier" / "web"
    (page / "node_modules").mkdir()
    for entry in (web.FOLDER / "node_modules").iterdir():  # copies of links: building writes here
        (page / "node_modules" / entry.name).symlink_to(entry)
    return folder


def build(source: Path, target: str, out: Path, **variables: str) -> tuple[Path, str]:
    """Build as pip does, but with the packages of this environment; the file and what was said."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)],
        cwd=source,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [made] = out.iterdir()
    return made, done.stdout + done.stderr


@pytest.fixture(scope="module")
def unpacked(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel puts into a place of installed packages."""
    made, _ = build(source, "wheel", tmp_path_factory.mktemp("wheel"))
    place = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(made) as wheel:
        wheel.extractall(place)
    return place


def test_the_page_is_in_the_wheel_with_every_file_that_it_names(unpacked: Path) -> None:
    dist = unpacked / "verifier" / "web" / "dist"
    page = load_page(dist)
    assert page is not None
    index = (dist / "index.html").read_text("utf-8")
    named = re.findall(r'(?:src|href)="\./([^"]+)"', index)
    assert any(name.endswith(".js") for name in named)
    missing = [name for name in named if name not in page.files]
    assert missing == []
    script = next(name for name in named if name.endswith(".js"))
    assert {form.coding for form in page.files[script].forms} == {"br", "gzip", ""}


def test_it_is_the_page_of_these_sources(source: Path, unpacked: Path) -> None:
    stamp = (unpacked / "verifier" / "web" / "dist" / STAMP_NAME).read_text()
    assert stamp == web.format_build_stamp(source / "verifier" / "web")


def test_neither_npm_packages_nor_sources_of_the_page_are_in_the_wheel(unpacked: Path) -> None:
    web_files = [path for path in (unpacked / "verifier" / "web").rglob("*") if path.is_file()]
    assert [path for path in web_files if "dist" not in path.parts] == []
    assert not [
        path for path in unpacked.rglob("*") if path.name in ("node_modules", "scripts", "hatch_build.py")
    ]
    assert (unpacked / "verifier" / "data" / "en.json").is_file()
    assert (unpacked / "verifier" / "templates" / "form.html").is_file()


def test_a_source_package_brings_the_sources_and_no_build(
    source: Path, unpacked: Path, tmp_path: Path
) -> None:
    assert (source / "verifier" / "web" / "dist").is_dir()  # the wheel was built in there
    made, _ = build(source, "sdist", tmp_path)
    with tarfile.open(made) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert "verifier/web/src/app/main.tsx" in names
    assert "verifier/web/package-lock.json" in names
    assert "scripts/web.py" in names
    assert not [name for name in names if "node_modules" in name or name.startswith("verifier/web/dist")]


def test_who_wants_no_page_says_so_and_is_told(source: Path, unpacked: Path, tmp_path: Path) -> None:
    made, said = build(source, "wheel", tmp_path, **{WITHOUT_VARIABLE: "1"})
    assert "this wheel has no phone page" in said
    with zipfile.ZipFile(made) as wheel:
        assert not [name for name in wheel.namelist() if name.startswith("verifier/web")]


def test_a_page_that_does_not_build_makes_no_wheel(source: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(source, broken, symlinks=True, ignore=shutil.ignore_patterns(web.DIST))
    (broken / "verifier" / "web" / "src" / "app" / "main.tsx").write_text("this is (not a program")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "out")],
        cwd=broken,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert "The phone page cannot be built" in done.stderr
    assert f"{WITHOUT_VARIABLE}=1" in done.stderr
    assert list(tmp_path.rglob("*.whl")) == []
