"""Declared columns: numbers in units, words, older names, and all problems at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.foundation.columns import COUNT, SWITCH, TEXT, Cells, Column, Schema, as_table, words
from costmodel.foundation.errors import InputError

SCHEMA = Schema(
    kind="runs",
    columns={
        "count": COUNT,
        "time": Column("s"),
        "mode": words("fast", "slow"),
        "overlap": SWITCH,
        "note": TEXT,
        "zero": COUNT._replace(least=0),
    },
    required=("count",),
    older={"n": "count"},
    notations={"mode": lambda cell: {"mode": "fast", "zero": "3"} if cell == "quick 3" else {"mode": cell}},
    unread=frozenset({"page"}),
)


def read(**cells):
    ((row, problems),) = SCHEMA.translate(as_table("file", [cells]))
    return Cells(row, SCHEMA.columns, problems)


def test_numbers_words_and_switches():
    cells = read(n="8.0", time=1.5, mode="FAST", overlap=True, note="8 s", page="x")
    assert (cells.whole("count"), cells.numbers["time"], cells.words["mode"], cells.switch("overlap")) == (
        8,
        1.5,
        "fast",
        True,
    )
    assert not cells.problems
    assert read(n=1, time=None).numbers == {"count": 1.0} and read(n=1).switch("overlap") is None


def test_a_notation_fills_cells_that_are_empty():
    assert read(n=1, mode="quick 3").whole("zero") == 3
    assert read(n=1, mode="quick 3", zero=0).whole("zero") == 0


WRONG_CELLS = r"""
    count=many | count must be a whole number, without a unit; got 'many'
    count=2.5 | count must be a whole number; got '2.5'
    count=0 | count must be above 0 and finite; got '0'
    time=5 min | time must be a number of s, without a unit; got '5 min'
    time=inf | time must be above 0 and finite; got 'inf'
    zero=-1 | zero must be at least 0 and finite; got '-1'
    mode=medium | mode: unknown word 'medium'; accepted: fast, slow
    overlap=maybe | overlap: unknown word 'maybe'; accepted: yes, no
"""
"""Cells of a row, and the problem that is reported for them."""


@pytest.mark.parametrize("line", WRONG_CELLS.strip().splitlines(), ids=str.strip)
def test_cells_that_cannot_be_read(line):
    cells, reason = line.split(" | ")
    name, cell = cells.strip().split("=")
    assert read(**{"count": 1, name: cell}).problems == [reason]


def test_all_problems_of_a_row_are_raised_together():
    with pytest.raises(InputError, match=r"3 problems:(?s:.*)count(?s:.*)time(?s:.*)mode"):
        read(count="x", time="x", mode="x").check()
    cells = read(count="")
    cells.need("count")
    assert cells.problems == ["count is not given"]


def test_problems_of_the_columns_are_raised_together():
    with pytest.raises(InputError) as caught:
        SCHEMA.translate(as_table("file", [{"tme": 1, "qqqq": 2, "note": ""}]))
    assert caught.value.problems == (
        "file: unknown column 'tme' of runs; did you mean 'time'?",
        "file: unknown column 'qqqq' of runs; accepted: count, time, mode, overlap, note, zero",
        "file: runs need the columns count; missing: count",
    )
    with pytest.raises(InputError, match="count is given under two names: n, count; keep one"):
        SCHEMA.translate(as_table("file", [{"n": 1, "count": 1}]))


@given(st.text(max_size=20), st.text(max_size=20))
def test_labels_and_notes_never_change_values(note, page):
    assert read(n=1, note=note, page=page).numbers == {"count": 1.0}
