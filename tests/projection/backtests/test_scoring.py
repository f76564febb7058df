"""Scores of one prediction, computed by hand for a uniform distribution, and the tasks that are scored."""

import datetime as dt

import numpy as np
import pytest

from costmodel.projection.backtests.baselines import BASELINES, DecayingDrift, SteadyRule
from costmodel.projection.backtests.origins import origins
from costmodel.projection.backtests.scoring import score
from costmodel.projection.decline.models import Decline
from costmodel.projection.decline.series import Series


class Uniform(Decline):
    """Decline between 0 and the horizon, all values equally likely."""

    def _cdf(self, decline, horizon):
        return np.clip(decline / horizon, 0.0, 1.0)

    def _quantile(self, probability, horizon):
        return probability * horizon


def series(days, costs, kind="board"):
    dates = tuple(dt.date(2020, 1, 1) + dt.timedelta(days=day) for day in days)
    return Series("a thing", kind, dates, tuple(costs))


@pytest.mark.parametrize("outcome", [0.1, 0.3, 0.5])
def test_crps_of_a_uniform_distribution(outcome):
    """The integral of (F - 1[x >= y])^2 is y^3 / 3 + (1 - y)^3 / 3."""
    assert score(Uniform(), 1.0, outcome).crps == pytest.approx(outcome**3 / 3 + (1 - outcome) ** 3 / 3, abs=1e-6)


def test_pinball_loss_of_the_quantiles_of_10_25_50_75_and_90_percent():
    """Outcome 0.3: 0.1 x 0.2, 0.25 x 0.05, 0.5 x 0.2, 0.25 x 0.45 and 0.1 x 0.6."""
    scores = score(Uniform(), 1.0, 0.3)
    assert scores.pinball == pytest.approx((0.02 + 0.0125 + 0.1 + 0.1125 + 0.06) / 5)
    assert scores.bias == pytest.approx(0.3 - 0.5)
    assert scores.pit == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("outcome", "inside"),
    [
        # the intervals are 0.25 to 0.75, 0.1 to 0.9, and 0.025 to 0.975; 0.02 more on both sides counts as inside
        (0.232, (True, True, True)),
        (0.228, (False, True, True)),
        (0.082, (False, True, True)),
        (0.078, (False, False, True)),
        (0.0055, (False, False, True)),
        (0.0045, (False, False, False)),
    ],
)
def test_intervals_hold_50_80_and_95_percent_and_costs_within_2_percent_are_equal(outcome, inside):
    scores = score(Uniform(), 1.0, outcome)
    assert scores.inside == inside
    assert scores.width == pytest.approx(0.8)


def test_leaderboard_series_is_scored_every_month_over_four_horizons():
    tasks = origins(series([0, 366, 1096], [8.0, 4.0, 1.0]))
    by_horizon = {
        years: [round(task.age * 12, 6) for task in tasks if task.horizon == years] for years in (0.25, 0.5, 1, 2)
    }
    assert {years: len(ages) for years, ages in by_horizon.items()} == {0.25: 34, 0.5: 31, 1: 25, 2: 13}
    assert by_horizon[2] == list(range(13))


# Baselines


def test_drift_of_a_decaying_baseline_has_halved_after_half_a_year():
    """The drift is proportional to 1 / (age + 0.5 years): ln(1 + age / 0.5) in total."""
    forecast = DecayingDrift(age=1.0, declined=np.log(3.0))
    assert forecast.quantile(0.5, 1.5) == pytest.approx(np.log(2.0))


@pytest.mark.parametrize(("days", "fitted"), [((0, 30, 60, 92), True), ((0, 30, 60, 90), False), ((0, 92), False)])
def test_trend_is_fitted_to_three_records_over_a_quarter_of_a_year(days, fitted):
    """91.3 days are a quarter of a year."""
    seen = series(days, [8.0, 4.0, 2.0, 1.0][: len(days)])
    forecast = BASELINES["log-linear least squares"](seen, seen.span)
    assert isinstance(forecast, SteadyRule) is not fitted


def test_three_records_are_enough_for_a_trend():
    seen = series((0, 60, 120), [4.0, 2.0, 1.0])
    assert not isinstance(BASELINES["log-linear least squares"](seen, seen.span), SteadyRule)
