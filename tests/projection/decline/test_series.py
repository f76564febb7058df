"""Cost series: running minimum, history at an age, types of series, and invalid tables."""

import datetime as dt
import math

import pytest

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import Table, read_csv, table
from costmodel.projection.backtests.rates import rates
from costmodel.projection.decline.series import Series, cost_series, disjoint, read_series, series_of

BOARDS = ("CIFAR-10", "ImageNet", "GPT-2 small")


def points_table(*rows, name="points"):
    return Table(name, rows, tuple(rows[0]), "")


def point(date, cost, capability="a thing", **cells):
    return {"capability": capability, "date": date, "cost_usd": cost, **cells}


def named(start):
    return next(series for series in cost_series() if series.name.startswith(start))


def test_table_has_78_points_and_one_end_without_a_new_record():
    rows = table("measurements/cost_decline").rows
    assert [row["role"] for row in rows].count("point") == 78
    (end,) = [row for row in rows if row["role"] == "end"]
    assert (end["capability"][:8], end["date"], end["cost_usd"]) == ("CIFAR-10", "2020-03-10", "0.0212")
    assert max(row["date"] for row in rows) == "2025-12-31"
    assert all(row["source"] and row["basis"] for row in rows)
    assert len({tuple(row.values()) for row in rows}) == len(rows)


def test_shipped_points_equal_the_measurements(shared):
    measured = {
        (row["capability"], row["date"], row["cost_usd"])
        for row in read_csv(shared / "measurements" / "cost_decline.csv").rows
    }
    shipped = {
        (row["capability"], row["date"], row["cost_usd"])
        for row in table("measurements/cost_decline").rows
        if row["role"] == "point"
    }
    assert shipped == measured


def test_leaderboard_series_and_series_on_fixed_hardware():
    assert {series.name for series in cost_series() if series.kind == "board"} == {
        named(start).name for start in BOARDS
    }
    assert [series.name[:11] for series in cost_series() if series.hardware_fixed] == ["GPT-2 small"]


@pytest.mark.parametrize(
    ("start", "span", "decline", "rate"),
    [
        ("CIFAR-10", 2.41, 5.98, 11.9),
        ("ImageNet", 2.44, 5.01, 7.8),
        ("GPT-2 small", 1.59, 3.17, 7.3),
        ("BERT-Base", 4.4, 5.85, 3.77),
        ("GPT-2 XL", 5.4, 4.16, 2.16),
        ("GPT-3", 2.34, 1.59, 1.97),
        ("GPT-4", 1.79, 1.99, 3.04),
    ],
)
def test_spans_declines_and_rates_agree_with_the_study(start, span, decline, rate):
    series = named(start)
    assert series.span == pytest.approx(span, abs=0.01)
    assert series.declined(series.span) == pytest.approx(decline, abs=0.006)
    row = next(row for row in rates() if row["series"] == series.name)
    assert row["rate"] == pytest.approx(rate, rel=0.01)
    assert row["factor"] == pytest.approx(math.exp(decline), rel=0.01)
    assert row["low"] < row["rate"] < row["high"] and row["high"] > 2 * row["low"]


def test_series_of_one_point_has_no_rate():
    assert not any(row["series"].startswith("BERT-Large") for row in rates())
    assert rates([named("BERT-Large")]) == []


def test_costs_are_the_running_minimum():
    series = read_series(
        points_table(
            point("2024-03-01", "5"), point("2024-01-01", "9"), point("2024-02-01", "4"), point("2024-02-01", "6")
        )
    )[0]
    assert series.costs == (9.0, 6.0, 4.0, 4.0) and series.records == 3
    assert series.at(dt.date(2023, 12, 31)) is None
    assert [series.at(dt.date(2024, *day)) for day in ((1, 1), (1, 31), (2, 1), (6, 1))] == [9.0, 9.0, 4.0, 4.0]
    assert series.factor == 2.25 and series.declined(0.0) == 0.0
    assert series.declined(5.0) == pytest.approx(math.log(2.25))
    # a later speedrun entry with a higher cost does not change the minimum
    speedrun = named("GPT-2 small")
    assert speedrun.at(dt.date(2025, 5, 24)) == speedrun.at(dt.date(2025, 1, 26)) == 1.1732


