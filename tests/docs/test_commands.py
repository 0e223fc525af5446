"""The command lines and the documents agree: help for everything, everything named, every shown line real."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from tests.docs.markdown import Block, commands_of, read_blocks
from tests.docs.repository import ROOT

PROGRAMS = {"sc-ledger": "ledger.cli", "sc-issuer": "issuer.cli", "sc-verifier": "verifier.cli"}
SHELL = frozenset({"sh", "bash", "shell", "console"})
SHOWN_IN = ("README.md", "CONTRIBUTING.md", "docs/operations.md")

# Programs that a document may show besides ours.
KNOWN = frozenset(
    {"git", "cd", "mkdir", "cp", "curl", "pip", "export", "cat", "ls", "uv", "sha256sum", "diff"}
)


def command_tree(program: str) -> Any:
    """The program's commands as Typer builds them for the real command line."""
    module = importlib.import_module(PROGRAMS[program])
    apps = [value for value in vars(module).values() if isinstance(value, typer.Typer)]
    named = getattr(module, "app", None)
    assert apps, f"{PROGRAMS[program]} has no Typer app"
    return typer.main.get_command(named if isinstance(named, typer.Typer) else apps[0])


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Full name and command of each command that does something."""
    subcommands = getattr(command, "commands", None)
    if not subcommands:
        yield name, command
        return
    for subname, subcommand in subcommands.items():
        yield from leaves(subcommand, f"{name} {subname}")


def shown_blocks() -> list[Block]:
    return [block for name in SHOWN_IN for block in read_blocks(ROOT / name) if block.language in SHELL]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_and_option_has_help(program: str) -> None:
    silent = []
    for name, command in leaves(command_tree(program), program):
        if not (command.help or "").strip():
            silent.append(name)
        for parameter in command.params:
            if "--help" not in parameter.opts and not (getattr(parameter, "help", "") or "").strip():
                silent.append(f"{name} {parameter.opts[0]}")
    assert silent == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_is_named_in_operations(program: str) -> None:
    text = " ".join((ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split())
    assert [name for name, _ in leaves(command_tree(program), program) if name not in text] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_installed_program_answers_to_help(program: str) -> None:
    code = f"import sys; from {PROGRAMS[program]} import main; sys.argv = ['{program}', '--help']; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr[-500:]
    assert "Usage" in done.stdout


def fault_of_ours(words: list[str]) -> str:
    """What is wrong with a line that calls one of our programs, or ""."""
    command = command_tree(words[0])
    rest = words[1:]
    while getattr(command, "commands", None):
        if not rest or rest[0] == "--help":
            return "" if rest else "no subcommand"
        if rest[0].startswith("-"):
            if not any(rest[0].split("=")[0] in parameter.opts for parameter in command.params):
                return f"no option {rest[0]}"
            rest = rest[1:]
            continue
        if rest[0] not in command.commands:
            return f"no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        name = word.split("=")[0]
        if name.startswith("--") and name not in options | {"--help", "--"}:
            return f"no option {name}"
    return ""


def fault_of(line: str) -> str:
    """What is wrong with a shown command line, or ""."""
    words = shlex.split(line, comments=True)
    while words and "=" in words[0] and not words[0].startswith("-"):
        words = words[1:]
    for end, word in enumerate(words):
        if word in {"|", "&&", ">", ">>", "<", ";", "&", "2>&1"}:
            first = fault_of_words(words[:end])
            is_command_next = word in {"|", "&&", ";", "&"}
            return first or (fault_of_words(words[end + 1 :]) if is_command_next else "")
    return fault_of_words(words)


def fault_of_words(words: list[str]) -> str:
    if not words or words[0] in KNOWN:
        return ""
    if words[0] in PROGRAMS:
        return fault_of_ours(words)
    if words[0] in {"python", "python3"} or Path(words[0]).name.startswith("python"):
        if len(words) > 1 and not words[1].startswith("-") and not (ROOT / words[1]).is_file():
            return f"no file {words[1]}"
        return ""
    if (ROOT / words[0]).is_file():
        return ""
    return f"unknown program {words[0]}"


def test_every_shown_command_exists() -> None:
    faults = []
    for block in shown_blocks():
        for line in commands_of(block):
            fault = fault_of(line)
            if fault:
                faults.append(f"{block.name}: {line}: {fault}")
    assert faults == []


def test_a_shown_command_that_does_not_exist_is_found() -> None:
    assert fault_of("sc-ledger no-such-command") == "no command no-such-command"
    assert fault_of("cd x && python3 scripts/no_such_file") == "no file scripts/no_such_file"
    assert fault_of("no-such-program") == "unknown program no-such-program"
    assert fault_of("python3 scripts/test -k receipt") == ""


def test_the_readme_shows_the_two_commands() -> None:
    lines = [
        line
        for block in read_blocks(ROOT / "README.md")
        if block.language in SHELL
        for line in commands_of(block)
    ]
    assert any("scripts/demo" in line for line in lines)
    assert any("scripts/test" in line for line in lines)


def runnable(languages: frozenset[str]) -> list[Block]:
    """Blocks marked `run` in any document that is there when the tests are collected."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    blocks = [block for path in paths if path.is_file() for block in read_blocks(path)]
    return [block for block in blocks if block.language in languages and "run" in block.marks]


@pytest.mark.parametrize("languages", [SHELL, frozenset({"python"})], ids=["shell", "python"])
def test_the_documents_have_a_block_that_is_run(languages: frozenset[str]) -> None:
    assert runnable(languages), "mark one with the word run after its language"


@pytest.mark.parametrize("block", runnable(SHELL), ids=lambda block: block.name)
def test_a_marked_shell_block_runs(block: Block, tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("shell blocks are for POSIX shells")
    script = "\n".join(["set -euo pipefail", *commands_of(block)])
    surroundings = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "SAFECONDUCT_ENVIRONMENT": "ready",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{block.name}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"


@pytest.mark.parametrize("block", runnable(frozenset({"python"})), ids=lambda block: block.name)
def test_a_marked_python_block_runs(block: Block, tmp_path: Path) -> None:
    """In a process of its own, in an empty folder; `>>>` examples are compared with what they show."""
    if ">>>" in block.text:
        (tmp_path / "shown.txt").write_text(block.text, encoding="utf-8")
        command = [sys.executable, "-m", "doctest", "-o", "ELLIPSIS", "shown.txt"]
    else:
        (tmp_path / "shown.py").write_text(block.text, encoding="utf-8")
        command = [sys.executable, "shown.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{block.name}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"


def test_python_shown_to_readers_is_at_least_python() -> None:
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for path in paths:
        for block in read_blocks(path):
            if block.language == "python" and ">>>" not in block.text:
                compile(block.text, block.name, "exec")
