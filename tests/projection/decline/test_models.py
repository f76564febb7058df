"""Distributions of the decline of cost: closed forms, quantiles, paths, default model and fit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gammainc
from scipy.stats import gamma

from costmodel.foundation.errors import InputError
from costmodel.foundation.tables import table
from costmodel.projection.backtests.baselines import BASELINES
from costmodel.projection.decline.models import AgingGamma, Clock, ConstantRate, Pool, constants, decline_model
from costmodel.projection.decline.series import cost_series
from costmodel.refit.decline import fit_all, windows

CLOCK = Clock(2.7, 5.5, 7.5, 0.16, 0.68)
"""The posterior mode of the study, rounded."""
models = st.one_of(
    st.builds(ConstantRate, st.floats(0.1, 3.0), st.floats(0.1, 1.0)),
    st.builds(AgingGamma, st.just(CLOCK), st.floats(0, 10), st.floats(0, 8)),
    st.builds(lambda age, declined: decline_model("capability", age, declined), st.floats(0, 10), st.floats(0, 8)),
)
horizons = st.floats(0.05, 10)


@pytest.mark.parametrize(
    ("age", "declined", "horizon", "decline"),
    [
        (0.0, 0.0, 0.25, 0.4),
        (0.5, 2.0, 1.0, 1.0),
        (2.0, 4.0, 5.0, 3.0),
        (5.4, 4.2, 3.0, 0.5),
    ],
)
def test_aging_gamma_cdf_equals_the_integral_over_the_inverse_scale(age, declined, horizon, decline):
    passed = CLOCK.pace * (CLOCK.at(age + horizon) - CLOCK.at(age))
    posterior = gamma(CLOCK.prior_shape + CLOCK.pace * CLOCK.at(age), scale=1 / (CLOCK.prior_rate + declined))
    expected = quad(lambda beta: gammainc(passed, beta * decline) * posterior.pdf(beta), 0, posterior.ppf(1 - 1e-13))[0]
    assert AgingGamma(CLOCK, age, declined).cdf(decline, horizon) == pytest.approx(expected, rel=1e-6)


def test_clock_equals_its_formula():
    a, q, s = 1.3, 0.16, 0.68
    assert CLOCK.at(a) == pytest.approx(q * a + (1 - q) * s * (1 - math.exp(-a / s)))
    assert CLOCK.at(0.0) == 0.0
    # at the mean rate: about 13x by the early fast phase, and 2.05x per year at high age
    mean = CLOCK.prior_rate / (CLOCK.prior_shape - 1)
    caught_up = CLOCK.at(50.0) - CLOCK.lasting * 50.0
    assert math.exp(CLOCK.pace * caught_up * mean) == pytest.approx(13, rel=0.02)
    assert math.exp(CLOCK.pace * CLOCK.lasting * mean) == pytest.approx(2.05, abs=0.02)


def test_80_percent_interval_of_the_constant_rate():
    rates = constants().constant.quantile(np.array([0.1, 0.5, 0.9]), 1.0)
    assert np.exp(rates) == pytest.approx([1.75, 2.7, 5.9], rel=0.01)


@pytest.mark.parametrize(
    ("age", "declined", "years", "median", "low", "high"),
    [
        (5.405, 4.159, 2.97, 672 / 71, 672 / 420, 672 / 5.4),
        (1.788, 1.988, 2.51, 5.576 / 0.78, 5.576 / 3.7, 5.576 / 0.08),
    ],
)
def test_quantiles_equal_the_examples_of_the_study(age, declined, years, median, low, high):
    quantiles = decline_model("capability", age, declined).quantile(np.array([0.1, 0.5, 0.9]), years)
    assert np.log([low, median, high]) == pytest.approx(quantiles, abs=0.12)


def test_default_model_depends_on_kind_and_age():
    assert isinstance(decline_model("board", 0.5, 1.0), AgingGamma)
    assert isinstance(decline_model("board", 1.0, 1.0), Pool)
    assert isinstance(decline_model("capability", 0.0), Pool)
    assert decline_model(None) == decline_model("capability") == constants().constant
    assert decline_model("board", 0.5, 1.0, without="nobody") == decline_model("board", 0.5, 1.0)
    left_out = next(series.name for series in cost_series() if series.name.startswith("CIFAR"))
    assert decline_model("board", 0.5, 1.0, without=left_out) != decline_model("board", 0.5, 1.0)
    with pytest.raises(InputError) as caught:
        decline_model("bord", -1.0, math.nan)
    assert "'board'" in caught.value.problems[0] and len(caught.value.problems) == 3


def test_larger_past_decline_predicts_larger_decline():
    medians = [decline_model("board", 0.5, declined).quantile(0.5, 1.0) for declined in (0.0, 1.0, 3.0)]
    assert medians == sorted(medians) and medians[2] > 1.3 * medians[0]
    medians = [decline_model("board", age, 3.0).quantile(0.5, 1.0) for age in (0.2, 0.5, 0.9)]
    assert medians == sorted(medians, reverse=True)


@settings(deadline=None, max_examples=40)
@given(models, horizons, st.floats(0.001, 0.999))
def test_cdf_inverts_the_quantile(model, horizon, probability):
    decline = model.quantile(probability, horizon)
    assert math.isfinite(decline) and decline >= 0
    if decline > 1e-280:
        assert model.cdf(decline, horizon) == pytest.approx(probability, abs=1e-7)


@settings(deadline=None, max_examples=40)
@given(models, horizons, horizons, st.floats(0.0, 20.0))
def test_quantiles_increase_with_probability_and_horizon(model, first, second, decline):
    probabilities = np.linspace(0.0, 0.999, 31)
    short, long = min(first, second), max(first, second)
    for horizon in (short, long):
        quantiles = model.quantile(probabilities, horizon)
        assert np.isfinite(quantiles).all() and (np.diff(quantiles) >= 0).all()
    assert (model.quantile(probabilities, long) >= model.quantile(probabilities, short) * (1 - 1e-9)).all()
    assert 0 <= model.cdf(decline, long) <= model.cdf(decline, short) <= 1
    assert model.cdf(-0.1, long) == 0.0 and model.cdf(decline, 0.0) == 1.0


@settings(deadline=None, max_examples=25)
@given(models, st.integers(0, 2**32))
def test_paths_never_decrease_and_depend_on_the_seed(model, seed):
    years = [0.0, 0.5, 1.0, 1.0, 3.0, 6.0]
    paths = model.paths(years, 200, np.random.default_rng(seed))
    assert paths.shape == (200, 6) and np.isfinite(paths).all()
    assert (paths[:, 0] == 0).all() and (np.diff(paths, axis=1) >= 0).all() and (paths[:, 2] == paths[:, 3]).all()
    assert (paths == model.paths(years, 200, np.random.default_rng(seed))).all()


@pytest.mark.parametrize(
    "model",
    [
        decline_model(None),
        decline_model("board", 0.3, 1.5),
        decline_model("capability", 2.0, 2.0),
    ],
)
def test_paths_agree_with_quantiles_and_mean_rate(model):
    years, levels = [0.5, 1.0, 2.0, 5.0], np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    paths = model.paths(years, 200_000, np.random.default_rng(1))
    assert np.quantile(paths, levels, axis=0) == pytest.approx(
        model.quantile(levels[:, None], years), rel=0.03, abs=0.01
    )
    assert paths[:, 1].mean() == pytest.approx(model.mean_rate, rel=0.01)
    # a path keeps its rate, so declines of successive periods are correlated
    assert np.corrcoef(paths[:, 2], paths[:, 3] - paths[:, 2])[0, 1] > 0.2


@pytest.mark.parametrize("name", BASELINES)
def test_baseline_forecasts_are_distributions(name):
    series = next(series for series in cost_series() if series.name.startswith("ImageNet"))
    model = BASELINES[name](series.seen(1.0), 1.0)
    quantiles = model.quantile(np.array([0.0, 0.1, 0.5, 0.9])[:, None], np.array([0.0, 0.25, 1.0, 4.0]))
    assert np.isfinite(quantiles).all() and (quantiles[:, 0] == 0).all() and (np.diff(quantiles, axis=0) >= 0).all()
    assert model.paths([1.0, 2.0], 50, np.random.default_rng(0)).shape == (50, 2)
    assert math.isfinite(model.mean_rate) and model.mean_rate >= 0
    assert model.cdf(1e9, 1.0) == pytest.approx(1.0, abs=1e-9)


def test_scalars_and_arrays_give_the_same_values():
    model = decline_model("capability", 2.0, 2.0)
    quantiles = model.quantile(np.array([0.2, 0.8])[:, None], np.array([0.5, 3.0]))
    assert isinstance(model.quantile(0.2, 3.0), float) and isinstance(model.cdf(0.2, 3.0), float)
    assert quantiles[0, 1] == model.quantile(0.2, 3.0) == model.quantile(np.array(0.2), 3)
    assert model.cdf(quantiles, np.array([0.5, 3.0])) == pytest.approx(np.array([[0.2, 0.2], [0.8, 0.8]]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.quantile(1.0, 1.0), "probability must be at least 0 and below 1"),
        (lambda model: model.quantile(0.5, -1.0), "horizon must be finite and at least 0"),
        (lambda model: model.cdf(math.inf, 1.0), "decline must be finite"),
        (lambda model: model.cdf("much", 1.0), "decline must be a number"),
        (lambda model: model.paths([2.0, 1.0], 3, np.random.default_rng(0)), "horizons must be ascending"),
    ],
)
def test_invalid_numbers_are_rejected(call, message):
    with pytest.raises(InputError, match=message):
        call(decline_model("board", 0.5, 1.0))


def test_shipped_constants_equal_the_fit():
    clock, folds = fit_all(cost_series())
    assert constants().clock == pytest.approx(clock, rel=2e-3)
    assert set(folds) == {row["series"] for row in table("fitted/folds/decline").rows} and len(folds) == 7
    for name, fold in folds.items():
        assert constants(name).clock == pytest.approx(fold, rel=2e-3)


def test_fit_agrees_with_the_study():
    assert constants().clock == pytest.approx(CLOCK, rel=0.06)
    ranges = {
        "pace": (2.2, 5.2),
        "prior_shape": (5.0, 6.6),
        "prior_rate": (5.0, 7.9),
        "lasting": (0.14, 0.24),
        "aging": (0.54, 0.82),
    }
    for row in table("fitted/folds/decline").rows:
        for name, (low, high) in ranges.items():
            assert low <= float(row[name]) <= high, (row["series"], name)


def test_windows_of_the_fit_add_up_to_the_series():
    for series in cost_series():
        listed = windows(series)
        assert sum(window.decline for window in listed) == pytest.approx(series.declined(series.span))
        assert sum(window.horizon for window in listed) == pytest.approx(series.span)


@pytest.mark.parametrize(("age", "model"), [(0.9, AgingGamma), (1.0, Pool), (1.2, Pool)])
def test_leaderboard_series_younger_than_a_year_has_no_constant_rate(age, model):
    assert type(decline_model("board", age, 1.0)) is model
    assert type(decline_model("capability", age, 1.0)) is Pool
