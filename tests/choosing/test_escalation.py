"""Shares of tasks in a cascade: cases by hand, limits and order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.choosing.escalation import Rates, affine_root, false_positive_rate, flow, lowest_precision

share = st.floats(0.0, 1.0)
inner = st.floats(0.02, 0.98)


def test_two_independent_levels_by_hand():
    """Of 100 tasks 70 are right and 30 wrong; 7 right and 24 wrong are escalated, of which the second solves 90 %."""
    result = flow([0.7, 0.9], [Rates(0.8, 0.1)], 0.0)
    assert result.reached[1] == pytest.approx(0.07 + 0.24)
    assert result.right[1] == pytest.approx(0.9 * 0.31)
    assert result.solved == pytest.approx(0.63 + 0.9 * 0.31)


def test_two_nested_levels_by_hand():
    """The second model solves the 70 of the first and 20 of the 30 others; 7 and 80 % of the 20 come back right."""
    result = flow([0.7, 0.9], [Rates(0.8, 0.1)], 1.0)
    assert result.reached[1] == pytest.approx(0.31)
    assert result.solved == pytest.approx(0.63 + 0.07 + 0.8 * 0.2)


def test_three_nested_levels_by_hand():
    """Solved by all 0.5, by the last two 0.2, by the last 0.1, by none 0.2; both detectors find half, in vain none."""
    result = flow([0.5, 0.7, 0.8], [Rates(0.5, 0.0), Rates(0.5, 0.0)], 1.0)
    assert result.reached[1:] == (pytest.approx(0.25), pytest.approx(0.5 * 0.5 * 0.3))
    assert result.solved == pytest.approx(0.5 + 0.5 * 0.2 + 0.5 * 0.5 * 0.1)


def test_correlation_mixes_independent_and_nested_failures():
    apart, nested, mixed = (flow([0.6, 0.8], [Rates(0.7, 0.2)], weight) for weight in (0.0, 1.0, 0.25))
    assert mixed.solved == pytest.approx(0.75 * apart.solved + 0.25 * nested.solved)
    assert mixed.reached[1] == pytest.approx(0.75 * apart.reached[1] + 0.25 * nested.reached[1])


@given(chances=st.lists(share, min_size=2, max_size=4), weight=share)
def test_perfect_detectors_solve_no_fewer_than_any_model_alone(chances, weight):
    result = flow(chances, [Rates(1.0, 0.0)] * (len(chances) - 1), weight)
    assert result.solved >= max(chances) - 1e-9


@given(chances=st.lists(share, min_size=2, max_size=4), rate=share, false=share, weight=share)
def test_shares_are_in_order_and_reach_falls_by_level(chances, rate, false, weight):
    result = flow(chances, [Rates(rate, false)] * (len(chances) - 1), weight)
    assert result.reached[0] == pytest.approx(1)
    assert all(later <= earlier + 1e-9 for earlier, later in zip(result.reached, result.reached[1:], strict=False))
    assert all(-1e-9 <= right <= reached + 1e-9 for right, reached in zip(result.right, result.reached, strict=True))
    assert result.right[0] == pytest.approx(chances[0])


@given(first=share, last=share, weight=share)
def test_extreme_detectors_leave_one_model_alone(first, last, weight):
    assert flow([first, last], [Rates(0.0, 0.0)], weight).solved == pytest.approx(first)
    assert flow([first, last], [Rates(1.0, 1.0)], weight).solved == pytest.approx(last)


@given(first=inner, last=inner, weight=st.floats(0, 1), more=st.floats(0, 1))
def test_correlated_failures_solve_no_more_with_a_perfect_detector(first, last, weight, more):
    low, high = sorted((weight, more))
    detector = [Rates(1.0, 0.0)]
    assert flow([first, last], detector, high).solved <= flow([first, last], detector, low).solved + 1e-12


def test_flow_agrees_with_simulated_tasks():
    """Tasks drawn one by one: a quarter with nested failures, the rest with independent ones."""
    generator, count = np.random.default_rng(1), 200_000
    success, rates = (0.55, 0.7, 0.85), ((0.8, 0.1), (0.6, 0.2))
    nested = generator.random(count) < 0.25
    difficulty = generator.random(count)
    reached, solved, shares = np.ones(count, bool), np.zeros(count, bool), []
    for level, chance in enumerate(success):
        right = np.where(nested, difficulty, generator.random(count)) < chance
        recall, false = rates[level] if level < 2 else (0.0, 0.0)
        escalated = generator.random(count) < np.where(right, false, recall)
        shares.append(reached.mean())
        solved |= reached & right & ~escalated
        reached &= escalated
    result = flow(success, [Rates(*each) for each in rates], 0.25)
    assert [float(each) for each in result.reached] == pytest.approx(shares, abs=0.005)
    assert float(result.solved) == pytest.approx(solved.mean(), abs=0.005)


@given(recall=st.floats(0.05, 1), right=inner)
def test_lowest_precision_escalates_every_right_answer(recall, right):
    assert false_positive_rate(recall, lowest_precision(recall, right), right) == pytest.approx(1)


def test_root_of_an_affine_function():
    assert affine_root(-1.0, 3.0) == pytest.approx(0.25)
    assert np.isnan(affine_root(2.0, 2.0))
