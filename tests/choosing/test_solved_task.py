"""Attempts until an answer is accepted: closed forms, simulation, and monotonicity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.choosing.solved_task import moment, outcome

shares = st.floats(0.0, 1.0)
attempts = st.integers(1, 8)


def simulated(rate, count, correlation, recall, false_acceptance, tasks=400_000):
    """Attempts, solved, wrong and not accepted, task by task."""
    generator = np.random.default_rng(0)
    if correlation:
        scale = (1 - correlation) / correlation
        chance = generator.beta(rate * scale, (1 - rate) * scale, tasks)
    else:
        chance = np.full(tasks, rate)
    tried, solved, wrong, open_ones = np.zeros(4)
    alive = np.ones(tasks, dtype=bool)
    for _ in range(count):
        tried += alive.sum()
        right = generator.random(tasks) < chance
        accepted = alive & (generator.random(tasks) < np.where(right, recall, false_acceptance))
        solved += (accepted & right).sum()
        wrong += (accepted & ~right).sum()
        alive &= ~accepted
    open_ones = alive.sum()
    return np.array([tried, solved, wrong, open_ones]) / tasks


@pytest.mark.parametrize(
    "case", [(0.4, 4, 0.3, 0.9, 0.2), (0.7, 3, 0.0, 1.0, 0.0), (0.2, 6, 0.8, 0.7, 0.05), (0.5, 1, 0.5, 0.9, 0.3)]
)
def test_outcome_equals_simulation(case):
    rate, count, correlation, recall, false_acceptance = case
    found = outcome(rate, count, correlation=correlation, recall=recall, false_acceptance=false_acceptance)
    assert np.allclose(found, simulated(*case), atol=0.005)


@given(rate=shares, count=attempts, correlation=shares, recall=st.floats(0.01, 1.0), accepted=shares)
def test_shares_add_up_to_one(rate, count, correlation, recall, accepted):
    found = outcome(rate, count, correlation=correlation, recall=recall, false_acceptance=accepted)
    assert found.solved + found.wrong + found.not_accepted == pytest.approx(1.0)
    assert 1 - 1e-9 <= found.attempts <= count + 1e-9
    assert min(found) >= -1e-9


@given(rate=st.floats(0.01, 1.0), count=attempts)
def test_independent_attempts_with_a_perfect_verifier(rate, count):
    found = outcome(rate, count)
    assert found.solved == pytest.approx(1 - (1 - rate) ** count)
    assert found.attempts == pytest.approx((1 - (1 - rate) ** count) / rate)
    assert found.attempts / found.solved == pytest.approx(1 / rate)


@given(rate=shares, count=attempts)
def test_fully_correlated_attempts_solve_no_more_than_one(rate, count):
    found = outcome(rate, count, correlation=1.0)
    assert found.solved == pytest.approx(rate)
    assert found.attempts == pytest.approx(rate + count * (1 - rate))


@given(rates=st.tuples(shares, shares), count=attempts, correlation=shares)
def test_solved_rises_with_the_success_rate_and_attempts_fall(rates, count, correlation):
    low, high = sorted(rates)
    less, more = (outcome(rate, count, correlation=correlation) for rate in (low, high))
    assert more.solved >= less.solved - 1e-9
    assert more.attempts <= less.attempts + 1e-9


@given(rate=shares, count=st.integers(1, 7), correlations=st.tuples(shares, shares))
def test_correlation_lowers_what_retries_solve(rate, count, correlations):
    low, high = sorted(correlations)
    assert outcome(rate, count, correlation=high).solved <= outcome(rate, count, correlation=low).solved + 1e-9


@given(rate=shares, correlation=shares, solved=st.integers(0, 4), failed=st.integers(0, 4))
def test_moments_split_by_the_next_attempt(rate, correlation, solved, failed):
    whole = moment(rate, correlation, solved, failed)
    parts = moment(rate, correlation, solved + 1, failed) + moment(rate, correlation, solved, failed + 1)
    assert parts == pytest.approx(whole, abs=1e-12)


def test_array_equals_scalars():
    rates = np.array([0.0, 0.3, 1.0])
    arrays = outcome(rates, 3, correlation=0.2, recall=0.9, false_acceptance=0.1)
    for place, rate in enumerate(rates):
        each = outcome(rate, 3, correlation=0.2, recall=0.9, false_acceptance=0.1)
        assert np.allclose([values[place] for values in arrays], each)
