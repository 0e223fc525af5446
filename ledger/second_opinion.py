"""The second opinion: evidence checked by the pure core alone, with `cryptography` and `cbor2` installed.

    $ python -m ledger.second_opinion check found.evidence --pin pin.json
    $ python -m ledger.second_opinion witness request --log-key VKEY --log-key VKEY --cosigned last.checkpoint

docs/protocol.md sections 8 and 12. It imports the standard library, those two packages, `ledger.core`, `ledger.codes`
and `ledger.errors`: no database, no web framework, no command line library. Who does not believe the large
program reads this much and runs it on another machine. Exit codes: 0 the evidence holds, or the witness cosigns;
1 it proves nothing, or the witness refuses; 2 the call was wrong; 4 a file cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ledger.codes import EXIT_OK, EXIT_UNREACHABLE, EXIT_VERDICT
from ledger.core.checkpoint import open_checkpoint
from ledger.core.evidence import check_evidence
from ledger.core.evidence.form import MAX_EVIDENCE_SIZE
from ledger.core.note import parse_vkey
from ledger.core.pin import PIN_MAX_BYTES, parse_pin
from ledger.core.witness_protocol import MAX_REQUEST_SIZE, KnownLog, Refusal, decide_body
from ledger.errors import CodedError
from ledger.evidence_words import describe_finding


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except OSError as error:
        sys.stderr.write(f"storage_failed: {error.strerror or 'a file cannot be read'}\n")
        return EXIT_UNREACHABLE
    return code


def _check(options: argparse.Namespace) -> int:
    """Check an evidence file."""
    try:
        pin = parse_pin(_read(options.pin, PIN_MAX_BYTES))
        finding = check_evidence(_read(options.file, MAX_EVIDENCE_SIZE), pin)
    except CodedError as error:
        sys.stderr.write(f"The evidence proves nothing. {error}\n")
        return EXIT_VERDICT
    if options.json:
        lines = [json.dumps(finding.to_dict(), ensure_ascii=False, indent=2)]
    else:
        lines = describe_finding(finding)
    sys.stdout.write("\n".join(lines) + "\n")
    return EXIT_OK


def _witness(options: argparse.Namespace) -> int:
    """Judge a request for a cosignature as a plain witness does."""
    try:
        keys = tuple(parse_vkey(text) for text in options.log_key)
        known = KnownLog((keys,))
        if options.cosigned is not None:
            head = open_checkpoint(_read(options.cosigned, MAX_REQUEST_SIZE), keys).checkpoint
            known = KnownLog((keys,), head.tree_size, head.root_hash)
    except CodedError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_VERDICT
    decision = decide_body(_read(options.file, MAX_REQUEST_SIZE), {keys[0].name: known})
    if isinstance(decision, Refusal):
        size = "" if decision.size is None else f"; it cosigned {decision.size} entries"
        sys.stdout.write(f"A witness refuses with {decision.status}: {decision.detail}{size}\n")
        return EXIT_VERDICT
    new = decision.signed.checkpoint
    sys.stdout.write(f"A witness cosigns: {new.tree_size} entries, root {new.root_hash.hex()}\n")
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
    check.set_defaults(run=_check)
    witness = commands.add_parser("witness", help="Judge an add-checkpoint request as a plain witness does.")
    witness.add_argument("file", type=Path, help="Body of the request (C2SP tlog-witness).")
    witness.add_argument(
        "--log-key", action="append", required=True, metavar="VKEY", help="Verifier key of the log; all sign."
    )
    witness.add_argument(
        "--cosigned", type=Path, help="The last checkpoint that was cosigned, if there is one."
    )
    witness.set_defaults(run=_witness)
    return parser


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes, one more than `most` at the most: the parser then says that it is too large."""
    with path.open("rb") as file:
        return file.read(most + 1)


if __name__ == "__main__":
    sys.exit(main())
