"""Functions of floats and arrays beside those of numpy."""

import math

import numpy as np
import pytest

from costmodel.foundation.arrays import quantiles

PROBABILITIES = [0.0, 0.1, 1 / 3, 0.5, 0.9, 0.999, 1.0]


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11, 101, 20_000])
def test_quantiles_are_those_of_numpy(count):
    values = np.exp(3 * np.random.default_rng(count).normal(size=count))
    assert quantiles(values, PROBABILITIES) == pytest.approx(list(np.quantile(values, PROBABILITIES)), rel=1e-15)


def test_quantiles_of_repeated_and_infinite_values():
    assert quantiles(np.array([2.0, 2.0, 1.0, 2.0]), [0.0, 0.5, 1.0]) == [1.0, 2.0, 2.0]
    assert quantiles(np.array([math.inf, 1.0, 2.0]), [0.0, 0.5, 1.0]) == [1.0, 2.0, math.inf]


def test_a_nan_makes_every_quantile_nan():
    assert np.isnan(quantiles(np.array([1.0, math.nan, 2.0]), [0.0, 0.9])).all()
