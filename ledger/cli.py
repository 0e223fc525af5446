"""The command line of a ledger: `sc-ledger`.

    $ sc-ledger init --prepare data --origin ledger.example/one --governor ana=ana.pem.pub ...
    $ sc-ledger init --finish data ana.accept bo.accept chi.accept
    $ sc-ledger serve data --lock /mnt/other/lock.db
    $ sc-ledger audit data --pin pin.json

Governing stands in `ledger.govern_cli`. Exit codes: docs/protocol.md, section 10. A refusal prints its code
and one sentence, and leaves nothing half written.

Commands that need the database or the network import them themselves: a governor's commands answer at once.
"""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from ledger.audit_cli import audit_command
from ledger.codes import EXIT_OK, exit_code
from ledger.compare_cli import compare_command
from ledger.core.cose_key import PublicKey
from ledger.core.fields import parse_origin
from ledger.core.merkle import leaf_hash
from ledger.core.pin import Pin, format_pin
from ledger.core.policy import MAX_POLICY_SIZE
from ledger.core.statement import MAX_ENTRY_BYTES
from ledger.errors import CodedError, LedgerError
from ledger.evidence_cli import app as evidence_app
from ledger.explore_cli import explore_command
from ledger.files import read_file, read_text, write_file
from ledger.govern_cli import app as govern_app
from ledger.govern_files import parse_charter_file, words_of
from ledger.governor_keys import read_public_key
from ledger.inspect import describe_entry
from ledger.keys_cli import app as keys_app
from ledger.ledger_arguments import parse_number
from ledger.prompts import passphrase_from
from ledger.proof_cli import app as proof_app
from ledger.publish_cli import publish
from ledger.terminal import accept_any_console
from ledger.witness_cli import app as witness_app

DEFAULT_PROFILES: Final = ("sc:identity=4:1095", "sc:companion=3:90")
"""vct=digests:days of the profiles that come with the project."""
CHARTER_NAME: Final = "charter.cose"
PIN_NAME: Final = "pin.json"

app = typer.Typer(
    help="Found, run, govern and audit an append-only ledger.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(govern_app, name="govern")
app.add_typer(keys_app, name="keys")
app.add_typer(evidence_app, name="evidence")
app.command("explore")(explore_command)
app.command("audit")(audit_command)
app.command("compare")(compare_command)
app.add_typer(witness_app, name="witness")
app.add_typer(proof_app, name="proof")
app.command("publish")(publish)
_out: Final = Console(emoji=False, highlight=False, soft_wrap=True, markup=False)
_err: Final = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True, markup=False)

PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File with the passphrase of the private keys; else SAFECONDUCT_PASSPHRASE."),
]
LockPlace = Annotated[
    Path | None, typer.Option("--lock", help="Place of the checkpoint lock, best on another disk.")
]


