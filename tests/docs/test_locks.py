"""The locks: hashes for everything, no host, and agreement with what pyproject.toml asks for."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from tests.docs.repository import ROOT

REQUIREMENTS = ROOT / "requirements"
NAMES = ("run", "dev")


def logical_lines(name: str) -> list[str]:
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = (" ".join(line.split()) for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def project_name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def pins(name: str) -> dict[str, str]:
    return {project_name(line): line.split(";")[0].split("--hash")[0].strip() for line in logical_lines(name)}


def asked(name: str) -> set[str]:
    return {line.replace(" ", "") for line in logical_lines(name) if not line.startswith("-")}


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_names_no_host(name: str) -> None:
    text = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(
        r"--(index-url|extra-index-url|find-links|trusted-host)|^-[if]\b|\bpypi\.|\.org\b", text, re.M
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_locked_package_has_one_version_and_hashes(name: str) -> None:
    for line in logical_lines(f"{name}.txt"):
        assert re.match(r"[a-z0-9.-]+==[^\s;]+( ;.*?)? --hash=sha256:[0-9a-f]{64}", line), line[:80]
        assert all(word.startswith("--hash=sha256:") for word in line.split() if word.startswith("--"))


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_holds_everything_that_is_asked_for(name: str) -> None:
    assert {project_name(line) for line in asked(f"{name}.in")} <= set(pins(f"{name}.txt"))


def test_both_locks_choose_the_same_versions() -> None:
    run, dev = pins("run.txt"), pins("dev.txt")
    assert {project: dev.get(project) for project in run} == run


def test_the_project_and_its_lock_ask_for_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = [line for lines in project["project"]["optional-dependencies"].values() for line in lines]
    needed = [*project["project"]["dependencies"], *extras, *project["build-system"]["requires"]]
    assert {line.replace(" ", "") for line in needed} == asked("run.in")


def test_every_dependency_has_its_reason_in_the_decision_record() -> None:
    record = (ROOT / "docs" / "adr" / "0003-dependencies.md").read_text(encoding="utf-8")
    names = {project_name(line) for line in asked("run.in") | asked("dev.in")}
    assert {name for name in names if f"`{name}`" not in record} == set()


def test_the_lock_of_the_phone_page_names_no_host_and_has_a_hash_for_every_package() -> None:
    folder = ROOT / "verifier" / "web"
    text = (folder / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in text
    packages = json.loads(text)["packages"]
    asked_for = packages.pop("")
    for name, package in packages.items():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"]), name
        assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+(-[a-z]+\.[0-9]+)?", package["version"]), name
        assert not {"resolved", "funding", "hasInstallScript"} & set(package), name
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    for group in ("dependencies", "devDependencies"):
        assert asked_for[group] == wanted[group]
        for name, version in wanted[group].items():
            assert packages[f"node_modules/{name}"]["version"] == version


def test_every_package_of_the_phone_page_has_its_reason_in_the_decision_record() -> None:
    wanted = json.loads((ROOT / "verifier" / "web" / "package.json").read_text(encoding="utf-8"))
    records = ("0007-phone-page-core.md", "0008-phone-page.md")
    record = "".join((ROOT / "docs" / "adr" / name).read_text(encoding="utf-8") for name in records)
    names = {*wanted["dependencies"], *wanted["devDependencies"]}
    assert {name for name in names if f"`{name}`" not in record} == set()
