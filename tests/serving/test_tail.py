"""The longest of a batch: against draws, and at its ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.foundation.errors import InputError
from costmodel.serving.tail import tail_factor


def lengths(variation, shape):
    sigma = np.sqrt(np.log1p(variation**2))
    return np.random.default_rng(0).lognormal(-(sigma**2) / 2, sigma, shape)


@pytest.mark.parametrize("variation", [0.3, 1.0])
@pytest.mark.parametrize("sequences", [2, 64, 512])
def test_the_mean_of_the_maximum(variation, sequences):
    drawn = lengths(variation, (20_000, sequences)).max(axis=1).mean()
    assert tail_factor(variation, sequences) == pytest.approx(drawn, rel=0.02)


def test_two_of_unit_normal_logarithm():
    """The mean maximum of two lognormal lengths over their mean is 2 Φ(σ/√2); σ = 1: 1.5205."""
    assert tail_factor(np.sqrt(np.e - 1).item(), 2) == pytest.approx(1.5205, abs=1e-4)


def test_refilled_slots_against_draws():
    """Each slot takes the next sequence as soon as it is free: 512 sequences on 64 slots."""
    drawn = lengths(0.6, (200, 512))
    times = []
    for row in drawn:
        free = np.zeros(64)
        for length in row:
            free[free.argmin()] += length
        times.append(free.max() / (512 / 64))
    assert tail_factor(0.6, 512, slots=64) == pytest.approx(np.mean(times), rel=0.15)
    assert tail_factor(0.6, 512, slots=64, refilled=False) == tail_factor(0.6, 64)


@given(st.floats(0, 3), st.integers(1, 5000), st.integers(1, 5000))
def test_more_spread_sequences_wait_longer_and_refilling_helps(variation, sequences, slots):
    alone = tail_factor(variation, sequences)
    assert alone >= 1 - 1e-6
    assert tail_factor(variation + 0.5, sequences) >= alone - 1e-9
    refilled = tail_factor(variation, sequences, slots)
    assert refilled <= tail_factor(variation, sequences, slots, refilled=False) + 1e-9


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(InputError) as caught:
        tail_factor(-1.0, 0, slots=float("inf"))
    assert len(caught.value.problems) == 3
