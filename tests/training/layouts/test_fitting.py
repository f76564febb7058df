"""The probability that a step fits in memory."""

import math

from hypothesis import given
from hypothesis import strategies as st

from costmodel.training.layouts.fitting import LEAST_PROBABILITY, MEMORY_ERROR, fit_probability

GB = st.floats(0.1, 1e4)


def test_a_step_that_needs_the_usable_memory_fits_with_one_half():
    assert fit_probability(80e9, 80e9) == 0.5


def test_a_margin_of_the_memory_error_fits_in_nine_of_ten_cases():
    assert math.isclose(fit_probability(80e9, MEMORY_ERROR * 80e9), 0.9, rel_tol=1e-6)


def test_certain_failure_is_more_than_a_third_too_much():
    assert fit_probability(4 / 3 * 80e9, 80e9) > LEAST_PROBABILITY > fit_probability(1.5 * 80e9, 80e9) > 0


@given(GB, GB, GB)
def test_more_memory_is_never_less_probable_to_fit(needed, usable, more):
    assert fit_probability(needed, usable + more) >= fit_probability(needed, usable)
    assert fit_probability(needed + more, usable) <= fit_probability(needed, usable)
