"""The protocol of the backtest, its known figures, and the targets of the default."""

import math

import numpy as np
import pytest

from costmodel.foundation.errors import InputError, UnknownNameError
from costmodel.projection.backtests.baselines import SteadyRule
from costmodel.projection.backtests.declines import MODELS, backtest, compare_models
from costmodel.projection.backtests.origins import origins
from costmodel.projection.backtests.scoring import score
from costmodel.projection.decline.models import decline_model
from costmodel.projection.decline.series import cost_series


@pytest.fixture(scope="module")
def tests():
    return {one.model: one for one in compare_models().backtests}


def test_pairs_and_windows_of_the_study(tests):
    rows = {row["part"]: row for row in tests["default"].rows()}
    counts = {part: (row["pairs"], row["windows"], row["series"]) for part, row in rows.items()}
    assert counts == {
        "all": (189, 28, 7), "boards": (185, 24, 3), "capabilities": (4, 4, 4), "0.25 years": (70, 24, 3),
        "0.5 years": (61, 11, 3), "1 years": (43, 5, 3), "2 years": (13, 4, 4), "longer": (2, 2, 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "overall", "boards", "capabilities"),
    [
        ("no change", 2.74, 1.86, 3.39), ("constant 2.7x", 1.07, 1.29, 0.91), ("constant rate", 0.787, 1.04, 0.593),
        ("aging gamma", 0.924, 0.765, 1.04), ("equal pool", 0.807, 0.876, 0.755),
    ],
)  # fmt: skip
def test_scores_of_the_study(tests, model, overall, boards, capabilities):
    found = tests[model]
    assert found.crps() == pytest.approx(overall, abs=0.006)
    assert found.crps("boards") == pytest.approx(boards, abs=0.008)
    assert found.crps("capabilities") == pytest.approx(capabilities, abs=0.006)


@pytest.mark.parametrize(
    ("model", "figures", "tolerance"),
    [
        ("no change", (0.314, 0.619, 1.284), 0.001), ("constant 2.7x", (0.384, 0.574, 0.743), 0.001),
        ("log-linear least squares", (1.394, 1.924, 2.504), 0.012), ("aging gamma", (0.237, 0.338, 0.534), 0.005),
        ("random walk with drift", (0.472, 0.843, 1.866), 0.025),
    ],
)  # fmt: skip
def test_boards_with_a_history(tests, model, figures, tolerance):
    found = tests[model].chosen(lambda one: one.seen.kind == "board" and one.age > 0.24 and one.seen.records >= 3)
    rows = {row["part"]: row for row in found.rows()}
    labels = ("0.25 years", "0.5 years", "1 years")
    assert [rows[label]["pairs"] for label in labels] == [53, 44, 26]
    assert [rows[label]["crps"] for label in labels] == pytest.approx(figures, abs=tolerance)


def test_the_default_meets_its_targets(tests):
    found = tests["default"]
    assert found.crps() <= 0.85 and found.crps("boards") <= 0.90 and found.crps("capabilities") <= 0.80
    assert 0.35 <= found.coverage(0.5) <= 0.65
    assert 0.70 <= found.coverage(0.8) <= 0.95
    assert found.coverage(0.95) >= 0.90 and found.coverage(0.95, "boards") >= 0.90
    assert found.mean(lambda one: one.width) <= 5.0
    assert found.crps() <= 0.35 * tests["no change"].crps()
    assert found.crps() <= 0.80 * tests["constant 2.7x"].crps()
    assert all(found.crps() < tests[rule].crps() for rule in ("log-linear least squares", "random walk with drift"))
    assert sum(found.pit()) == pytest.approx(1.0) and max(found.pit()) <= 0.35


@pytest.mark.parametrize("left_out", [one.name for one in cost_series() if one.span > 0])
def test_no_single_series_decides(tests, left_out):
    crps = {name: one.chosen(lambda each: each.seen.name != left_out).crps() for name, one in tests.items()}
    assert crps["default"] < crps["constant 2.7x"] < crps["no change"]
    assert crps["default"] <= 0.90


