"""The command line of a station: `sc-verifier`.

    $ sc-verifier pin pin.json
    $ sc-verifier sync https://ledger.example
    $ sc-verifier verify photo.jpg
    $ sc-verifier verify "SC1:6BF..." --at 2026-11-22T10:00:00Z --json

Exit codes (docs/protocol.md, section 10): 0 confirmed, also with an old list; 1 every other verdict, or a
list that was refused; 2 usage; 3 integrity alarm; 4 not reachable. Nothing of any scan is kept.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from credential.core.qr_text import SealKeys
from ledger.codes import EXIT_ALARM, EXIT_OK, EXIT_VERDICT, exit_code
from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.core.calendar_days import DAY_S, date_of_seconds
from ledger.core.pin import PIN_MAX_BYTES, LeastTree, Pin, format_pin, make_pin, parse_pin
from ledger.errors import CodedError, ForkAlarm, MalformedError
from ledger.terminal import accept_any_console
from verifier import heads_cli, holder_cli, serve_cli
from verifier.core.evidence import Verdict
from verifier.core.trust import open_bundle
from verifier.core.trusted_list import Trusted, TrustedList
from verifier.core.verdict import CLOCK_AHEAD_S, StationPolicy
from verifier.core.wording import freshness_line
from verifier.errors import StationError
from verifier.fetch import fetch_bundle, fetch_delta, fetch_origin
from verifier.holder_cli import Nonce, StationName
from verifier.report import Report, scan
from verifier.screen import show_report
from verifier.sources import read_file, read_nonce, read_slip, read_texts, read_time
from verifier.station import Station
from verifier.sync import Fetchers, sync_station
from verifier.words import load_wording

app = typer.Typer(
    help="Judge cards without a network: keep a list, read codes, give verdicts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_out: Final = Console(emoji=False, highlight=False, soft_wrap=True)
_err: Final = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True)
_STATION: Final = Path("station")

StationFolder = Annotated[
    Path, typer.Option("--station", envvar="SAFECONDUCT_STATION", help="Folder of the station.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def pin(
    file: Annotated[Path | None, typer.Argument(help="A pin file, as the ledger publishes it.")] = None,
    origin: Annotated[str | None, typer.Option(help="Origin of the ledger.")] = None,
    charter: Annotated[str | None, typer.Option(help="Leaf hash of its charter, 64 hex digits.")] = None,
    station: StationFolder = _STATION,
) -> None:
    """Choose a ledger that this station believes; a further one is kept beside the first."""
    if (file is None) == (origin is None or charter is None):
        raise StationError("usage", "give a pin file, or --origin and --charter", field="pin")
    if file is not None:
        chosen = parse_pin(read_file(file, PIN_MAX_BYTES))
    else:
        chosen = make_pin(str(origin), str(charter))
    Station(station).set_pin(chosen)
    _out.print(f"Pinned to {chosen.origin}, charter {chosen.charter_hash.hex()}", markup=False)


@app.command()
def sync(
    url: Annotated[str, typer.Argument(help="Address of the ledger service.")],
    whole: Annotated[bool, typer.Option("--whole", help="Fetch the whole list, not daily changes.")] = False,
    station: StationFolder = _STATION,
) -> None:
    """Fetch what the list lacks, verify it and use it from now on; daily changes lead to yesterday's end."""
    target = Station(station)
    target.pin()
    fetchers = Fetchers(fetch_bundle, fetch_delta, fetch_origin)
    synced = sync_station(target, url, now_s=int(time.time()), whole=whole, fetchers=fetchers)
    _accepted(synced.ledger, synced.trusted)
    how = f"daily changes: {synced.deltas}" if synced.deltas else "the whole list"
    _out.print(f"data_used: {synced.received_bytes} bytes ({how})", markup=False)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A list, from a stick or another station.")],
    station: StationFolder = _STATION,
) -> None:
    """Verify a list from a file and use it from now on."""
    target = Station(station)
    trusted = target.import_bundle(read_file(file, MAX_BUNDLE_SIZE))
    _accepted(target.ledger_of(trusted.origin) or target, trusted)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write the list.")],
    pin_file: Annotated[
        Path | None, typer.Option("--pin", help="Where to write a pin that takes no list older than this.")
    ] = None,
    origin: Annotated[str | None, typer.Option(help="Whose list, where there are several.")] = None,
    station: StationFolder = _STATION,
) -> None:
    """Copy the list at hand to a file, for a station without a network, and perhaps a pin to ship with it."""
    target = Station(station)
    ledger = target if origin is None else target.ledger_of(origin)
    if ledger is None:
        raise StationError("usage", "the station does not believe a ledger of this origin", field="origin")
    data = ledger.export_bundle()
    trusted = ledger.trusted()
    file.write_bytes(data)
    if pin_file is not None and trusted is not None:
        least = LeastTree(trusted.tree_size, trusted.root_hash)
        pin_file.write_bytes(format_pin(replace(ledger.pin(), least=least)))
    _out.print(f"Wrote {len(data)} bytes", markup=False)


