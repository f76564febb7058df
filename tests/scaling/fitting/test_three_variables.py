"""Fits with number of experts and with unique tokens: published coefficients, recovery, and invalid runs."""

import numpy as np
import pytest

import costmodel as cm
from costmodel.foundation.tables import read_csv
from costmodel.scaling.fitting.three_variables import fit_experts, fit_repeated
from costmodel.scaling.laws.data_constrained import MuennighoffLaw
from costmodel.scaling.laws.experts import ClarkLaw
from costmodel.scaling.laws.hoffmann import HoffmannLaw

N, E = (each.ravel() for each in np.meshgrid(np.geomspace(1e7, 1e9, 5), [1, 4, 16, 64, 256]))
SIZES, EPOCHS = (each.ravel() for each in np.meshgrid(np.geomspace(1e8, 1e10, 6), [1, 1, 2, 4, 8, 20, 50]))
UNIQUE = 2e9 * (1 + np.arange(len(SIZES)) % 4)
BASE = HoffmannLaw(E=1.9, A=450, B=5400, alpha=0.34, beta=0.39)


def test_fit_experts_recovers_the_law_from_exact_losses():
    truth = ClarkLaw(-0.082, -0.108, 0.009, 1.104, 1.847, 314.478)
    fit = fit_experts(N, E, truth.loss(N, E), 1.847, 314.478)
    assert (fit.law.a, fit.law.b, fit.law.c, fit.law.d) == pytest.approx((-0.082, -0.108, 0.009, 1.104), rel=1e-6)
    assert max(fit.standard_errors.values()) < 1e-6


def test_fit_repeated_recovers_the_law_from_exact_losses():
    truth = MuennighoffLaw(BASE.E, BASE.A, BASE.B, BASE.alpha, BASE.beta, 12.0, 4.0)
    loss = truth.loss(SIZES, UNIQUE * EPOCHS, unique_tokens=UNIQUE)
    fit = fit_repeated(SIZES, UNIQUE * EPOCHS, loss, UNIQUE, BASE)
    assert (fit.law.repeated_tokens, fit.law.excess_parameters) == pytest.approx((12.0, 4.0), rel=1e-3)
    assert np.abs(fit.residuals).max() < 1e-4


def test_repeated_tokens_of_published_runs_lose_their_value_within_tens_of_epochs(shared):
    """Muennighoff et al. 2023: 15.4 epochs; on other runs, and with a law of their own, of that size."""
    rows = read_csv(shared / "measurements" / "scaling" / "datablations_runs.csv").rows
    n, d, unique, loss = (np.array([float(row[name]) for row in rows]) for name in
                          ("n_params", "n_tokens", "n_unique_tokens", "loss"))  # fmt: skip
    fit = fit_repeated(n, d, loss, unique)
    assert 3 < fit.law.repeated_tokens < 60


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unique_tokens": UNIQUE * EPOCHS}, "no run repeats its tokens"),
        ({"unique_tokens": -UNIQUE}, "unique_tokens must be above 0"),
        ({"unique_tokens": UNIQUE[:3]}, "one for each run"),
        ({"loss": -np.ones_like(SIZES)}, "loss must be above 0"),
        ({"tokens": UNIQUE * (EPOCHS + 1)}, "at least 8 runs that repeat no token"),
    ],
)
def test_runs_without_enough_variation_are_refused(change, message):
    runs = {"parameters": SIZES, "tokens": UNIQUE * EPOCHS, "loss": np.full_like(SIZES, 2.0), "unique_tokens": UNIQUE}
    with pytest.raises(cm.InputError, match=message):
        fit_repeated(**{**runs, **change})


def test_one_number_of_experts_is_not_enough_for_a_fit():
    with pytest.raises(cm.InputError, match="at least two"):
        fit_experts(N, np.full_like(N, 8), np.full_like(N, 2.0), 1.8, 300)
