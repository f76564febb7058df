"""Shapley values of a product against the mean over all orders."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.comparison.attribution.shapley import shapley_parts

RATIOS = st.lists(st.floats(0.01, 100), min_size=1, max_size=6)


def mean_over_orders(product, ratios):
    """Return the parts by the definition: the mean change over all orders of the factors."""
    parts = np.zeros(len(ratios))
    orders = list(permutations(range(len(ratios))))
    for order in orders:
        value = product
        for factor in order:
            parts[factor] += value * (ratios[factor] - 1)
            value *= ratios[factor]
    return parts / len(orders)


@given(product=st.floats(1, 1e9), ratios=RATIOS)
def test_parts_are_the_mean_over_all_orders(product, ratios):
    parts = shapley_parts(np.array(product), np.array(ratios))
    size = product * max(1.0, *np.cumprod(sorted(ratios, reverse=True)))
    assert parts == pytest.approx(mean_over_orders(product, ratios), rel=1e-9, abs=1e-9 * size)


@given(product=st.floats(1, 1e9), ratios=RATIOS)
def test_parts_add_up_to_the_difference(product, ratios):
    whole = float(np.prod(ratios))
    parts = shapley_parts(np.array(product), np.array(ratios))
    assert parts.sum() == pytest.approx(product * (whole - 1), rel=1e-9, abs=1e-9 * product * max(1, whole))


@given(product=st.floats(1, 1e9), ratios=RATIOS)
def test_swapped_products_give_inverted_signs(product, ratios):
    ratios = np.array(ratios)
    forward = shapley_parts(np.array(product), ratios)
    back = shapley_parts(np.array(product * np.prod(ratios)), 1 / ratios)
    size = product * max(1.0, *np.cumprod(np.sort(ratios)[::-1]))
    assert back == pytest.approx(-forward, rel=1e-9, abs=1e-9 * size)


def test_parts_of_draws_are_those_of_each_draw():
    ratios = np.random.default_rng(0).uniform(0.1, 10, (9, 50))
    products = np.random.default_rng(1).uniform(1, 100, 50)
    together = shapley_parts(products, ratios)
    for draw in range(0, 50, 10):
        assert together[:, draw] == pytest.approx(shapley_parts(products[draw], ratios[:, draw]), rel=1e-12)


def test_a_factor_that_does_not_change_has_no_part():
    assert shapley_parts(np.array(7.0), np.array([1.0, 3.0, 1.0])).tolist() == [0.0, 14.0, 0.0]