@app.command()
def status(station: StationFolder = _STATION, as_json: AsJson = False) -> None:
    """Say which list is at hand and how old it is; exit 3 if the ledger ever contradicted itself."""
    target = Station(station)
    target.pin()
    ledgers = target.ledgers()
    lists = [ledger.trusted() for ledger in ledgers]
    described = [_describe(ledger.pin(), trusted) for ledger, trusted in zip(ledgers, lists, strict=True)]
    evidence = [str(path) for path in target.evidence_files()]
    if as_json:
        more = {"ledgers": described[1:]} if len(described) > 1 else {}
        _out.print_json(json.dumps({**described[0], **more, "evidence": evidence}))
    else:
        for lines, trusted in zip(described, lists, strict=True):
            for name, value in lines.items():
                _out.print(f"{name}: {value}", markup=False)
            _out.print(_freshness(trusted), markup=False)
        for path in evidence:
            _out.print(f"fork: the ledger contradicted itself; hand on {path}", markup=False)
    if evidence:
        raise typer.Exit(EXIT_ALARM)
    if None in lists:
        raise typer.Exit(EXIT_VERDICT)


@app.command()
def verify(
    sources: Annotated[
        list[str], typer.Argument(help="Image or text files, - for standard input, or codes.")
    ],
    bundle: Annotated[Path | None, typer.Option(help="A list to use instead of the station's.")] = None,
    pin_file: Annotated[Path | None, typer.Option("--pin", help="The pin for --bundle.")] = None,
    station: StationFolder = _STATION,
    at: Annotated[str | None, typer.Option(help="Judge as of this time, ISO 8601 or seconds.")] = None,
    slip: Annotated[str | None, typer.Option(help="The bearer's slip: a file or SCK1:...")] = None,
    stale_after_days: Annotated[int, typer.Option(min=0, help="From when on a list counts as old.")] = 7,
    aud: StationName = "",
    nonce: Nonce = None,
    as_json: AsJson = False,
) -> None:
    """Judge the codes of one or more cards; front and back of a card give one verdict."""
    now_s = read_time(at)
    policy = StationPolicy(stale_after_days, aud, None if nonce is None else read_nonce(nonce))
    trusted = _trusted(station, bundle, pin_file)
    keys = None if slip is None else read_slip(slip)
    report = _scan_sources(sources, trusted, now_s, keys, policy)
    words = load_wording()
    if as_json:
        _out.print_json(json.dumps(report.to_json(words)))
    else:
        show_report(_out, report, words)
        if not trusted:
            _out.print(_freshness(None), markup=False)
    raise typer.Exit(report.exit_code)


app.command()(serve_cli.serve)
app.command()(heads_cli.head)
app.command()(heads_cli.compare)
app.command()(holder_cli.nonce)
app.command()(holder_cli.present)


def main() -> int:
    """Run the command line and return its exit code."""
    accept_any_console()
    try:
        app()
    except CodedError as error:
        if "--json" in sys.argv:
            body = {"code": error.code, "detail": error.detail, "field": error.field}
            _out.print_json(json.dumps(body))
        _err.print(str(error), markup=False)
        return EXIT_ALARM if isinstance(error, ForkAlarm) else exit_code(error.code)
    except OSError as error:
        _err.print(f"storage_failed: {error.strerror or 'a file operation failed'}", markup=False)
        return exit_code("storage_failed")
    return EXIT_OK


def _scan_sources(
    sources: list[str], trusted: Trusted, now_s: int, keys: SealKeys | None, policy: StationPolicy
) -> Report:
    try:
        texts = [text for source in sources for text in read_texts(source)]
    except MalformedError as error:  # a picture that does not decode is a verdict
        return Report((Verdict.of_error(error),), None)
    return scan(texts, trusted, now_s, slip=keys, policy=policy)


def _trusted(station: Path, bundle: Path | None, pin_file: Path | None) -> Trusted:
    if bundle is None:
        if pin_file is not None:
            raise StationError("usage", "--pin goes with --bundle", field="pin")
        target = Station(station)
        target.pin()
        return target.trusted_lists()
    chosen = Station(station).pin() if pin_file is None else parse_pin(read_file(pin_file, PIN_MAX_BYTES))
    return open_bundle(read_file(bundle, MAX_BUNDLE_SIZE), chosen)


def _accepted(station: Station, trusted: TrustedList) -> None:
    for name, value in _describe(station.pin(), trusted).items():
        _out.print(f"{name}: {value}", markup=False)
    _out.print(_freshness(trusted), markup=False)


def _describe(chosen: Pin, trusted: TrustedList | None) -> dict[str, Any]:
    described: dict[str, Any] = {"origin": chosen.origin, "charter": chosen.charter_hash.hex()}
    if trusted is not None:
        described |= {
            "tree_size": trusted.tree_size,
            "root_hash": trusted.root_hash.hex(),
            "issuers": len(trusted.issuers),
            "lists": len(trusted.lists),
            "size_bytes": trusted.size_bytes,
            "list_date": date_of_seconds(trusted.now_min_s).isoformat(),
        }
    return described


def _freshness(trusted: TrustedList | None) -> str:
    words = load_wording()
    if trusted is None:
        return words.text("freshness", "none")
    age_s = int(time.time()) - trusted.now_min_s
    clock_wrong = not 0 <= age_s <= CLOCK_AHEAD_S
    listed = date_of_seconds(trusted.now_min_s).isoformat()
    return freshness_line(words, listed, None if clock_wrong else age_s // DAY_S, clock_wrong=clock_wrong)


if __name__ == "__main__":
    sys.exit(main())
