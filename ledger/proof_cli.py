"""`sc-ledger proof`: an entry's proof as a file, and its check without a network.

    $ sc-ledger proof export https://ledger.example 4711 --out 4711.tlog-proof --entry-out 4711.cose
    $ sc-ledger proof check 4711.tlog-proof 4711.cose --pin pin.json

C2SP tlog-proof, docs/protocol.md section 8.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.core.merkle import leaf_hash
from ledger.core.opened_bundle import open_bundle
from ledger.core.pin import PIN_MAX_BYTES, parse_pin
from ledger.core.statement import MAX_ENTRY_BYTES
from ledger.core.tlog_proof import MAX_PROOF_BYTES, check_with_bundle, check_with_charter, parse_tlog_proof
from ledger.errors import LedgerError
from ledger.files import check_free, read_file, write_file

app = typer.Typer(help="Write and check proofs that an entry is on a ledger.", no_args_is_help=True)
_out: Final = Console(emoji=False, highlight=False, soft_wrap=True, markup=False)


@app.callback()
def proof() -> None:
    """Write and check proofs that an entry is on a ledger."""


@app.command("export")
def export(
    source: Annotated[
        str, typer.Argument(help="Directory of a ledger, folder that was published, or address of either.")
    ],
    index: Annotated[int, typer.Argument(help="Index of the entry.", min=0)],
    out: Annotated[Path, typer.Option(help="File for the proof; best named .tlog-proof.")],
    entry_out: Annotated[Path | None, typer.Option(help="File for the bytes of the entry.")] = None,
) -> None:
    """Write the proof of an entry under the newest cosigned head of a source."""
    from ledger.publish.proofs import prove_entry

    if entry_out is not None and entry_out.absolute() == out.absolute():
        raise LedgerError("usage", "proof and entry are two files", field="entry_out")
    for path in (out, entry_out):  # both or none
        if path is not None:
            check_free(path)
    text, entry = prove_entry(source, index)
    if entry_out is not None:
        write_file(entry_out, entry)
    write_file(out, text.encode())
    _out.print(f"Proof of entry {index}: {out}")


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="The proof.")],
    entry: Annotated[Path, typer.Argument(help="File with the bytes of the entry.")],
    pin: Annotated[Path, typer.Option(help="File with origin and charter hash of the ledger.")],
    bundle: Annotated[
        Path | None,
        typer.Option(help="Trust bundle of the ledger; needed once its keys or witnesses have changed."),
    ] = None,
) -> None:
    """Check a proof without a network: log signatures, quorum of witnesses, inclusion."""
    pinned = parse_pin(read_file(pin, max_size=PIN_MAX_BYTES, field="pin"))
    parsed = parse_tlog_proof(read_file(file, max_size=MAX_PROOF_BYTES, field="proof"))
    leaf = leaf_hash(read_file(entry, max_size=MAX_ENTRY_BYTES, field="entry"))
    if bundle is None:
        proven = check_with_charter(parsed, leaf, pinned)
    else:
        opened = open_bundle(read_file(bundle, max_size=MAX_BUNDLE_SIZE, field="bundle"), pinned)
        proven = check_with_bundle(parsed, leaf, opened)
    head = proven.checkpoint
    _out.print(f"Entry {proven.index} of {head.tree_size} on {head.origin}: proven.")
    if proven.times:
        _out.print(f"Cosigned by {', '.join(proven.times)}.")
    if proven.time_s is not None:
        _out.print(
            f"On the ledger before {datetime.fromtimestamp(proven.time_s, UTC):%Y-%m-%d %H:%M:%S} UTC."
        )
    if bundle is not None and not proven.times:
        _out.print("The head is one of the tree of the bundle, which its witnesses cosigned.")
