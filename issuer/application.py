"""The application of an issuer: what it asks the governors to admit, signed with the key it asks for.

docs/protocol.md, section 11, and `application` in docs/safeconduct.cddl: a COSE_Sign1 whose payload is an
admission, `iss` the issuer id and `sub` the origin of the ledger. The signature proves that the applicant
holds the key. It is no ledger entry; the governors copy its payload into an action.

>>> from ledger.core.cose_key import SoftwareSigner
>>> signer = SoftwareSigner.from_seed("p256", bytes(32))
>>> admission = Admission("ministry", "Registry of Examplia", (signer.public_key,), Scope(("sc:identity",), 500, 2))
>>> data = format_application(Application("civil-1", "ledger.example/one", admission), signer)
>>> check_application(data).issuer_id
'civil-1'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from issuer.errors import InputError
from ledger.core.actions import Admission, Scope, format_admission, parse_admission
from ledger.core.cose_key import PublicKey, Signer
from ledger.core.fields import parse_origin, parse_party
from ledger.core.statement import parse_application as parse_application_statement
from ledger.core.statement import sign_statement
from ledger.errors import MalformedError, VerificationError

APPLICATION_MAX_BYTES: Final = 65_535


@dataclass(frozen=True, slots=True)
class Application:
    """An issuer that wants to be admitted to a ledger.

    Attributes:
        issuer_id: the `iss` that it wants.
        origin: the ledger.
        admission: authority, title, keys and scope that it asks for.
    """

    issuer_id: str
    origin: str
    admission: Admission


def make_application(
    *,
    issuer_id: str,
    origin: str,
    authority: str,
    title: str,
    vcts: Sequence[str],
    rate: int,
    desks: int,
    key: PublicKey,
) -> Application:
    """Return the application of values that a person typed.

    Raises:
        InputError: a value is not of its form; the field is named as on the command line.
    """
    scope = Scope(tuple(sorted(set(vcts), key=str.encode)), rate, desks)
    application = Application(issuer_id, origin, Admission(authority, title, (key,), scope))
    try:
        _check_form(application)
    except MalformedError as error:
        field = error.field.rpartition(".")[2]
        raise InputError({"vcts": "vct", "iss": "id"}.get(field, field), error.detail) from None
    return application


def format_application(application: Application, signer: Signer) -> bytes:
    """Sign an application.

    Raises:
        MalformedError: a value is not of its form, or the signer's key is not among those asked for.
    """
    _check_form(application)
    if signer.public_key not in application.admission.keys:
        raise MalformedError("the signer's key is not asked for", field="admission.keys")
    return sign_statement(
        "application", application.issuer_id, application.origin, application.admission, signer
    )


def parse_application(data: bytes) -> Application:
    """Read an application; its signature is not checked.

    Raises:
        MalformedError: code too_large over 65,535 bytes; code unsupported for another type or
            algorithm; otherwise not of the form of docs/safeconduct.cddl.
    """
    statement = parse_application_statement(data)
    parse_party(statement.iss, field="iss")
    parse_origin(statement.sub, field="origin")
    return Application(statement.iss, statement.sub, statement.body)


def check_application(data: bytes) -> Application:
    """Read an application and check that its signer holds one of the keys that it asks for.

    Raises:
        MalformedError: as `parse_application`.
        VerificationError: unknown_issuer where the signing key is not asked for; bad_signature.
    """
    application = parse_application(data)
    statement = parse_application_statement(data)
    for key in application.admission.keys:
        if key.kid == statement.kid:
            statement.check_signature(key)
            return application
    raise VerificationError("unknown_issuer", "signed with a key that it does not ask for", field="kid")


def _check_form(application: Application) -> None:
    parse_party(application.issuer_id, field="iss")
    parse_origin(application.origin, field="origin")
    parse_admission(format_admission(application.admission))
