"""The table of codes in docs/protocol.md, section 10, is the one of the code: names, states, order, exit codes."""

from __future__ import annotations

import re

from ledger.codes import CODES, EXIT_ALARM, EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE, EXIT_VERDICT
from tests.docs.repository import ROOT
from verifier.core.evidence import BESIDE, LEADING, Verdict

TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
SECTION = TEXT.split("## 10. Verdict", 1)[1].split("## 11.", 1)[0]
ROWS = [line[2:-2].split(" | ") for line in SECTION.splitlines() if line.startswith("| `")]


def _codes(cell: str) -> list[str]:
    return re.findall(r"`([a-z_]+)`", cell)


def test_the_order_in_which_codes_lead_is_the_documented_one() -> None:
    [leading] = [row for row in ROWS if ">" in row[0]]
    assert _codes(leading[0]) == list(LEADING)
    states = leading[2].removeprefix("the first leads: ").split(", ")
    assert [CODES[code].state for code in LEADING] == states
    [beside] = [row for row in ROWS if "beside" in row[2]]
    assert sorted(_codes(beside[0])) == sorted(BESIDE)
    assert all(CODES[code].state == "" for code in BESIDE)


def test_every_code_that_is_raised_leads_to_its_state_and_no_other_is() -> None:
    raised = [(_codes(row[0]), row[2]) for row in ROWS if row[1] == "raised"]
    assert [state for _, state in raised] == ["unreadable", "altered", "not_listed", "unknown_issuer"]
    documented = {code: state for codes, state in raised for code in codes}
    assert documented == {
        name: code.state for name, code in CODES.items() if code.state and name not in LEADING
    }


def test_exit_codes_are_the_documented_ones() -> None:
    [line] = [line for line in SECTION.splitlines() if line.startswith("Exit codes of every command:")]
    found = {int(number): text for number, text in re.findall(r"(\d) ([^;]+)", line.split(". ")[0])}
    assert list(found) == [EXIT_OK, EXIT_VERDICT, EXIT_USAGE, EXIT_ALARM, EXIT_UNREACHABLE]
    good = {"confirmed", "confirmed_stale"}
    assert good <= set(found[EXIT_OK].split(", "))
    for state in {code.state for code in CODES.values()} - {""} | good:
        code = Verdict(state, (), None).exit_code
        assert code == (EXIT_OK if state in good else EXIT_VERDICT), state
    assert CODES["not_cosigned"].exit_code == 1
    assert {code.exit_code for code in CODES.values()} <= set(found)
