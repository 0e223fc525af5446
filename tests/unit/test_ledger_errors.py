"""Errors travel between processes: every one of the project pickles and copies as it is."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil
from typing import Any

import pytest

import credential
import issuer
import ledger
import verifier
from ledger.errors import BundleError, CodedError, ForkAlarm, StorageError


def _all_kinds() -> list[type[CodedError]]:
    for package in (ledger, credential, issuer, verifier):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not {"migrations", "alembic"} & set(module.name.split(".")):
                importlib.import_module(module.name)
    found: list[type[CodedError]] = []
    kinds = [CodedError]
    while kinds:
        found += kinds
        kinds = [below for kind in kinds for below in kind.__subclasses__()]
    return [kind for kind in dict.fromkeys(found) if not kind.__module__.startswith("tests")]


def test_every_kind_of_error_pickles_and_copies() -> None:
    kinds = _all_kinds()
    assert {BundleError, ForkAlarm, StorageError} < set(kinds)
    for kind in kinds:
        # Past the constructors, which differ: what counts is that nothing is lost on the way back.
        error = kind.__new__(kind)
        error.args = ("one sentence",)
        state: dict[str, Any] = {
            "code": "fork",
            "detail": "one sentence",
            "field": "x",
            "index": 7,
            "step": 3,
        }
        error.__dict__.update(state)
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(twin) is kind
            assert (twin.args, twin.__dict__, str(twin)) == (error.args, state, str(error))


@pytest.mark.parametrize(
    "error",
    [BundleError(4, "x", field="y"), ForkAlarm("x", index=5), StorageError("x", code="not_reachable")],
)
def test_an_error_as_it_is_raised_comes_back(error: CodedError) -> None:
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), vars(twin), str(twin)) == (type(error), vars(error), str(error))
