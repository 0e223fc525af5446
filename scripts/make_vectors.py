#!/usr/bin/env python3
"""Write the test vectors under tests/vectors, or check that they are what the code gives.

    $ python scripts/make_vectors.py            write every file
    $ python scripts/make_vectors.py --check    write nothing; exit 1 and name the files that would differ

Keys follow from names and ECDSA is deterministic (RFC 6979), so a second run changes nothing. ML-DSA-44
signatures of the library are randomised: one that still verifies is kept, in `tests/vectors/ml_dsa_44.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.vector_cases import Case, card_cases, code_cases, ledger_cases, station_cases, verdict_cases
from scripts.vector_cases.kept_signatures import KeptSignatures
from tests.support.vector_runner import VECTORS, run_case

KEPT = "ml_dsa_44.json"


def main(arguments: list[str] | None = None) -> int:
    """Write or check; 0 if nothing differs."""
    parser = argparse.ArgumentParser(prog="make_vectors.py", description="Write or check the test vectors.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would differ")
    options = parser.parse_args(arguments)
    made = make_files(VECTORS)
    there = {
        str(path.relative_to(VECTORS)): path.read_text(encoding="utf-8") for path in VECTORS.rglob("*.json")
    }
    differing = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
    if options.check:
        print("".join(f"differs: {name}\n" for name in differing), end="")
        return 1 if differing else 0
    for name in differing:
        path = VECTORS / name
        if name in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[name], encoding="utf-8")
        else:
            path.unlink()
    print(f"{len(made)} files, {len(differing)} changed")
    return 0


def make_files(folder: Path) -> dict[str, str]:
    """Return relative path -> text of every file, with the signatures kept in `folder`.

    Raises:
        ValueError: a case does not lead to what it expects, or two have one name.
    """
    kept_path = folder / KEPT
    kept = KeptSignatures(json.loads(kept_path.read_text(encoding="utf-8")) if kept_path.exists() else {})
    files: dict[str, str] = {}
    bundles: dict[str, dict[str, Any]] = {}
    for case in all_cases(kept):
        name = f"{case.form}/{case.name}.json"
        if name in files:
            raise ValueError(f"two cases are called {name}")
        value: dict[str, Any] = {"description": case.description, "input": case.given, "expect": case.expect}
        if case.form == "bundle":
            bundles[name] = value
        code, result = run_case(case.form, value, bundles)
        if code != case.expect:
            raise ValueError(f"{name} expects {case.expect} and gives {code}")
        value["result"] = result
        files[name] = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    files[KEPT] = json.dumps(kept.used, indent=1, sort_keys=True) + "\n"
    return files


def all_cases(kept: KeptSignatures) -> Iterator[Case]:
    """Yield every case; bundles come before the verdicts that name them."""
    yield from code_cases.cases()
    yield from ledger_cases.cases(kept)
    yield from card_cases.cases()
    yield from verdict_cases.cases(kept)
    yield from station_cases.cases(kept)


if __name__ == "__main__":
    sys.exit(main())
