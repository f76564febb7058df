"""Run the command line in this process, as `costmodel ...` would run."""

import sys
from typing import NamedTuple

import pytest

from costmodel import cli


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def problems(self) -> list[str]:
        return [line.removeprefix("costmodel: ") for line in self.err.splitlines() if line.startswith("costmodel: ")]


@pytest.fixture
def costmodel(monkeypatch, capsys):
    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["costmodel", *map(str, arguments)])
        with pytest.raises(SystemExit) as raised:
            cli.main()
        return Outcome(int(raised.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def refused(costmodel):
    """Run and return the problems of bad input: exit code 2, nothing printed, no traceback."""

    def run(*arguments: object) -> list[str]:
        outcome = costmodel(*arguments)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.problems
        return outcome.problems

    return run


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    """Print whole lines, as in a pipe, whatever the terminal of the tests is."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def app_commands():
    """Return the names of the commands and groups of the command line."""
    from costmodel.cli.app import COMMANDS

    return list(COMMANDS.own)
