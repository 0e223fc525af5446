"""The command `sc-verifier serve`: the station for browsers, on this device or for phones beside it.

    $ sc-verifier serve
    $ sc-verifier serve --https --host 0.0.0.0
    $ sc-verifier serve --certificate fullchain.pem --key privkey.pem --host 0.0.0.0 --port 443

A phone's camera needs https; `--https` makes a certificate for this station (verifier/https.py) and shows what a
person compares before a phone trusts it. No access is logged.
"""

from __future__ import annotations

import datetime
import ipaddress
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from qrcode.main import QRCode
from rich.console import Console

from credential.symbols import QrSymbol
from verifier.addresses import own_addresses, own_host_names
from verifier.core.verdict import StationPolicy
from verifier.errors import StationError
from verifier.holder_cli import StationName
from verifier.https import (
    CERTIFICATE_FILE,
    MAX_NAMES,
    Certificate,
    check_given,
    format_fingerprint,
    keep_certificate,
    parse_name,
)
from verifier.phone_build import load_page
from verifier.screen import show_symbol
from verifier.station import Station

_out: Final = Console(emoji=False, highlight=False, soft_wrap=True)
_LOOPBACK: Final = ("127.0.0.1", "localhost")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Secured:
    """What a server speaks https with: its certificate and the files of chain and key."""

    certificate: Certificate
    chain_file: Path
    key_file: Path


def serve(
    station: Annotated[
        Path, typer.Option("--station", envvar="SAFECONDUCT_STATION", help="Folder of the station.")
    ] = Path("station"),
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets phones in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8480,
    stale_after_days: Annotated[int, typer.Option(min=0, help="From when on a list counts as old.")] = 7,
    aud: StationName = "",
    https: Annotated[
        bool, typer.Option("--https", help="Speak https with a certificate of the station's own.")
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Host name or address that phones use; may be given several times."),
    ] = None,
    new_certificate: Annotated[
        bool, typer.Option("--new-certificate", help="Make a new one; phones must then trust that one.")
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option(help="A certificate with its chain, PEM, instead of the station's own.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, PEM, without a passphrase.")] = None,
) -> None:
    """Serve the pages and POST /verify, and the phone page to phones; no access is logged."""
    import uvicorn

    from verifier.api import create_app

    target = Station(station)
    target.pin()
    secured = _secure(target, https=https, names=name or [], renew=new_certificate, given=(certificate, key))
    page = load_page()
    root = None if secured is None else secured.certificate.root_pem()
    service = create_app(target, policy=StationPolicy(stale_after_days, aud), page=page, certificate=root)
    _tell(target, secured, host, port, has_page=page is not None)
    uvicorn.run(
        service,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        ssl_certfile=None if secured is None else str(secured.chain_file),
        ssl_keyfile=None if secured is None else str(secured.key_file),
    )


def _secure(
    station: Station, *, https: bool, names: list[str], renew: bool, given: tuple[Path | None, Path | None]
) -> Secured | None:
    """Return what the options ask for, None for plain http."""
    certificate, key = given
    if certificate is not None or key is not None:
        if certificate is None or key is None:
            raise StationError("usage", "give --certificate and --key together", field="certificate")
        if names or renew:
            raise StationError("usage", "--name and --new-certificate are for --https alone", field="name")
        return Secured(check_given(certificate, key, now_s=_now_s()), certificate, key)
    if not https:
        if names or renew:
            raise StationError("usage", "--name and --new-certificate go with --https", field="name")
        return None
    path = station.folder / CERTIFICATE_FILE
    # A kept certificate stays when the machine gets another address: phones trust that one.
    wanted = [parse_name(name) for name in names]
    made = keep_certificate(path, wanted, fallback=_own_names, now_s=_now_s(), renew=renew)
    return Secured(made, path, path)


