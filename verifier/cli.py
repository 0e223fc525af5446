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
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from credential.core.qr_text import PREFIX, SEAL_KEY_PREFIX, SealKeys, parse_seal_keys
from ledger.codes import EXIT_ALARM, EXIT_OK, EXIT_VERDICT, exit_code
from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.core.calendar_days import DAY_S, date_of_seconds
from ledger.core.pin import PIN_MAX_BYTES, Pin, make_pin, parse_pin
from ledger.errors import CodedError, ForkAlarm, MalformedError, StorageError
from verifier.core.evidence import Verdict
from verifier.core.trust import open_bundle
from verifier.core.trusted_list import TrustedList
from verifier.core.verdict import CLOCK_AHEAD_S, StationPolicy
from verifier.core.wording import freshness_line
from verifier.errors import StationError
from verifier.fetch import fetch_bundle
from verifier.images import IMAGE_MAX_BYTES, read_codes
from verifier.report import Report, scan
from verifier.screen import show_report
from verifier.station import Station
from verifier.words import load_wording

app = typer.Typer(
    help="Judge cards without a network: keep a list, read codes, give verdicts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_out: Final = Console(highlight=False, soft_wrap=True)
_err: Final = Console(stderr=True, highlight=False, soft_wrap=True)
_IMAGE_STARTS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")
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
    """Choose the one ledger that this station believes."""
    if (file is None) == (origin is None or charter is None):
        raise StationError("usage", "give a pin file, or --origin and --charter", field="pin")
    if file is not None:
        chosen = parse_pin(_read_file(file, PIN_MAX_BYTES))
    else:
        chosen = make_pin(str(origin), str(charter))
    Station(station).set_pin(chosen)
    _out.print(f"Pinned to {chosen.origin}, charter {chosen.charter_hash.hex()}", markup=False)


@app.command()
def sync(
    url: Annotated[str, typer.Argument(help="Address of the ledger service.")],
    station: StationFolder = _STATION,
) -> None:
    """Fetch the newest list, verify it and use it from now on."""
    target = Station(station)
    target.pin()
    _accepted(target, target.import_bundle(fetch_bundle(url)))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A list, from a stick or another station.")],
    station: StationFolder = _STATION,
) -> None:
    """Verify a list from a file and use it from now on."""
    target = Station(station)
    _accepted(target, target.import_bundle(_read_file(file, MAX_BUNDLE_SIZE)))


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write the list.")],
    station: StationFolder = _STATION,
) -> None:
    """Copy the list at hand to a file, for a station without a network."""
    data = Station(station).export_bundle()
    file.write_bytes(data)
    _out.print(f"Wrote {len(data)} bytes", markup=False)


@app.command()
def status(station: StationFolder = _STATION, as_json: AsJson = False) -> None:
    """Say which list is at hand and how old it is; exit 3 if the ledger ever contradicted itself."""
    target = Station(station)
    chosen = target.pin()
    trusted = target.trusted()
    evidence = [str(path) for path in target.evidence_files()]
    if as_json:
        _out.print_json(json.dumps({**_describe(chosen, trusted), "evidence": evidence}))
    else:
        for name, value in _describe(chosen, trusted).items():
            _out.print(f"{name}: {value}", markup=False)
        _out.print(_freshness(trusted), markup=False)
        for path in evidence:
            _out.print(f"fork: the ledger contradicted itself; hand on {path}", markup=False)
    if evidence:
        raise typer.Exit(EXIT_ALARM)
    if trusted is None:
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
    as_json: AsJson = False,
) -> None:
    """Judge the codes of one or more cards; front and back of a card give one verdict."""
    now_s = _time(at)
    trusted = _trusted(station, bundle, pin_file)
    keys = None if slip is None else _read_slip(slip)
    report = _scan_sources(sources, trusted, now_s, keys, StationPolicy(stale_after_days))
    words = load_wording()
    if as_json:
        _out.print_json(json.dumps(report.to_json(words)))
    else:
        show_report(_out, report, words)
        if trusted is None:
            _out.print(_freshness(trusted), markup=False)
    raise typer.Exit(report.exit_code)


@app.command()
def serve(
    station: StationFolder = _STATION,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8480,
    stale_after_days: Annotated[int, typer.Option(min=0, help="From when on a list counts as old.")] = 7,
) -> None:
    """Answer POST /verify on this device; no access is logged."""
    import uvicorn

    from verifier.api import create_app

    target = Station(station)
    target.pin()
    service = create_app(target, policy=StationPolicy(stale_after_days))
    _out.print(f"Station of {target.pin().origin} on http://{host}:{port}", markup=False)
    uvicorn.run(service, host=host, port=port, access_log=False, log_level="warning")


def main() -> int:
    """Run the command line and return its exit code."""
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
    sources: list[str], trusted: TrustedList | None, now_s: int, keys: SealKeys | None, policy: StationPolicy
) -> Report:
    try:
        texts = [text for source in sources for text in _texts(source)]
    except MalformedError as error:  # a picture that does not decode is a verdict
        return Report((Verdict.of_error(error),), None)
    return scan(texts, trusted, now_s, slip=keys, policy=policy)


def _texts(source: str) -> list[str]:
    """Return the texts of the codes in one source."""
    if source.startswith(PREFIX):
        return [source]
    data = _read_source(source)
    if data.startswith(_IMAGE_STARTS):
        return read_codes(data)
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as error:
        raise MalformedError("neither an image nor text", field="image", code="unsupported") from error
    return [line.rstrip("\r") for line in lines if line.strip()]


def _read_source(source: str) -> bytes:
    if source == "-":
        data = sys.stdin.buffer.read(IMAGE_MAX_BYTES + 1)
        if len(data) > IMAGE_MAX_BYTES:
            raise MalformedError("more than 8 MiB", field="image", code="too_large")
        return data
    return _read_file(Path(source), IMAGE_MAX_BYTES)


def _read_file(path: Path, max_size_bytes: int) -> bytes:
    try:
        if path.stat().st_size > max_size_bytes:
            raise MalformedError("the file is too large", field="file", code="too_large")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise StationError("usage", "there is no such file", field=path.name) from error
    except OSError as error:
        raise StorageError("the file cannot be read", field=path.name) from error


def _read_slip(source: str) -> SealKeys:
    if source.startswith(SEAL_KEY_PREFIX):
        return parse_seal_keys(source)
    texts = _texts(source)
    if len(texts) != 1:
        raise StationError("bad_input", "a slip is one code", field="slip")
    return parse_seal_keys(texts[0])


def _trusted(station: Path, bundle: Path | None, pin_file: Path | None) -> TrustedList | None:
    if bundle is None:
        if pin_file is not None:
            raise StationError("usage", "--pin goes with --bundle", field="pin")
        target = Station(station)
        target.pin()
        return target.trusted()
    chosen = Station(station).pin() if pin_file is None else parse_pin(_read_file(pin_file, PIN_MAX_BYTES))
    return open_bundle(_read_file(bundle, MAX_BUNDLE_SIZE), chosen)


def _time(at: str | None) -> int:
    if at is None:
        return int(time.time())
    try:
        if at.isascii() and at.isdigit():
            date_of_seconds(int(at))  # refuses what lies beyond the year 9999
            return int(at)
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise StationError("usage", "a time needs a zone, such as Z", field="at")
        return int(moment.timestamp())
    except (ValueError, OverflowError, MalformedError) as error:
        raise StationError("usage", "a time is ISO 8601 or seconds since 1970", field="at") from error


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
