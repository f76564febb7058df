"""Backtest of cost declines: rolling origins, known scores, and accepted scores of the default model."""

import math

import numpy as np
import pytest
from scipy.integrate import trapezoid

from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.projection.backtests.baselines import SteadyRule
from costmodel.projection.backtests.declines import MODELS, backtest, compare_models
from costmodel.projection.backtests.origins import origins
from costmodel.projection.backtests.scoring import score
from costmodel.projection.decline.models import decline_model
from costmodel.projection.decline.series import cost_series


@pytest.fixture(scope="module")
def tests():
    return {result.model: result for result in compare_models().backtests}


def test_pairs_and_windows_agree_with_the_study(tests):
    rows = {row["part"]: row for row in tests["default"].rows()}
    counts = {part: (row["pairs"], row["windows"], row["series"]) for part, row in rows.items()}
    assert counts == {
        "all": (189, 28, 7),
        "boards": (185, 24, 3),
        "capabilities": (4, 4, 4),
        "0.25 years": (70, 24, 3),
        "0.5 years": (61, 11, 3),
        "1 years": (43, 5, 3),
        "2 years": (13, 4, 4),
        "longer": (2, 2, 2),
    }


@pytest.mark.parametrize(
    ("model", "overall", "boards", "capabilities"),
    [
        ("no change", 2.74, 1.86, 3.39),
        ("constant 2.7x", 1.07, 1.29, 0.91),
        ("constant rate", 0.787, 1.04, 0.593),
        ("aging gamma", 0.924, 0.765, 1.04),
        ("equal pool", 0.807, 0.876, 0.755),
    ],
)
def test_crps_agrees_with_the_study(tests, model, overall, boards, capabilities):
    result = tests[model]
    assert result.crps() == pytest.approx(overall, abs=0.006)
    assert result.crps("boards") == pytest.approx(boards, abs=0.008)
    assert result.crps("capabilities") == pytest.approx(capabilities, abs=0.006)


@pytest.mark.parametrize(
    ("model", "figures", "tolerance"),
    [
        ("no change", (0.314, 0.619, 1.284), 0.001),
        ("constant 2.7x", (0.384, 0.574, 0.743), 0.001),
        ("log-linear least squares", (1.394, 1.924, 2.504), 0.012),
        ("aging gamma", (0.237, 0.338, 0.534), 0.005),
        ("random walk with drift", (0.472, 0.843, 1.866), 0.025),
    ],
)
def test_crps_of_leaderboard_series_with_enough_history(tests, model, figures, tolerance):
    result = tests[model].chosen(
        lambda origin: origin.seen.kind == "board" and origin.age > 0.24 and origin.seen.records >= 3
    )
    rows = {row["part"]: row for row in result.rows()}
    labels = ("0.25 years", "0.5 years", "1 years")
    assert [rows[label]["pairs"] for label in labels] == [53, 44, 26]
    assert [rows[label]["crps"] for label in labels] == pytest.approx(figures, abs=tolerance)


def test_default_model_meets_accepted_scores(tests):
    result = tests["default"]
    assert result.crps() <= 0.85 and result.crps("boards") <= 0.90 and result.crps("capabilities") <= 0.80
    assert 0.35 <= result.coverage(0.5) <= 0.65
    assert 0.70 <= result.coverage(0.8) <= 0.95
    assert result.coverage(0.95) >= 0.90 and result.coverage(0.95, "boards") >= 0.90
    assert result.mean(lambda score: score.width) <= 5.0
    assert result.crps() <= 0.35 * tests["no change"].crps()
    assert result.crps() <= 0.80 * tests["constant 2.7x"].crps()
    assert all(result.crps() < tests[rule].crps() for rule in ("log-linear least squares", "random walk with drift"))
    assert sum(result.pit()) == pytest.approx(1.0) and max(result.pit()) <= 0.35


@pytest.mark.parametrize("left_out", [series.name for series in cost_series() if series.span > 0])
def test_ranking_of_models_does_not_depend_on_one_series(tests, left_out):
    crps = {name: result.chosen(lambda origin: origin.seen.name != left_out).crps() for name, result in tests.items()}
    assert crps["default"] < crps["constant 2.7x"] < crps["no change"]
    assert crps["default"] <= 0.90