def test_seen_returns_the_points_up_to_an_age():
    series = named("CIFAR-10")
    assert series.seen(0.0).costs == (8.3479,)
    assert series.seen(series.ages[2]).costs == series.costs[:3]
    assert series.seen(99.0) == series


def test_kind_of_a_new_series_depends_on_its_points_or_columns():
    few, many = (
        [point(f"2024-0{month}-01", "5") for month in (1, 2)],
        [point(f"2024-0{month}-01", str(9 - month), "board") for month in range(1, 6)],
    )
    assert [series.kind for series in read_series(points_table(*few, *many))] == ["capability", "board"]
    known = read_series(points_table(point("2026-01-01", "0.5", named("GPT-2 small").name)))[0]
    assert known.kind == "board" and known.hardware_fixed
    labeled = read_series(points_table(point("2026-01-01", "0.5", kind="board", hardware_fixed="yes")))[0]
    assert labeled.kind == "board" and labeled.hardware_fixed


def test_all_problems_of_a_table_are_reported_in_one_error():
    with pytest.raises(InputError) as caught:
        read_series(
            points_table(
                point("2024-13-01", "5", kind=""),
                point("2024-01-01", "nan", kind="contest"),
                point("2024-01-01", "0", "", kind=""),
            )
        )
    assert [text[:7] for text in caught.value.problems] == ["line 2:", "line 3:", "line 3:", "line 4:", "line 4:"]
    assert "'2024-13-01'" in caught.value.problems[0] and "board or capability" in caught.value.problems[2]
    with pytest.raises(InputError, match="columns are missing: date, cost_usd"):
        read_series(points_table({"capability": "x"}))


def test_series_of_accepts_tables_files_rows_and_data_frames(tmp_path):
    pandas = pytest.importorskip("pandas")
    rows = [point("2024-01-01", "5"), point("2024-06-01", "2.5")]
    file = tmp_path / "mine.csv"
    file.write_text("capability,date,cost_usd\na thing,2024-01-01,5\na thing,2024-06-01,2.5\n", encoding="utf-8")
    expected = read_series(points_table(*rows))
    dated = pandas.DataFrame(rows).assign(date=lambda frame: pandas.to_datetime(frame.date))
    for points in (points_table(*rows), file, str(file), rows, pandas.DataFrame(rows), dated, expected, iter(expected)):
        assert series_of(points) == expected
    assert series_of(None) is cost_series()
    for wrong in (5, [], [5], [rows[0], {"capability": "x"}]):
        with pytest.raises(InputError, match="points must be"):
            series_of(wrong)


def test_disjoint_counts_windows_that_do_not_overlap():
    assert disjoint([]) == 0
    assert disjoint([(0, 5), (0, 1), (1, 2), (1.5, 3)]) == 2
    assert disjoint([(month / 12, month / 12 + 0.25) for month in range(26)]) == 9


def test_series_are_frozen():
    with pytest.raises(AttributeError):
        named("GPT-4").costs = ()
    assert isinstance(named("GPT-4"), Series)


@pytest.mark.parametrize(("points", "kind"), [(4, "capability"), (5, "board")])
def test_new_series_of_five_points_is_a_leaderboard_series(points, kind):
    rows = [point(f"2024-0{month}-01", str(10 - month)) for month in range(1, points + 1)]
    (series,) = read_series(points_table(*rows))
    assert series.kind == kind


@pytest.mark.parametrize(("before", "points"), [(0.9e-9, 2), (1.15e-9, 1)])
def test_ages_are_compared_up_to_a_billionth_of_a_year(before, points):
    rows = [point("2024-01-01", "4"), point("2025-01-01", "2")]
    (series,) = read_series(points_table(*rows))
    assert len(series.seen(series.span - before).costs) == points