def test_the_crps_is_the_integral_of_the_squared_difference():
    grid = np.linspace(0, 60, 600_001)
    for model in (decline_model(None), decline_model("board", 0.3, 1.0), decline_model("capability", 2.0, 2.0)):
        for horizon, outcome in ((0.25, 0.0), (0.5, 0.8), (2.0, 1.5), (5.0, 9.0)):
            expected = np.trapezoid((model.cdf(grid, horizon) - (grid >= outcome)) ** 2, grid)
            assert score(model, horizon, outcome).crps == pytest.approx(expected, rel=2e-3, abs=2e-4)


def test_the_score_of_a_point_is_its_error():
    found = score(SteadyRule(0.5), 2.0, 1.7)
    assert found.crps == pytest.approx(0.7) and found.bias == pytest.approx(0.7) and found.width == 0
    assert found.pit == 1.0 and found.inside == (False, False, False)
    tied = score(SteadyRule(0.0), 1.0, 0.0)
    assert tied.pit == 0.5 and tied.inside == (True, True, True) and tied.crps == 0.0


def test_an_honest_model_is_calibrated():
    model, generator = decline_model("capability", 2.0, 2.0), np.random.default_rng(0)
    scores = [score(model, 1.0, float(one)) for one in model.paths([1.0], 400, generator)[:, 0]]
    for level, share in zip((0.5, 0.8, 0.95), np.mean([one.inside for one in scores], axis=0), strict=True):
        assert share == pytest.approx(level, abs=0.07)
    assert np.mean([one.pit for one in scores]) == pytest.approx(0.5, abs=0.05)
    # twice the pinball loss over all levels is the CRPS: five of them come near
    assert 2 * np.mean([one.pinball for one in scores]) == pytest.approx(
        np.mean([one.crps for one in scores]), rel=0.25
    )


def test_origins_know_only_their_past():
    for series in cost_series():
        for one in origins(series):
            assert one.seen.dates[-1] <= series.dates[-1] and one.outcome >= 0
            assert all(age <= one.age + 1e-9 for age in one.seen.ages)
            assert one.age + one.horizon <= series.span + 1e-9


def test_own_points_and_an_own_model():
    points = [{"capability": "mine", "date": f"{2020 + year}-01-01", "cost_usd": 100 / 4**year} for year in range(4)]

    def fourfold(seen, age):
        return SteadyRule(math.log(4.0))

    found = backtest(points, fourfold, horizons=[1.0, 2.0])
    assert found.model == "fourfold" and len(found.scored) == 6 and found.windows() == 3
    assert found.crps() == pytest.approx(0.0, abs=0.01)
    assert backtest(points, "no change").crps("1 years") == pytest.approx(math.log(4.0), rel=0.01)
    assert backtest(points).crps() < backtest(points, "no change").crps()
    assert found.coverage(0.8, "boards") is None


def test_tables(tests):
    text, html, markdown = str(tests["default"]), tests["default"]._repr_html_(), tests["default"].to_markdown()
    for shown in (text, html, markdown):
        assert "inside 80" in shown and "windows" in shown and "capabilities" in shown
    assert set(tests) == set(MODELS)
    table = compare_models(models=["default", "no change"])
    assert [row["model"] for row in table.rows()] == ["default", "no change"]
    assert table.rows()[0]["skill"] == pytest.approx(0.72, abs=0.01)
    assert "7 series" in str(table) and "72%" in table.to_markdown() and repr(table) == str(table)


def test_bad_input(tests):
    with pytest.raises(UnknownNameError, match="did you mean 'aging gamma'"):
        backtest(model="aging gama")
    with pytest.raises(InputError, match="or a function; got 5"):
        backtest(model=5)
    for wrong in ([], [0.0], [math.inf], ["1"]):
        with pytest.raises(InputError, match="horizons must be years above 0"):
            backtest(horizons=wrong)
    with pytest.raises(InputError, match="nothing to predict"):
        backtest([{"capability": "x", "date": "2024-01-01", "cost_usd": "1"}])
    with pytest.raises(UnknownNameError, match="part of the backtest"):
        tests["default"].crps("bords")
    with pytest.raises(InputError, match="coverage is counted at"):
        tests["default"].coverage(0.9)