def test_crps_equals_its_integral():
    grid = np.linspace(0, 60, 600_001)
    for model in (decline_model(None), decline_model("board", 0.3, 1.0), decline_model("capability", 2.0, 2.0)):
        for horizon, outcome in ((0.25, 0.0), (0.5, 0.8), (2.0, 1.5), (5.0, 9.0)):
            expected = trapezoid((model.cdf(grid, horizon) - (grid >= outcome)) ** 2, grid)
            assert score(model, horizon, outcome).crps == pytest.approx(expected, rel=2e-3, abs=2e-4)


def test_crps_of_a_point_forecast_is_its_absolute_error():
    point = score(SteadyRule(0.5), 2.0, 1.7)
    assert point.crps == pytest.approx(0.7) and point.bias == pytest.approx(0.7) and point.width == 0
    assert point.pit == 1.0 and point.inside == (False, False, False)
    tied = score(SteadyRule(0.0), 1.0, 0.0)
    assert tied.pit == 0.5 and tied.inside == (True, True, True) and tied.crps == 0.0


def test_outcomes_drawn_from_the_model_are_calibrated():
    model, generator = decline_model("capability", 2.0, 2.0), np.random.default_rng(0)
    scores = [score(model, 1.0, float(outcome)) for outcome in model.paths([1.0], 400, generator)[:, 0]]
    for level, share in zip((0.5, 0.8, 0.95), np.mean([result.inside for result in scores], axis=0), strict=True):
        assert share == pytest.approx(level, abs=0.07)
    assert np.mean([result.pit for result in scores]) == pytest.approx(0.5, abs=0.05)
    # the CRPS is twice the mean pinball loss over all levels; five levels approximate it
    assert 2 * np.mean([result.pinball for result in scores]) == pytest.approx(
        np.mean([result.crps for result in scores]), rel=0.25
    )


def test_origins_contain_only_earlier_points():
    for series in cost_series():
        for origin in origins(series):
            assert origin.seen.dates[-1] <= series.dates[-1] and origin.outcome >= 0
            assert all(age <= origin.age + 1e-9 for age in origin.seen.ages)
            assert origin.age + origin.horizon <= series.span + 1e-9


def test_backtest_accepts_custom_points_and_models():
    points = [{"capability": "mine", "date": f"{2020 + year}-01-01", "cost_usd": 100 / 4**year} for year in range(4)]

    def fourfold(seen, age):
        return SteadyRule(math.log(4.0))

    result = backtest(points, fourfold, horizons=[1.0, 2.0])
    assert result.model == "fourfold" and len(result.scored) == 6 and result.windows() == 3
    assert result.crps() == pytest.approx(0.0, abs=0.01)
    assert backtest(points, "no change").crps("1 years") == pytest.approx(math.log(4.0), rel=0.01)
    assert backtest(points).crps() < backtest(points, "no change").crps()
    assert result.coverage(0.8, "boards") is None


def test_printed_tables_show_coverage_windows_and_skill(tests):
    text, html, markdown = str(tests["default"]), tests["default"]._repr_html_(), tests["default"].to_markdown()
    for shown in (text, html, markdown):
        assert "inside 80" in shown and "windows" in shown and "capabilities" in shown
    assert set(tests) == set(MODELS)
    table = compare_models(models=["default", "no change"])
    assert [row["model"] for row in table.rows()] == ["default", "no change"]
    assert table.rows()[0]["skill"] == pytest.approx(0.72, abs=0.01)
    assert "7 series" in str(table) and "72%" in table.to_markdown() and "7 series" in repr(table)


def test_invalid_arguments_are_rejected(tests):
    with pytest.raises(UnknownNameError, match="did you mean 'aging gamma'"):
        backtest(model="aging gama")
    with pytest.raises(InputError, match="or a function; got 5"):
        backtest(model=5)
    for horizons in ([], [0.0], [math.inf], ["1"]):
        with pytest.raises(InputError, match="horizons must be positive numbers of years"):
            backtest(horizons=horizons)
    with pytest.raises(InputError, match="no series has two points within the horizons"):
        backtest([{"capability": "x", "date": "2024-01-01", "cost_usd": "1"}])
    with pytest.raises(UnknownNameError, match="part of the backtest"):
        tests["default"].crps("bords")
    with pytest.raises(InputError, match="level must be one of"):
        tests["default"].coverage(0.9)
