"""The rule of the rooms: who may import whom, what a core may touch, and that importing does nothing.

The rules are docs/architecture.md's. Every module of the four packages is read with `ast`; nothing is
imported. The last part plants violations in source text and expects each to be found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("ledger", "credential", "issuer", "verifier")
OUTSIDE = frozenset({"tests", "scripts", "benchmarks"})

MAY_IMPORT = {
    "ledger": frozenset({"ledger"}),
    "credential": frozenset({"credential", "ledger"}),
    "issuer": frozenset({"issuer", "credential", "ledger"}),
    "verifier": frozenset({"verifier", "credential", "ledger"}),
}
PURE_MODULES = frozenset({"core", "codes", "errors"})

# A core has no clock, network, disk, randomness, environment, logging, threads, and no frame around it.
NOT_IN_A_CORE = frozenset(
    """
    asyncio concurrent ctypes fcntl ftplib getpass glob http importlib logging mmap multiprocessing os
    pathlib platform random resource secrets select selectors shelve shutil signal smtplib socket
    socketserver sqlite3 ssl subprocess tempfile threading time urllib uuid warnings webbrowser
    alembic anyio click fastapi filelock fpdf httpx mnemonic PIL pydantic qrcode rich sqlalchemy sqlmodel
    starlette typer uvicorn zxingcpp
    """.split()
)
CALLS_NOT_IN_A_CORE = frozenset(
    """
    open input print exec eval breakpoint __import__
    now utcnow today urandom token_bytes token_hex
    read_text read_bytes write_text write_bytes
    generate_private_key
    """.split()
)

# Constant tables that are installed with a package and cannot differ between two runs. Each line is an
# exception on purpose; one that is no longer needed fails a test.
ALLOWED_IN_A_CORE = {
    ("credential.core.holder", "mnemonic"): "the English word list of BIP-39",
    ("credential.core.profiles", "importlib"): "the claims profiles of credential/profiles",
    ("credential.core.profiles", "read_bytes"): "the claims profiles of credential/profiles",
}

# At import a module declares. These calls would do something, or fix settings that a caller has to give.
CALLS_NOT_AT_IMPORT = frozenset(
    """
    create_engine create_async_engine create_all FastAPI Starlette sessionmaker
    open connect getenv mkdir makedirs urandom token_bytes now utcnow today time monotonic sleep
    read_text read_bytes write_text write_bytes basicConfig Thread Process ThreadPoolExecutor
    ProcessPoolExecutor run Popen create_app build_app
    """.split()
)


@dataclass(frozen=True, slots=True)
class Module:
    """A module of one package: its dotted name and its parsed text."""

    name: str
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.name.split(".")[0]

    @property
    def is_core(self) -> bool:
        return self.name.split(".")[1:2] == ["core"]


def read_modules() -> list[Module]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "node_modules" in parts:
                continue
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Module(name, ast.parse(path.read_text(encoding="utf-8"), filename=name)))
    return found


def imports_of(module: Module) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything imported, wherever it stands; `from a import b` is `a.b`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                # A package's own __init__ counts one level less; both cases end inside the package.
                kept = module.name.split(".")[: -node.level] or [module.package]
                base = ".".join([*kept, base]).rstrip(".")
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def called_names(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and last name of each call below the node: `a.b.c()` is `c`."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            target = call.func
            if isinstance(target, ast.Attribute):
                yield call.lineno, target.attr
            elif isinstance(target, ast.Name):
                yield call.lineno, target.id


def is_pure(name: str) -> bool:
    """True for the part of a package that a core may know: its core, its codes and its errors."""
    parts = name.split(".")
    return len(parts) > 1 and parts[1] in PURE_MODULES


def check_direction(module: Module) -> list[str]:
    """Imports that go up, sideways, or from `credential` into the working part of `ledger`."""
    faults = []
    for line, name in imports_of(module):
        package = name.split(".")[0]
        if package in OUTSIDE:
            faults.append(f"{module.name}:{line} imports {name}: no package knows its tests or scripts")
        elif package in PACKAGES:
            if package not in MAY_IMPORT[module.package]:
                faults.append(f"{module.name}:{line} imports {name}: not downwards")
            elif module.package == "credential" and package == "ledger" and not is_pure(name):
                faults.append(f"{module.name}:{line} imports {name}: not the pure part of ledger")
    return faults


def check_core(module: Module) -> list[str]:
    """What a core imports or calls although it must not."""
    if not module.is_core:
        return []
    faults = []
    for line, name in imports_of(module):
        package = name.split(".")[0]
        if package in NOT_IN_A_CORE and (module.name, package) not in ALLOWED_IN_A_CORE:
            faults.append(f"{module.name}:{line} imports {name}: a core is pure")
        elif package in PACKAGES and not is_pure(name):
            faults.append(f"{module.name}:{line} imports {name}: a core knows cores, codes and errors only")
    for line, name in called_names(module.tree):
        if name in CALLS_NOT_IN_A_CORE and (module.name, name) not in ALLOWED_IN_A_CORE:
            faults.append(f"{module.name}:{line} calls {name}(): a core is pure")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            faults.append(f"{module.name}:{node.lineno} has a global statement: a core keeps no state")
        elif isinstance(node, ast.Attribute) and node.attr in {
            "environ",
            "argv",
            "stdin",
            "stdout",
            "stderr",
        }:
            faults.append(f"{module.name}:{node.lineno} uses {node.attr}: a core is pure")
    return faults


def executed_at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The parts of a body that run when the module is imported: no function bodies, no main guard."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from statement.decorator_list
            yield statement.args
        elif isinstance(statement, ast.ClassDef):
            yield from statement.decorator_list
            yield from statement.bases
            yield from executed_at_import(statement.body)
        elif isinstance(statement, ast.If):
            if "__name__" not in ast.unparse(statement.test):
                yield statement.test
                yield from executed_at_import(statement.body)
            yield from executed_at_import(statement.orelse)
        elif isinstance(statement, ast.Try | ast.With | ast.For | ast.While):
            for field in ast.iter_child_nodes(statement):
                if isinstance(field, ast.stmt):
                    yield from executed_at_import([field])
                elif isinstance(field, ast.ExceptHandler):
                    yield from executed_at_import(field.body)
                else:
                    yield field
        else:
            yield statement


def without_lambdas(node: ast.AST) -> ast.AST:
    """The node with the bodies of its lambdas emptied: they run later."""

    class Emptier(ast.NodeTransformer):
        def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
            return ast.copy_location(ast.Constant(None), node)

    return Emptier().visit(ast.parse(ast.unparse(node))) if isinstance(node, ast.stmt | ast.expr) else node


def check_import_does_nothing(module: Module) -> list[str]:
    """Calls at import that reach outside, or build an app or an engine."""
    faults = []
    for node in executed_at_import(module.tree.body):
        for _, name in called_names(without_lambdas(node)):
            if name in CALLS_NOT_AT_IMPORT:
                line = getattr(node, "lineno", 0)
                faults.append(f"{module.name}:{line} calls {name}() at import: build it in a factory")
    return faults


MODULES = read_modules()
CHECKS = (check_direction, check_core, check_import_does_nothing)


def test_every_package_is_walked() -> None:
    assert {module.package for module in MODULES} == set(PACKAGES)


def test_imports_run_down_only() -> None:
    assert [fault for module in MODULES for fault in check_direction(module)] == []


def test_a_core_is_pure() -> None:
    assert [fault for module in MODULES for fault in check_core(module)] == []


def test_every_exception_is_still_needed() -> None:
    used = set()
    for module in MODULES:
        used |= {(module.name, name.split(".")[0]) for _, name in imports_of(module)}
        used |= {(module.name, name) for _, name in called_names(module.tree)}
    assert set(ALLOWED_IN_A_CORE) - used == set()


def test_nothing_happens_at_import() -> None:
    assert [fault for module in MODULES for fault in check_import_does_nothing(module)] == []


def faults_of(name: str, text: str) -> list[str]:
    module = Module(name, ast.parse(text))
    return [fault for check in CHECKS for fault in check(module)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ledger.service", "import credential.core.claims"),
        ("ledger.core.tree", "from credential import core"),
        ("credential.core.token", "def f():\n    from issuer.keys import load"),
        ("credential.core.token", "from ledger.store import open_store"),
        ("credential.text", "import ledger"),
        ("issuer.desk", "import verifier.verdict"),
        ("verifier.verdict", "from issuer import cards"),
        ("verifier.verdict", "from tests.unit import builders"),
        ("ledger.core.tree", "import os.path"),
        ("ledger.core.tree", "from ledger.store import rows"),
        ("ledger.core.tree", "from ..store import rows"),
        ("ledger.core.tree", "from time import time as clock"),
        ("ledger.core.tree", "from datetime import datetime, UTC\ndef f():\n    return datetime.now(UTC)"),
        ("ledger.core.tree", "def f(path):\n    with open(path) as g:\n        return g.read()"),
        ("ledger.core.tree", "def f(path):\n    return path.read_bytes()"),
        (
            "ledger.core.tree",
            "from cryptography.hazmat.primitives.asymmetric import ec\n"
            "def f():\n    return ec.generate_private_key(ec.SECP256R1())",
        ),
        ("ledger.core.tree", "n = 0\ndef f():\n    global n\n    n += 1"),
        ("ledger.core.tree", "import sys\ndef f():\n    sys.stdout.write('x')"),
        ("ledger.core.tree", "from fastapi import Request"),
        ("ledger.api", "from fastapi import FastAPI\napp = FastAPI()"),
        ("ledger.store", "import sqlmodel\nengine = sqlmodel.create_engine('sqlite://')"),
        ("ledger.store", "class S:\n    engine = create_engine('sqlite://')"),
        ("ledger.store", "try:\n    engine = create_engine('sqlite://')\nexcept OSError:\n    pass"),
        ("ledger.store", "def f(engine=create_engine('sqlite://')):\n    pass"),
        ("issuer.words", "WORDS = FOLDER.joinpath('words.txt').read_text()"),
    ],
)
def test_a_planted_violation_is_found(name: str, text: str) -> None:
    assert faults_of(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ledger.core.tree", "from hashlib import sha256\nfrom ledger.errors import MalformedError"),
        ("credential.core.token", "from ledger.core.cbor import parse_cbor\nfrom ledger.codes import CODES"),
        ("credential.core.token", "from ledger.core import cbor"),
        ("issuer.desk", "from credential.core import token\nfrom ledger.client import Client"),
        ("ledger.api", "def make_app(settings):\n    return FastAPI()"),
        ("ledger.rows", "class Row:\n    at = Field(default_factory=lambda: datetime.now(UTC))"),
        ("ledger.cli", "if __name__ == '__main__':\n    run()"),
    ],
)
def test_an_allowed_import_is_not_a_fault(name: str, text: str) -> None:
    assert faults_of(name, text) == []
