"""The second opinion: evidence checked by the pure core alone, with `cryptography` and `cbor2` installed.

    $ python -m ledger.second_opinion check found.evidence --pin pin.json

docs/protocol.md section 12. It imports the standard library, those two packages, `ledger.core`, `ledger.codes`
and `ledger.errors`: no database, no web framework, no command line library. Who does not believe the large
program reads this much and runs it on another machine. Exit codes: 0 the evidence holds, 1 it proves nothing,
2 the call was wrong, 4 a file cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ledger.codes import EXIT_OK, EXIT_UNREACHABLE, EXIT_VERDICT
from ledger.core.evidence import check_evidence
from ledger.core.evidence.form import MAX_EVIDENCE_SIZE
from ledger.core.pin import PIN_MAX_BYTES, parse_pin
from ledger.errors import CodedError
from ledger.evidence_words import describe_finding


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        pin = parse_pin(_read(options.pin, PIN_MAX_BYTES))
        finding = check_evidence(_read(options.file, MAX_EVIDENCE_SIZE), pin)
    except CodedError as error:
        sys.stderr.write(f"The evidence proves nothing. {error}\n")
        return EXIT_VERDICT
    except OSError as error:
        sys.stderr.write(f"storage_failed: {error.strerror or 'a file cannot be read'}\n")
        return EXIT_UNREACHABLE
    if options.json:
        lines = [json.dumps(finding.to_dict(), ensure_ascii=False, indent=2)]
    else:
        lines = describe_finding(finding)
    sys.stdout.write("\n".join(lines) + "\n")
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ledger.second_opinion", description=__doc__.split("\n")[0]
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="Check an evidence file against a pin.")
    check.add_argument("file", type=Path, help="Evidence file.")
    check.add_argument(
        "--pin", type=Path, required=True, help="File with origin and charter hash of the ledger."
    )
    check.add_argument("--json", action="store_true", help="Print what is proven as JSON.")
    return parser


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes, one more than `most` at the most: the parser then says that it is too large."""
    with path.open("rb") as file:
        return file.read(most + 1)


if __name__ == "__main__":
    sys.exit(main())
