"""Fields: accepted and refused numbers."""

import datetime as dt
import math

import numpy as np
import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.errors import InputError
from costmodel.foundation.fields import LEAST, Measure
from costmodel.foundation.ranges import beta, between, draws, samples, triangular

SHARE = Measure("1", 0.0, 1.0, open_low=True)
WATTS = Measure("W", 0.0, 1e9, open_low=True)
PUE = Measure("1", 1.0, 100.0)
FREE = Measure("1")
PLAIN = Measure("GB", 0.0, 1e9, open_low=True, uncertain=False)


@pytest.mark.parametrize(
    ("measure", "value", "expected"),
    [
        (SHARE, 1, 1.0), (SHARE, "35 %", 0.35), (PUE, 1, 1.0), (PUE, 100, 100.0), (WATTS, "0.7 kW", 700.0),
        (WATTS, 700, 700.0), (FREE, -3, -3.0), (PLAIN, "80 GB", 80.0), (WATTS, 1e9, 1e9),
    ],
)  # fmt: skip
def test_numbers_inside_the_bounds(measure, value, expected):
    assert measure.validate(value) == expected


@pytest.mark.parametrize(
    ("measure", "value", "allowed"),
    [
        (SHARE, 0, "above 0 and at most 1"),
        (SHARE, 1.0000001, "above 0 and at most 1"),
        (SHARE, "120 %", "above 0 and at most 1"),
        (PUE, 0.99, "at least 1 and at most 100"),
        (PUE, 101, "at least 1 and at most 100"),
        (WATTS, -5, "a number in W above 0"),
        (WATTS, "1e10 W", "a number in W above 0 and at most 1e+09"),
        (PLAIN, 0, "a number in GB above 0"),
        (Measure("1", 0, 1, open_high=True), 1, "at least 0 and below 1"),
    ],
)
def test_numbers_outside_the_bounds(measure, value, allowed):
    with pytest.raises(InputError) as raised:
        measure.validate(value)
    assert allowed in str(raised.value) and f"got {value!r}" in str(raised.value)


@settings(max_examples=50, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_is_kept_unchanged_or_refused(number):
    if LEAST <= number <= 1:
        assert SHARE.validate(number) == number
    else:
        with pytest.raises(InputError):
            SHARE.validate(number)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, np.float64("nan"), 10**400, "1e999", "nan"],
    ids=lambda value: str(value)[:9],
)
def test_text_that_is_not_a_number_is_refused(value):
    for measure in (SHARE, WATTS, FREE):
        with pytest.raises(InputError):
            measure.validate(value)


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_])
def test_booleans_are_refused(value):
    for measure in (SHARE, FREE):
        with pytest.raises(InputError, match="must be a number"):
            measure.validate(value)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int64, np.uint8])
def test_scalars_of_numpy_are_numbers(kind):
    number = WATTS.validate(kind(7))
    assert number == 7.0 and type(number) is float


@pytest.mark.parametrize("value", [np.array([0.3]), np.array(0.3), [0.3], (0.3,), {0.3}, b"0.3", None, object(), 1j])
def test_arrays_and_other_objects_are_refused(value):
    with pytest.raises(InputError, match="as a number, a string or a range; got"):
        SHARE.validate(value)


def test_quantities_of_any_registry():
    foreign = pint.UnitRegistry()
    assert WATTS.validate(foreign.Quantity(0.7, "kW")) == pytest.approx(700)
    with pytest.raises(InputError, match="wrong dimension"):
        WATTS.validate(foreign.Quantity(5, "meter"))


def test_a_quantity_in_a_unit_of_several_words():
    foreign = pint.UnitRegistry()
    foreign.define("USD = [money]")
    assert cm.Site(electricity=foreign.Quantity(0.08, "USD/kWh")).electricity == pytest.approx(0.08)


def test_a_quantity_of_an_array_is_refused():
    with pytest.raises(InputError):
        WATTS.validate(pint.UnitRegistry().Quantity(np.array([1.0, 2.0]), "kW"))


