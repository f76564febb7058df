"""Numbers in other units: conversion factors, pint quantities of any registry, and round trips."""

import math
import subprocess
import sys

import numpy as np
import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import between
from costmodel.foundation.units import COUNTED, SI_FACTOR, convert, is_quantity, quantity, read, registry, rescale

IN_SI = {
    "1": "dimensionless", "token": "token", "token/s": "token/s", "FLOP": "FLOP", "FLOP/s": "FLOP/s",
    "FLOP/token": "FLOP/token",
    "TFLOP/s": "FLOP/s", "byte": "byte", "GB": "byte", "GiB": "byte", "GB/s": "byte/s", "W": "kg*m**2/s**3", "s": "s",
    "J": "kg*m**2/s**2", "hour": "s", "day": "s", "kWh": "J", "MWh": "J", "kg": "kg", "tonne": "kg",
    "liter": "m**3", "m**3": "m**3", "USD": "USD", "USD/hour": "USD/s", "USD/kWh": "USD/J", "kg/kWh": "kg/J",
    "kg/J": "kg/J", "liter/kWh": "m**3/J", "m**3/J": "m**3/J", "USD/s": "USD/s", "USD/J": "USD/J", "mm**2": "m**2",
    "USD/GB": "USD/byte", "USD/GB/month": "USD/byte/s", "year": "s", "USD/year": "USD/s", "USD/MW": "USD/W",
    "USD/kW/month": "USD/W/s",
}  # fmt: skip
positive = st.floats(1e-6, 1e15)


def test_every_unit_of_the_table_is_compared():
    assert set(IN_SI) == set(SI_FACTOR)
    assert set(SI_FACTOR) >= COUNTED


@pytest.mark.parametrize("unit", sorted(IN_SI))
def test_factors_agree_with_pint(unit):
    one = registry().Quantity(1.0, "dimensionless" if unit == "1" else unit)
    assert one.to(IN_SI[unit]).magnitude == pytest.approx(SI_FACTOR[unit], rel=1e-12)


@pytest.mark.parametrize("unit", sorted(IN_SI))
def test_a_number_written_with_the_unit_of_the_field_is_that_number(unit):
    assert read("2.5" if unit == "1" else f"2.5 {unit}", unit) == 2.5


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(sorted(SI_FACTOR)))
def test_a_number_survives_being_written_and_read(number, unit):
    assert read(f"{number!r} {'' if unit == '1' else unit}", unit) == number


@settings(max_examples=60, deadline=None)
@given(
    positive,
    st.sampled_from([
        ("W", "kW", 1e3), ("W", "MW", 1e6), ("byte", "GB", 1e9), ("byte", "GiB", 2.0**30), ("GB/s", "TB/s", 1e3),
        ("USD/hour", "USD/day", 1 / 24), ("USD/hour", "USD/s", 3600.0), ("USD/kWh", "USD/MWh", 1e-3),
        ("kg/kWh", "g/kWh", 1e-3), ("hour", "day", 24.0), ("token", "Mtoken", 1e6), ("TFLOP/s", "PFLOP/s", 1e3),
        ("1", "percent", 1e-2), ("liter/kWh", "m**3/MWh", 1.0),
    ]),
)  # fmt: skip
def test_the_unit_in_which_a_number_is_written_does_not_matter(number, case):
    unit, other, factor = case
    expected = read(f"{number!r}", unit)
    assert read(f"{number / factor!r} {other}", unit) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(positive, st.floats(1.001, 100))
def test_the_unit_in_which_a_range_is_written_does_not_matter(low, ratio):
    high = low * ratio
    one, other = read(f"{low!r} to {high!r} kW", "W"), read(f"{low * 1e3!r} W to {high * 1e3!r} W", "W")
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 10**15))
def test_thousands_may_be_grouped(number):
    assert read(f"{number:,}", "token") == read(f"{number:_}", "token") == number


@pytest.mark.parametrize(("unit", "shown", "factor"), [("J", "kWh", 1 / 3.6e6), ("s", "day", 1 / 86400), ("1", "1", 1)])
def test_a_quantity_is_shown_in_the_unit_asked_for(unit, shown, factor):
    result = quantity(7.2e6, unit, shown)
    assert result.magnitude == pytest.approx(7.2e6 * factor)


@pytest.mark.parametrize(
    ("unit", "shown"),
    [("J", "kWh"), ("J", "MWh"), ("kg", "tonne"), ("USD/J", "USD/kWh"), ("kg/J", "kg/kWh"), ("s", "day"),
     ("USD/s", "USD/hour"), ("m**3", "liter"), ("byte", "GB"), ("byte", "GiB"), ("FLOP/s", "TFLOP/s"),
     ("m**3/J", "liter/kWh")],
)  # fmt: skip
def test_quantities_of_an_estimate_are_accepted_as_inputs(unit, shown):
    assert convert(quantity(7.2e6, unit, shown), unit) == pytest.approx(7.2e6)


def test_an_array_becomes_a_quantity_of_an_array():
    result = quantity(np.array([3.6e6, 7.2e6]), "J", "kWh")
    assert result.magnitude == pytest.approx(np.array([1.0, 2.0]))


def test_a_quantity_of_a_foreign_registry_is_understood():
    foreign = pint.UnitRegistry()
    assert convert(foreign.Quantity(1.2, "kW"), "W") == pytest.approx(1200)
    assert convert(foreign.Quantity(80, "GiB"), "byte") == 80 * 2**30
    assert convert(foreign.Quantity(0.35, "dimensionless"), "1") == 0.35
    foreign.define("USD = [money]")
    assert convert(foreign.Quantity(48, "USD/day"), "USD/hour") == pytest.approx(2)


def test_a_quantity_of_another_dimension_is_refused():
    with pytest.raises(InputError, match="wrong dimension; expected a number in W"):
        convert(pint.UnitRegistry().Quantity(5, "meter"), "W")


def test_a_quantity_without_a_unit_is_taken_in_the_unit_of_the_field_or_refused_alike():
    bare = pint.UnitRegistry().Quantity(5.0, "dimensionless")
    assert convert(bare, "W") == read("5", "W")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_quantity_that_is_not_finite_is_refused(number):
    with pytest.raises(InputError, match="finite"):
        convert(pint.UnitRegistry().Quantity(number, "W"), "W")


def test_only_quantities_are_quantities():
    assert is_quantity(registry().Quantity(1, "W"))
    assert not any(is_quantity(each) for each in (1.0, "1 W", np.float64(1), None))


def test_a_range_is_moved_to_the_unit_of_the_field():
    moved = rescale(between(0.5, 1.2, "kW"), "W")
    assert (moved.low, moved.high, moved.unit) == (500.0, 1200.0, "W")
    bare = rescale(between(500, 1200), "W")
    assert (bare.low, bare.high, bare.unit) == (500.0, 1200.0, "W")


def test_a_range_of_another_dimension_is_refused():
    with pytest.raises(InputError, match="wrong dimension"):
        rescale(between(1, 2, "meter"), "W")


def test_threads_can_share_the_first_use_of_the_unit_registry():
    code = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from costmodel.foundation.units import read

together = Barrier(8)

def first_use(_):
    together.wait()
    return read("$2.99/h", "USD/s")

with ThreadPoolExecutor(8) as threads:
    print(set(threads.map(first_use, range(8))))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str({2.99 / 3600})
