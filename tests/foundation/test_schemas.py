"""Schemas of tables: typed cells, accepted values, references, dates, duplicates and order."""

import datetime as dt

import pytest

from costmodel.foundation.schemas import (
    Accepted,
    Column,
    Problem,
    TableSchema,
    age_days,
    check_table,
    newest,
    row_object,
)
from costmodel.foundation.tables import Table

SCHEMA = TableSchema.model_validate(
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "test/parts",
        "title": "Parts",
        "description": "Parts with prices.",
        "type": "object",
        "x-source": "none",
        "x-refreshed-by": "by hand",
        "x-checked-by": "this test",
        "x-key": ["name", "count"],
        "x-sorted-by-key": True,
        "x-ordered": [["low", "high"]],
        "x-date-column": "as_of",
        "properties": {
            "name": {"type": "string", "description": "Name.", "x-references": ["facts/parts.name"]},
            "kind": {"type": "string", "description": "Kind.", "enum": ["bolt", "nut"]},
            "count": {"type": "integer", "description": "Number.", "exclusiveMinimum": 0},
            "low": {"type": "number", "description": "Lower end.", "minimum": 0},
            "high": {"type": "number", "description": "Upper end.", "exclusiveMaximum": 100},
            "as_of": {"type": "string", "description": "Day.", "format": "date"},
        },
        "required": ["name", "as_of"],
        "additionalProperties": False,
    }
)
ROW = {"name": "M3", "kind": "bolt", "count": "4", "low": "1", "high": "2.5", "as_of": "2026-09-01"}
NAMES = {"facts/parts.name": ["M3", "M4"]}


def table(*changes):
    return Table("parts", tuple({**ROW, **change} for change in changes), tuple(ROW), "0")


def check(*changes, today=None):
    return check_table(table(*changes), SCHEMA, Accepted(NAMES, today))


def test_cells_are_read_by_the_type_of_their_column():
    assert row_object(SCHEMA, {**ROW, "kind": ""}) == {
        "name": "M3", "count": 4, "low": 1.0, "high": 2.5, "as_of": "2026-09-01",
    }  # fmt: skip


@pytest.mark.parametrize("cell", ["nan", "inf", "1e", "1,5", "$3", "²", "1_000", " 1", "0x1"])
def test_text_that_is_no_decimal_number_stays_text(cell):
    assert SCHEMA.value("low", cell) == cell


def test_a_sound_row_has_no_problems():
    assert check({}) == [] and check({"kind": "", "count": "", "low": "", "high": ""}) == []


@pytest.mark.parametrize(
    ("change", "column", "message"),
    [
        ({"name": "M5"}, "name", "unknown name 'M5'; known: M3, M4"),
        ({"name": ""}, "name", "must be a text; the cell is blank"),
        ({"kind": "bold"}, "kind", "unknown kind 'bold'; did you mean 'bolt'?"),
        ({"count": "0"}, "count", "must be a whole number above 0, or blank; got 0"),
        ({"count": "4.0"}, "count", "must be a whole number above 0, or blank; got '4.0'"),
        ({"low": "-1"}, "low", "must be a number at least 0, or blank; got -1.0"),
        ({"high": "100"}, "high", "must be a number below 100, or blank; got 100.0"),
        ({"low": "3"}, "low", "must be at most high; got low 3 and high 2.5"),
        ({"as_of": "2026-9-1"}, "as_of", "must be a date such as 2026-09-01; got '2026-9-1'"),
        ({"as_of": "2026-02-30"}, "as_of", "must be a date"),
        ({"as_of": "2026-09-01\n"}, "as_of", "must be a date"),
        ({"as_of": ""}, "as_of", "must be a date such as 2026-09-01; the cell is blank"),
    ],
)
def test_each_kind_of_mistake_names_line_column_value_and_what_is_accepted(change, column, message):
    (problem,) = check({}, {"name": "M4", **change})
    assert (problem.line, problem.column) == (3, column)
    assert message in problem.message


def test_a_day_after_today_lies_in_the_future():
    assert check({}, today=dt.date(2026, 9, 1)) == []
    (problem,) = check({}, today=dt.date(2026, 8, 31))
    assert str(problem) == "line 2: as_of: 2026-09-01 lies in the future: today is 2026-08-31"


def test_a_month_is_compared_with_the_month_of_today():
    column = Column(type="string", description="Month.", dated=True)
    schema = SCHEMA.model_copy(update={"properties": {**SCHEMA.properties, "as_of": column}})
    rows = table({"as_of": "2026-09"})
    assert check_table(rows, schema, Accepted(NAMES, dt.date(2026, 9, 1))) == []
    assert len(check_table(rows, schema, Accepted(NAMES, dt.date(2026, 8, 31)))) == 1


def test_rows_with_the_same_key_are_duplicates():
    (problem,) = check({}, {"low": "2"})
    assert problem == Problem(3, "", "repeats line 2: the same name, count")


def test_keys_are_sorted_by_number_and_blank_cells_come_first():
    assert check({"count": ""}, {"count": "4"}, {"count": "16"}) == []
    (problem,) = check({"count": "16"}, {"count": "4"})
    assert str(problem) == "is not sorted by name, count"


def test_a_table_without_rows_or_with_other_columns_is_refused():
    assert [str(problem) for problem in check()] == ["holds no rows"]
    other = Table("parts", (), ("name", "size"), "0")
    (problem,) = check_table(other, SCHEMA, Accepted())
    assert str(problem) == "the columns are name, kind, count, low, high, as_of; got name, size"


def test_further_columns_are_held_to_the_names_that_a_table_lists():
    further = Column(type="number", description="Constant.")
    schema = SCHEMA.model_copy(update={"further": further, "further_names": ("fitted/x.name",)})
    rows = Table("parts", ({**ROW, "matmul": "0.8", "matmull": "?"},), (*ROW, "matmul", "matmull"), "0")
    problems = check_table(rows, schema, Accepted({**NAMES, "fitted/x.name": ["matmul"]}))
    assert [str(problem) for problem in problems] == [
        "line 1: matmull: unknown column 'matmull'; did you mean 'matmul'?",
        "line 2: matmull: must be a number, or blank; got '?'",
    ]


def test_newest_date_and_its_age():
    assert newest(SCHEMA, table({}, {"as_of": "2026-10-01"}, {"as_of": "unknown"}).rows) == "2026-10-01"
    assert age_days("2026-10-01", dt.date(2026, 10, 31)) == 30
    assert age_days("2026-10", dt.date(2026, 11, 2)) == 1
    assert age_days("2025", dt.date(2026, 1, 31)) == 30
    assert age_days("2026-12", dt.date(2026, 12, 5)) == 0