@pytest.mark.parametrize(
    ("measure", "value", "shape", "floor"),
    [
        (SHARE, "0.3 to 0.45", "logitnormal", 0), (WATTS, "500 W to 1.2 kW", "lognormal", 0),
        (PUE, "1.08 to 1.15", "lognormal", 1), (FREE, "-1 to 1", "normal", 0),
        (SHARE, {"low": 0.3, "high": 0.4}, "logitnormal", 0), (WATTS, between(0.5, 1.2, "kW"), "lognormal", 0),
    ],
)  # fmt: skip
def test_the_field_chooses_the_shape_of_a_range(measure, value, shape, floor):
    held = measure.validate(value)
    assert (held.shape, held.floor, held.unit) == (shape, floor, measure.unit)


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        (SHARE, "0.5 to 1.2"), (SHARE, "0 to 0.5"), (SHARE, between(0.3, 0.4, shape="normal")),
        (SHARE, triangular(0.1, 0.5, 1.1)), (SHARE, beta(2, 3, 0, 2)), (SHARE, samples([0.1, 1.2])),
        (SHARE, samples([-0.1, 0.5])), (PUE, "0.9 to 1.2"), (PUE, between(1.05, 1.2, shape="lognormal")),
        (PUE, triangular(1, 2, 200)), (WATTS, between(-5, 5)), (WATTS, between(5, 10, shape="normal")),
        (WATTS, samples([1, 1e10])),
    ],
)  # fmt: skip
def test_ranges_beyond_the_bounds_are_refused(measure, value):
    with pytest.raises(InputError):
        measure.validate(value)


def test_a_lognormal_is_refused_for_a_fraction():
    with pytest.raises(InputError):
        SHARE.validate(between(0.5, 0.95, shape="lognormal"))


def test_an_end_of_an_interval_beyond_the_bounds():
    for value in ("1 W to 1e12 W", between(1e-300, 1e300, "W")):
        with pytest.raises(InputError, match="at most 1e"):
            WATTS.validate(value)


def test_a_sample_on_a_bound_that_is_left_out():
    with pytest.raises(InputError, match="above 0"):
        SHARE.validate(samples([0.0, 0.3, 0.3]))


@pytest.mark.parametrize("value", ["70 GB to 80 GB", between(70, 80), {"low": 70, "high": 80}])
def test_fields_of_an_accelerator_refuse_ranges(value):
    with pytest.raises(InputError, match="must be a number in GB, not a range"):
        PLAIN.validate(value)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.001, 0.98), st.floats(0.0001, 0.9), st.integers(0, 2**32 - 1))
def test_draws_of_a_share_stay_between_0_and_1(low, width, seed):
    high = low + width * (0.999 - low)
    drawn = draws("mfu", SHARE.validate(between(low, high)), 200, seed)
    assert np.all((drawn > 0) & (drawn <= 1))


@settings(max_examples=30, deadline=None)
@given(st.floats(1.001, 2), st.floats(0.001, 1), st.integers(0, 2**32 - 1))
def test_draws_of_a_power_usage_effectiveness_stay_above_1(low, width, seed):
    drawn = draws("pue", PUE.validate(between(low, low + width)), 200, seed)
    assert np.all(drawn >= 1)


@pytest.mark.parametrize("value", ["2026-09-01", " 2026-09-01 ", dt.date(2026, 9, 1), dt.datetime(2026, 9, 1, 12)])
def test_accepted_dates(value):
    day = cm.Rental(on=value).on
    assert day == dt.date(2026, 9, 1) and type(day) is dt.date


@pytest.mark.parametrize("value", ["2026-13-01", "September", "1/9/2026", 20260901, 2026.0, True])
def test_text_that_is_not_a_date_is_refused(value):
    with pytest.raises(InputError, match=r"on: must be a date such as 2026-09-01; got"):
        cm.Rental(on=value)


@pytest.mark.parametrize("value", [0, -1, 8.5, 8.0, "8.5", "8 W", "many", True, np.True_, None, 10**10, between(1, 2)])
def test_values_that_are_not_a_count_are_refused(value):
    with pytest.raises(InputError, match="count: "):
        cm.Cluster("H100-SXM", value)


@pytest.mark.parametrize("value", [np.int64(8000), "8000", "8,000", "8k", 8000])
def test_accepted_counts(value):
    count = cm.Cluster("H100-SXM", value).count
    assert count == 8000 and type(count) is int