@app.command()
def init(
    accepts: Annotated[
        list[Path] | None, typer.Argument(help="With --finish: one accept file of each governor.")
    ] = None,
    prepare: Annotated[
        Path | None, typer.Option(help="New directory: make keys and the charter that governors accept.")
    ] = None,
    finish: Annotated[
        Path | None, typer.Option(help="Prepared directory: write epoch 0, and the ledger begins.")
    ] = None,
    origin: Annotated[str, typer.Option(help="Name of the ledger, a URL without scheme.")] = "",
    governor: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE with a governor's public key, or NAME=HEX; once for each governor."),
    ] = None,
    threshold: Annotated[int, typer.Option(help="Approvals that an action needs.")] = 0,
    witness_policy: Annotated[
        Path | None, typer.Option(help="File with the witness policy (C2SP tlog-policy, no log lines).")
    ] = None,
    epoch_ms: Annotated[
        int, typer.Option(help="Epoch period in milliseconds; at least 60000 for real people.")
    ] = 60_000,
    profile: Annotated[list[str] | None, typer.Option(help="VCT=DIGESTS:DAYS; may be given again.")] = None,
    lock: LockPlace = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Found a ledger in two steps: --prepare the charter, and --finish once all governors accepted it."""
    if (prepare is None) == (finish is None):
        raise LedgerError("usage", "give either --prepare DIR or --finish DIR", field="init")
    if finish is not None:
        _finish(finish, accepts or [], passphrase_file)
        return
    assert prepare is not None
    from ledger.service.founding import prepare_ledger

    if not origin or not governor or threshold < 1 or witness_policy is None or accepts:
        raise LedgerError(
            "usage", "--prepare needs --origin, --governor, --threshold and --witness-policy", field="init"
        )
    parse_origin(origin, field="origin")
    prepared = prepare_ledger(
        prepare,
        origin=origin,
        governors=tuple(_governor(item) for item in governor),
        threshold=threshold,
        witness_policy=read_text(witness_policy, max_size=MAX_POLICY_SIZE, field="witness-policy"),
        epoch_ms=epoch_ms,
        profiles=dict(_profile(item) for item in profile or DEFAULT_PROFILES),
        random_bytes=secrets.token_bytes,
        passphrase=passphrase_from(passphrase_file, "the ledger's new keys", new=True),
        lock=lock,
    )
    _out.print(f"Charter: {prepare / CHARTER_NAME}")
    _print_pin(Pin(origin, prepared.charter_hash))
    _out.print("Give the file to every governor: sc-ledger govern accept CHARTER --key KEY --out FILE")


def _finish(folder: Path, accepts: list[Path], passphrase_file: Path | None) -> None:
    from ledger.service.founding import finish_ledger

    charter = parse_charter_file(read_file(folder / CHARTER_NAME, max_size=MAX_ENTRY_BYTES, field="charter"))
    entries = [read_file(path, max_size=MAX_ENTRY_BYTES, field="accept") for path in accepts]
    names = [name for name, _ in charter.body.governors]
    if len(entries) != len(names):
        raise LedgerError("usage", f"give one accept of each governor: {', '.join(names)}", field="accept")
    head = finish_ledger(
        folder,
        entries,
        now_ms=_now_ms,
        passphrase=passphrase_from(passphrase_file, "the ledger's keys"),
    )
    pin = Pin(charter.body.origin, leaf_hash(charter.entry))
    path = folder / PIN_NAME
    if not path.exists():
        write_file(path, format_pin(pin))
    _out.print(f"The ledger has begun with {head.size} entries.")
    _print_pin(pin)
    _out.print(f"Pin: {path}")


@app.command()
def serve(
    directory: Annotated[Path, typer.Argument(help="Directory of the ledger.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8400,
    lock: LockPlace = None,
    local_witness: Annotated[
        list[Path] | None,
        typer.Option(help="Directory of a witness to run in this process; for demonstrations only."),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(help="NAME=URL: ask a witness of the policy at this address instead of the policy's."),
    ] = None,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Log method, route and status; never who, never what.")
    ] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Run the log service, after recovering what was signed; refuses to start where that cannot be proven."""
    from ledger.serving import serve_ledger

    if local_witness:
        _err.print(
            "Warning: witnesses run inside this process. They prove nothing to others; "
            "a real ledger uses witnesses that other people run."
        )
    serve_ledger(
        directory,
        host=host,
        port=port,
        lock=lock,
        local_witnesses=local_witness or [],
        witnesses=witness or [],
        access_log=access_log,
        passphrase=passphrase_from(passphrase_file, "the ledger's keys"),
        now_ms=_now_ms,
        say=lambda text: _out.print(text),
    )


@app.command("inspect")
def inspect_command(
    source: Annotated[
        str, typer.Argument(help="Directory of a ledger, address of a service, or file with one entry.")
    ],
    which: Annotated[
        str | None, typer.Argument(metavar="[INDEX|ID]", help="Index, or identity in 64 hex digits.")
    ] = None,
) -> None:
    """Show one entry in plain words. There is no personal data in any."""
    from ledger.lookup import find_entry

    index, entry = find_entry(source, which)
    if index is not None:
        _out.print(f"Entry {index}")
    for line in describe_entry(entry):
        _out.print(line)


def main() -> int:
    """Run the command line and return its exit code."""
    accept_any_console()
    try:
        app()
    except CodedError as error:
        _err.print(str(error))
        return exit_code(error.code)
    except OSError as error:
        _err.print(f"storage_failed: {error.strerror or 'a file operation failed'}")
        return exit_code("storage_failed")
    return EXIT_OK


def _print_pin(pin: Pin) -> None:
    _out.print(f"Origin: {pin.origin}")
    _out.print(f"Charter hash: {pin.charter_hash.hex()}")
    _out.print(f"In words: {words_of(pin.charter_hash)}")


def _governor(item: str) -> tuple[str, PublicKey]:
    name, separator, key = item.partition("=")
    if not separator or not name or not key:
        raise LedgerError("usage", "a governor is given as NAME=FILE or NAME=HEX", field="governor")
    return name, read_public_key(key)


def _profile(item: str) -> tuple[str, tuple[int, int]]:
    vct, _, numbers = item.rpartition("=")
    digests, separator, days = numbers.partition(":")
    if not vct or not separator:
        raise LedgerError("usage", "a profile is given as VCT=DIGESTS:DAYS", field="profile")
    return vct, (parse_number(digests, "DIGESTS"), parse_number(days, "DAYS"))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
