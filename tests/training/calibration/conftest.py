"""Check of the problems that are reported for invalid rows of measurements."""

import pytest


@pytest.fixture
def check_problem():
    """Check a line "column=cell & column=cell | problem": a row with these cells reports the problem."""

    def check(line, problems):
        cells, problem = line.split(" | ")
        assert problem in problems(**dict(cell.strip().split("=", 1) for cell in cells.split(" & ")))

    return check
