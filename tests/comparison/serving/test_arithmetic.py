"""Reserved replicas against a bill by the request: golden cases, and properties of the break-even."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.comparison.serving.arithmetic import Reserved
from costmodel.comparison.serving.workload import HOURS_PER_MONTH, SECONDS_PER_MONTH

# llama-3.1-8b in bf16 at the roofline of one H100 with 64 sequences of 1000 + 1000 tokens: 6,938 tokens/s at most;
# 2.50 USD per GPU-hour, peak 2 × mean, allowed load 0.8, an API at 0.20 USD per million tokens
H100 = Reserved(2.5 * HOURS_PER_MONTH, 6.938 * 0.8 / 2 * SECONDS_PER_MONTH)
API = 4e-4

positive = st.floats(1e-3, 1e3)


def test_golden_break_even_of_one_h100():
    assert H100.break_even(API) / SECONDS_PER_MONTH == pytest.approx(2.5 / 3600 / API)
    assert H100.break_even(API) / SECONDS_PER_MONTH == pytest.approx(1.736, abs=5e-4)
    assert H100.requests_per_replica / SECONDS_PER_MONTH == pytest.approx(2.775, abs=5e-4)
    assert H100.break_even(API) < H100.requests_per_replica  # feasible


def test_golden_cost_of_a_reserved_request_is_two_and_a_half_times_that_at_full_load():
    full_load = 2.5 / (3600 * 6.938)
    assert full_load == pytest.approx(1.001e-4, rel=1e-3)
    requests = H100.requests_per_replica
    assert H100.cost(requests) / requests == pytest.approx(2.5 * full_load)


def test_the_break_even_needs_a_bill_above_the_price_at_the_allowed_load():
    price = 2.5 * 2 / (3600 * 0.8 * 6.938)  # n p rho / (3600 u mu)
    assert math.isinf(H100.break_even(0.999 * price))
    assert H100.break_even(1.001 * price) < H100.requests_per_replica
    assert math.isinf(H100.always_below(0.999 * price)) and math.isinf(H100.break_even(0.0))


@given(positive, positive, st.floats(0, 1e3), st.integers(0, 3), positive)
def test_costs_are_equal_at_the_break_even_and_higher_below_it(price, served, fixed, spare, bill):
    reserved = Reserved(price, served, fixed, spare)
    volume = float(reserved.break_even(bill))
    if math.isinf(volume) or volume > 1e6 * served:
        return
    assert reserved.cost(volume) == pytest.approx(bill * volume, rel=1e-6)
    below = volume * np.linspace(1e-3, 1 - 1e-6, 500)
    assert np.all(reserved.cost(below) >= bill * below * (1 - 1e-6))


@given(positive, positive, st.floats(0, 1e3), st.integers(0, 3), positive)
def test_replicas_never_cost_more_beyond_the_last_crossing(price, served, fixed, spare, bill):
    reserved = Reserved(price, served, fixed, spare)
    volume = float(reserved.always_below(bill))
    if math.isinf(volume) or volume > 1e6 * served:
        return
    assert volume >= reserved.break_even(bill) * (1 - 1e-9)
    beyond = volume + served * np.linspace(0, 5, 500)
    assert np.all(reserved.cost(beyond) <= bill * beyond * (1 + 1e-6))


def test_whole_replicas_are_reserved():
    reserved = Reserved(10.0, 100.0, fixed=3.0, spare=1)
    assert reserved.replicas(np.array([1, 100, 101, 250])).tolist() == [2, 2, 3, 4]
    assert reserved.cost(np.array([1, 100, 101, 250])).tolist() == [23, 23, 33, 43]
