"""Fits with priors, folds and spreads: recovered constants, transforms, and the rows of tables."""

import numpy as np
import pytest

from costmodel.foundation.fitted import (
    Prior,
    constant_rows,
    fit_least_squares,
    fit_posterior_mode,
    leave_one_group_out,
    read_constants,
    read_priors,
    soft_l1,
    spread_of,
)
from costmodel.foundation.tables import table

X = np.linspace(1, 3, 200)
PRIORS = {"slope": Prior(1.0, 2.0, "1", "a guess"), "fixed": Prior(2.0, 0.0, "1", "known")}


def test_soft_l1_is_quadratic_below_one_and_linear_beyond():
    assert soft_l1(np.array([0.01, -0.01])) == pytest.approx([0.01, -0.01], rel=1e-3)
    assert soft_l1(np.array([1e4]))[0] ** 2 == pytest.approx(2e4, rel=1e-3)


def test_least_squares_recovers_a_constant_and_keeps_fixed_ones():
    values = fit_least_squares(lambda v: np.log(v["slope"] * v["fixed"] / 6.0) * X / 0.01, PRIORS)
    assert values == pytest.approx({"slope": 3.0, "fixed": 2.0}, rel=1e-4)


def test_constants_without_data_stay_at_their_priors():
    values = fit_least_squares(lambda v: np.zeros(1), PRIORS)
    assert values == pytest.approx({"slope": 1.0, "fixed": 2.0})


def test_posterior_mode_on_three_scales():
    priors = {
        "share": Prior(0.5, 5.0, "1", "", "logit"),
        "shift": Prior(0.0, 5.0, "1", "", "linear"),
        "rate": Prior(1.0, 5.0, "1", ""),
    }
    truth = {"share": 0.8, "shift": -0.3, "rate": 2.5}

    def log_likelihood(values):
        return -1e6 * sum((values[name] - truth[name]) ** 2 for name in truth)

    mode = fit_posterior_mode(log_likelihood, priors, xatol=1e-7, fatol=1e-9, iterations=4000)
    assert mode == pytest.approx(truth, rel=1e-3)


def test_a_group_is_predicted_by_the_fit_without_it():
    values, groups = np.array([1.0, 1.0, 4.0, 7.0]), ["a", "a", "b", "c"]
    folds, left_out = leave_one_group_out(groups, lambda rows: values[rows].mean(), lambda mean: values - mean)
    assert folds == {"a": 5.5, "b": 3.0, "c": 2.0}
    assert left_out.tolist() == [-4.5, -4.5, 1.0, 5.0]
    _, only_b = leave_one_group_out(groups, lambda rows: values[rows].mean(), lambda mean: values - mean, ["b"])
    assert np.isnan(only_b).tolist() == [True, True, False, True]


def test_spread_of_a_normal_sample_is_its_standard_deviation():
    sample = np.random.default_rng(0).normal(0, 0.3, 100_000)
    assert spread_of(sample) == pytest.approx(0.3, rel=0.02)
    assert spread_of(sample, np.ones(len(sample))) == pytest.approx(0.3, rel=0.02)


def test_rows_are_read_back_as_constants():
    rows = constant_rows({"slope": 3.0, "fixed": 2.0}, PRIORS, "fitted by costmodel refit x on data/y.csv")
    assert [row["kind"] for row in rows] == ["fitted", "fixed"]
    assert rows[0]["source"] == "fitted by costmodel refit x on data/y.csv; prior: a guess"
    assert read_constants(rows)["value"] == {"slope": 3.0, "fixed": 2.0}


@pytest.mark.parametrize(
    ("fit", "fitted"),
    [
        ("step_times", "efficiency"),
        ("finetunes", "finetune_efficiency"),
        ("memory", "memory"),
        ("serving", "serving"),
        ("decline", "decline"),
    ],
)
def test_fitted_tables_state_the_priors_of_their_fit(fit, fitted):
    """A prior that changes needs a refit."""
    stated = {
        row["name"]: (row["prior"], row["prior_spread"]) for row in table(f"fitted/{fitted}").rows if row["prior"]
    }
    priors = {name: (f"{prior.value:g}", f"{prior.spread:g}") for name, prior in read_priors(fit).items()}
    assert stated == priors
