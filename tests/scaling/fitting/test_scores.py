"""Fits of downstream scores: recovery of known sigmoids, coverage of intervals, and invalid data."""

import numpy as np
import pytest

import costmodel as cm
from costmodel.scaling.fitting.fit import fit_scaling_law
from costmodel.scaling.fitting.scores import fit_score
from costmodel.scaling.laws.downstream import SigmoidScore
from costmodel.scaling.laws.hoffmann import HoffmannLaw

LAW = HoffmannLaw(E=1.8, A=480, B=2100, alpha=0.35, beta=0.37)
TRUTH = SigmoidScore(0.25, 0.9, -7.0, 2.3)
N, D = (each.ravel() for each in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(1e9, 1e12, 6)))


def test_fit_recovers_the_sigmoid_from_exact_scores():
    fit = fit_score(LAW.loss(N, D), TRUTH.score(LAW.loss(N, D)))
    found = fit.sigmoid
    assert (found.floor, found.ceiling, found.slope, found.middle) == pytest.approx((0.25, 0.9, -7.0, 2.3), rel=1e-2)
    assert np.abs(fit.residuals).max() < 1e-4


def test_interval_covers_the_scores_of_larger_models():
    rng = np.random.default_rng(1)
    loss = LAW.loss(N, D) * np.exp(rng.normal(0, 0.004, len(N)))
    score = TRUTH.score(loss) + rng.normal(0, 0.01, len(N))
    fit, scores = fit_scaling_law(N, D, loss, bootstrap=100), fit_score(loss, score, floor=0.25)
    for parameters, tokens in ((3e10, 2e12), (1e11, 5e12)):
        value, low, high = scores.predict(fit, parameters, tokens)
        assert low < TRUTH.score(LAW.loss(parameters, tokens)) < high
        assert 0.25 <= low < value < high <= max(scores.sigmoid.ceiling, value)
    assert scores.predict(fit, 1e9, 1e10)[0] < scores.predict(fit, 1e10, 1e11)[0]


@pytest.mark.parametrize(
    ("loss", "score", "message"),
    [
        ([2.0, 2.1], [0.3, 0.2], "5 or more"),
        ([2.0] * 6, [0.3] * 6, "must have different values"),
        ([2.0, 2.1, np.nan, 2.3, 2.4], [0.3] * 5, "must be finite"),
        ([2.0, 2.1, 2.2, 2.3, 2.4], [0.3] * 4, "one length"),
    ],
)
def test_invalid_scores_raise_input_error(loss, score, message):
    with pytest.raises(cm.InputError, match=message):
        fit_score(loss, score)
