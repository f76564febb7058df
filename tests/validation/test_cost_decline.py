"""Scores of later costs of shipped capabilities, of new capabilities, and of shipped series left out of the fit."""

import pytest

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import Table, read_csv, table
from costmodel.projection.backtests.declines import backtest
from costmodel.projection.decline.series import cost_series
from costmodel.validation.cost_decline import validate_cost_decline
from costmodel.validation.scores import summary_rows

COLUMNS = ("capability", "date", "cost_usd", "compute_flop", "hardware", "source", "basis")


def of(*points):
    rows = tuple(dict(zip(COLUMNS, (*point, "", "", "s", "b"), strict=True)) for point in points)
    return Table("later", rows, COLUMNS, "")


def name(start):
    return next(one.name for one in cost_series() if one.name.startswith(start))


def test_later_points_are_predicted_from_the_newest_shipped_point():
    speedrun, xl = name("GPT-2 small"), name("GPT-2 XL")
    found = validate_cost_decline(
        of(
            (speedrun, "2025-12-31", "0.7576"),
            (speedrun, "2026-06-30", "0.65"),
            (speedrun, "2026-03-31", "0.70"),
            (speedrun, "2026-04-30", "0.71"),
            (xl, "2026-07-11", "90"),
            (name("BERT-Large"), "2026-04-15", "30"),
        )
    )
    assert found["kind"] == "cost_decline" and found["cases"] == 6 and found["scored"] == 4
    rows = {row["measured"]: row for row in found["rows"]}
    assert "the library knows this point" in rows[0.7576]["skipped"]
    assert "no record: an earlier cost is 0.7 USD" in rows[0.71]["skipped"]
    assert 0.7576 > rows[0.70]["predicted"] > rows[0.65]["predicted"] > 0.35
    for cost, start in ((0.70, 0.7576), (0.65, 0.7576), (90.0, 672.0), (30.0, 350.0)):
        row = rows[cost]
        assert row["low"] < row["predicted"] < row["high"] <= 1.03 * start
    family = found["families"][speedrun]
    assert family["scored"] == 2 and family["windows"] == 1 and 0 < family["crps"] < 0.5
    assert found["windows"] == 3
    assert found["crps"] == pytest.approx(sum(one["crps"] for one in found["families"].values()) / 3)
    assert len(summary_rows(found)) == 4


def test_a_prediction_over_two_years_has_a_wide_interval():
    row = validate_cost_decline(of((name("GPT-4"), "2026-12-26", "1000000")))["rows"][0]
    assert 5.576e6 / row["predicted"] == pytest.approx(5.6, rel=0.25)
    assert row["high"] / row["low"] > 10


def test_new_capabilities_are_predicted_from_the_record_before():
    found = validate_cost_decline(
        of(
            ("new", "2026-07-01", "20"),
            ("new", "2026-01-01", "100"),
            ("new", "2026-01-01", "90"),
            ("new", "2026-09-01", "25"),
            ("new", "2026-12-01", "10"),
        )
    )
    by_cost = {row["measured"]: row for row in found["rows"]}
    assert "first point" in by_cost[100.0]["skipped"] and "day of the first" in by_cost[90.0]["skipped"]
    assert "no record" in by_cost[25.0]["skipped"]
    assert by_cost[20.0]["predicted"] < 90 and by_cost[10.0]["predicted"] < 20
    assert found["families"]["new"]["windows"] == 2 and found["scored"] == 2


def test_shipped_points_are_predicted_by_a_fit_without_their_series(shared):
    found = validate_cost_decline(read_csv(shared / "measurements" / "cost_decline.csv"))
    own = validate_cost_decline(table("measurements/cost_decline"))
    assert found["scored"] == own["scored"] == 189 and found["windows"] == 28 and len(found["families"]) == 7
    assert found["rows"][0]["id"] == own["rows"][0]["id"]
    assert 0.70 <= found["coverage"]["0.8"] <= 0.95 and found["coverage"]["0.95"] >= 0.90
    capabilities = [part["crps"] for family, part in found["families"].items() if part["scored"] == 1]
    assert sum(capabilities) / 4 == pytest.approx(backtest().crps("capabilities"))
    assert [row["skipped"] for row in found["rows"] if row["skipped"]] == ["a single point, which the library knows"]


def test_rows_that_cannot_be_read_say_why():
    found = validate_cost_decline(of(("new", "2026-01-01", "ten"), ("new", "soon", "10"), ("new", "2026-01-01", "3")))
    assert found["scored"] == 0 and found["crps"] is None and found["windows"] == 0
    assert "'ten'" in found["rows"][0]["skipped"] and "'soon'" in found["rows"][1]["skipped"]
    with pytest.raises(InputError, match="unknown column 'price' of dated costs"):
        validate_cost_decline(Table("x", (), (*COLUMNS, "price"), ""))
    with pytest.raises(InputError, match="columns are missing: cost_usd"):
        validate_cost_decline(Table("x", ({"capability": "a", "date": "b"},), ("capability", "date"), ""))
