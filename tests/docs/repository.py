"""The files of the repository that a reader gets: what git knows or would add, else what is on disk."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LEFT_OUT = frozenset(
    {".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
    | {"build", "dist", "demo-out", "node_modules"}
)


@functools.cache
def files() -> tuple[Path, ...]:
    """Absolute paths, sorted."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        # Not a clone (an archive, an image): everything but what the tools leave behind.
        found = (path for path in ROOT.rglob("*") if not LEFT_OUT & set(path.relative_to(ROOT).parts))
    else:
        found = (ROOT / name for name in done.stdout.decode("utf-8").split("\0") if name)
    return tuple(sorted(path for path in found if path.is_file() and not path.is_symlink()))


def texts() -> list[tuple[Path, str]]:
    """Path and text of each file that is UTF-8 without a NUL."""
    found = []
    for path in files():
        raw = path.read_bytes()
        if b"\0" not in raw:
            try:
                found.append((path, raw.decode("utf-8")))
            except UnicodeDecodeError:
                continue
    return found


def documents() -> list[Path]:
    """The Markdown files."""
    return [path for path in files() if path.suffix == ".md"]