def _own_names() -> list[str]:
    """Return all names of this machine that a certificate can be for; the best known first."""
    names = []
    for name in (*own_addresses(), *own_host_names(), *_LOOPBACK):
        try:
            names.append(parse_name(name))
        except StationError:
            continue  # a host may have a name that no certificate can hold
    return list(dict.fromkeys(names))[:MAX_NAMES]


def _tell(station: Station, secured: Secured | None, host: str, port: int, *, has_page: bool) -> None:
    """Say where the station is, and what a person compares before a phone trusts it."""
    scheme = "http" if secured is None else "https"
    hosts = _hosts(host, secured)
    _say(f"Station of {station.pin().origin}")
    for name in hosts:
        _say(f"  {_address(scheme, name, port)}")
    if not has_page:
        _say("The phone page was not built, so /phone/ answers 503.")
        _say("In a copy of the sources `python3 -m scripts.web` builds it.")
    if all(_is_loopback(name) for name in hosts):
        _say("Only this device reaches it. For phones: --https --host 0.0.0.0")
    elif secured is None:
        _say("Phones give no camera to a page without https; start with --https.")
    if secured is None:
        return
    _tell_certificate(secured.certificate, hosts)
    if all(_is_loopback(name) for name in hosts):
        return
    phone = f"{_address(scheme, hosts[0], port)}phone/"
    _say(f"\nThe phone page: {phone}")
    show_symbol(_out, _symbol(phone))
    _say("The fingerprint, to compare with the one that the phone shows:")
    # In upper case a code of the same text is a third smaller.
    show_symbol(_out, _symbol(" ".join(_fingerprints(secured.certificate).upper().split())))


def _tell_certificate(certificate: Certificate, hosts: list[str]) -> None:
    end = datetime.datetime.fromtimestamp(certificate.not_after_s, datetime.UTC).date()
    _say(f"Certificate until {end.isoformat()}. SHA-256:")
    _say(_fingerprints(certificate))
    if certificate.is_new:
        _say("It was made just now; each phone has to trust it once.")
    if not any(certificate.is_for(name) for name in hosts):
        _say(f"It is not for {', '.join(hosts)}; it is for {', '.join(certificate.names)}.")
        if certificate.root_der is not None:
            _say("--new-certificate makes one for the names of today; phones must then trust that one.")


def _fingerprints(certificate: Certificate) -> str:
    lines = [f"server  {format_fingerprint(certificate.leaf_der)}"]
    if certificate.root_der is not None:
        lines.append(f"root    {format_fingerprint(certificate.root_der)}")
    return "\n".join(lines)


def _hosts(host: str, secured: Secured | None) -> list[str]:
    """Return the names under which the station is reached; those that a phone can use without a warning first."""
    host = host.strip("[]")
    addresses = (own_addresses() or ["127.0.0.1"]) if _is_unspecified(host) else [host]
    if secured is None:
        return addresses
    stated = [name for name in secured.certificate.names if not _is_loopback(name) and "*" not in name]
    own = own_host_names()
    named = [name for name in stated if name in addresses]
    if not _is_loopback(host):  # the machine's own name is in the certificate, but few phones find it by that
        named += [name for name in stated if not _is_address(name) and name not in own]
    return list(dict.fromkeys((*named, *addresses)))


def _is_unspecified(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _address(scheme: str, host: str, port: int) -> str:
    written = f"[{host}]" if ":" in host else host
    return f"{scheme}://{written}{'' if port == _DEFAULT_PORTS[scheme] else f':{port}'}/"


def _symbol(text: str) -> QrSymbol:
    """Return the symbol of a text in any letters; addresses are too short for a fixed mask to matter."""
    code = QRCode(border=0)
    code.add_data(text)
    code.make(fit=True)
    return QrSymbol(int(code.version or 0), tuple(bytes(map(bool, row)) for row in code.modules))


def _say(line: str) -> None:
    _out.print(line, markup=False)


def _now_s() -> int:
    return int(time.time())
