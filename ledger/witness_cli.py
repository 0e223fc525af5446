"""Commands of a witness: `sc-ledger witness`.

    $ sc-ledger witness make w1 w1.example
    $ sc-ledger witness add-log w1 --pin pin.json https://ledger.example --replay
    $ sc-ledger witness serve w1 --port 8500
    $ sc-ledger witness status w1

Exit codes: docs/protocol.md, section 10; `status` exits 3 where a log contradicted itself.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from ledger.codes import EXIT_ALARM
from ledger.core.pin import PIN_MAX_BYTES, parse_pin
from ledger.core.policy import MAX_POLICY_SIZE
from ledger.errors import LedgerError
from ledger.files import read_file
from ledger.prompts import passphrase_from

app = typer.Typer(help="Make and run a witness of ledgers and other logs.", no_args_is_help=True)
_out: Final = Console(emoji=False, highlight=False, soft_wrap=True, markup=False)

Folder = Annotated[Path, typer.Argument(help="Folder of the witness.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(help="File with the passphrase of the private key; else SAFECONDUCT_PASSPHRASE."),
]


@app.command()
def make(
    folder: Annotated[Path, typer.Argument(help="New folder of the witness.")],
    name: Annotated[str, typer.Argument(help="Its key name, such as w1.example.")],
    algorithm: Annotated[str, typer.Option(help="ed25519 or ml-dsa-44.")] = "ed25519",
    url: Annotated[str, typer.Option(help="Where it will answer; for the line of the policy.")] = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make the key and the folder of a witness, and print its line of a witness policy."""
    from ledger.witness.client import check_witness_url
    from ledger.witness.folder import make_witness

    place = f" {check_witness_url(url)}" if url else ""
    vkey = make_witness(
        folder,
        name,
        passphrase_from(passphrase_file, "the witness's new key", new=True),
        algorithm=algorithm,
    )
    _out.print(f"witness {folder.name} {vkey}{place}")


@app.command("add-log")
def add_log(
    folder: Folder,
    place: Annotated[
        str | None, typer.Argument(metavar="[PLACE]", help="With --pin: address or directory of the ledger.")
    ] = None,
    pin: Annotated[Path | None, typer.Option(help="Pin of a ledger; its keys come from its charter.")] = None,
    vkey: Annotated[
        list[str] | None, typer.Option(help="Verifier key of any log; again for keys that sign together.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="C2SP tlog-policy; its log lines of one origin sign together.")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="With --pin: replay every entry from PLACE before cosigning.")
    ] = False,
    instead: Annotated[
        bool,
        typer.Option("--instead", help="In place of the keys that it has: they were stolen or are retired."),
    ] = False,
) -> None:
    """Add a log, or further keys of one; a running witness reads the list when it is started again."""
    from ledger.remote import is_address
    from ledger.witness.folder import read_witness_vkey
    from ledger.witness.logs import (
        WatchedLog,
        log_of_keys,
        log_of_pin,
        logs_of_policy,
        read_logs,
        with_log,
        write_logs,
    )

    read_witness_vkey(folder)
    if sum(given is not None for given in (pin, vkey or None, policy)) != 1:
        raise LedgerError("usage", "give one of --pin, --vkey and --policy", field="add-log")
    if (pin is None) != (place is None) or (replay and pin is None):
        raise LedgerError("usage", "an address or directory goes with --pin", field="add-log")
    found: tuple[WatchedLog, ...]
    if pin is not None and place is not None:
        pinned = parse_pin(read_file(pin, max_size=PIN_MAX_BYTES, field="pin"))
        if not is_address(place):
            place = str(Path(place).resolve())  # the witness may be started from anywhere
        found = (log_of_pin(pinned, place, replay=replay),)
    elif policy is not None:
        found = logs_of_policy(read_file(policy, max_size=MAX_POLICY_SIZE, field="policy"))
    else:
        found = (log_of_keys(vkey or []),)
    logs = read_logs(folder)
    for log in found:
        logs = with_log(logs, log, instead=instead)
    write_logs(folder, logs)
    for log in found:
        how = f", replayed from {log.replay}" if log.replay else ""
        _out.print(f"Watches {log.origin}{how}")


@app.command()
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8500,
    replay: Annotated[
        list[str] | None,
        typer.Option(help="PIN=PLACE: also replay the ledger of this pin from its address or directory."),
    ] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Run the witness; refuses to start where it cannot read what it cosigned."""
    from ledger.witness.serving import serve_witness

    serve_witness(
        folder,
        host=host,
        port=port,
        replays=replay or [],
        passphrase=passphrase_from(passphrase_file, "the witness's key"),
        now_s=lambda: int(time.time()),
        say=lambda text: _out.print(text),
    )


@app.command()
def status(
    folder: Folder,
    evidence: Annotated[
        Path | None,
        typer.Option(help="New folder for contradicting and alarming checkpoints, and for evidence files."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Copy of the ledger that the evidence is shown from; else the place that is replayed.",
        ),
    ] = None,
    pin: Annotated[Path | None, typer.Option(help="Pin of a ledger that is not in the list of logs.")] = None,
) -> None:
    """Tell what a witness cosigned and what speaks against a log; exit 3 if anything does."""
    from ledger.witness.report import describe_state

    pinned = None if pin is None else parse_pin(read_file(pin, max_size=PIN_MAX_BYTES, field="pin"))
    lines, has_evidence = describe_state(folder, evidence, source, pinned)
    for line in lines:
        _out.print(line)
    if has_evidence:
        raise typer.Exit(EXIT_ALARM)
