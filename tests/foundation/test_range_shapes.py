"""Median, quantiles, support and level of ranges, for every shape."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation import ranges
from costmodel.foundation.errors import InputError
from costmodel.foundation.ranges import Range, beta, between, middle, normal_quantile, samples, triangular

SHAPES = {
    "lognormal": between(1.8, 3.2).settled("lognormal"),
    "lognormal above 1": between(1.05, 1.4).settled("lognormal", 1.0),
    "logitnormal": between(0.3, 0.45).settled("logitnormal"),
    "normal": between(-2.0, 3.0).settled("normal"),
    "triangular": triangular(1, 2, 4),
    "triangular, peak at the low end": triangular(1, 1, 4),
    "triangular, peak at the high end": triangular(1, 4, 4),
    "beta": beta(2, 5),
    "beta, stretched": beta(2, 2, 10, 30),
    "samples": samples([2.1, 2.4, 3.0, 2.2, 5.0]),
}
every_shape = pytest.mark.parametrize("spread", SHAPES.values(), ids=SHAPES.keys())
PROBABILITIES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)


@every_shape
def test_the_median_is_the_middle_quantile(spread):
    assert spread.median() == pytest.approx(spread.quantile(0.5))


@every_shape
def test_quantiles_ascend_inside_the_support(spread):
    quantiles = [spread.quantile(each) for each in PROBABILITIES]
    assert quantiles == sorted(quantiles)
    low, high = spread.support()
    assert low <= quantiles[0] and quantiles[-1] <= high


@every_shape
def test_a_scaled_range_is_the_range_of_scaled_numbers(spread):
    scaled = spread.scaled(1e3, "W")
    assert scaled.unit == "W"
    if "logit" not in str(getattr(spread, "shape", "")):
        for probability in PROBABILITIES:
            assert scaled.quantile(probability) == pytest.approx(1e3 * spread.quantile(probability))


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-3, 1e6), st.floats(1.01, 1e3), st.floats(0.05, 0.99))
def test_the_named_ends_hold_the_named_level(low, ratio, level):
    high = low * ratio
    for spread in (
        between(low, high, level=level).settled("lognormal"),
        between(low, high, level=level).settled("lognormal", low / 2),
        between(low - 1, high, level=level).settled("normal"),
        between(low / (1 + high), high / (1 + high), level=level).settled("logitnormal"),
    ):
        assert spread.quantile((1 - level) / 2) == pytest.approx(spread.low, rel=1e-6, abs=1e-9)
        assert spread.quantile((1 + level) / 2) == pytest.approx(spread.high, rel=1e-6, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-3, 1e6), st.floats(1.01, 1e3))
def test_a_lognormal_is_around_the_geometric_mean(low, ratio):
    spread = between(low, low * ratio).settled("lognormal")
    assert spread.median() == pytest.approx(low * math.sqrt(ratio))


def test_the_median_of_the_other_shapes_of_an_interval():
    assert between(-2, 3).settled("normal").median() == 0.5
    assert between(1.1, 1.4).settled("lognormal", 1.0).median() == pytest.approx(1 + math.sqrt(0.1 * 0.4))
    assert between(0.2, 0.8).settled("logitnormal").median() == pytest.approx(0.5)


def test_quantiles_of_a_triangle_by_hand():
    spread = triangular(0, 1, 2)
    assert [spread.quantile(each) for each in (0, 0.125, 0.5, 0.875, 1)] == pytest.approx([0, 0.5, 1, 1.5, 2])


def test_quantiles_of_a_beta_by_hand():
    assert [beta(1, 1, 10, 30).quantile(each) for each in (0.25, 0.5, 1)] == pytest.approx([15, 20, 30])
    assert beta(2, 1).quantile(0.25) == pytest.approx(0.5)  # its distribution function is x squared


def test_quantiles_of_samples_are_those_of_numpy():
    values = [2.1, 2.4, 3.0, 2.2, 5.0]
    for probability in PROBABILITIES:
        assert samples(values).quantile(probability) == pytest.approx(np.quantile(values, probability))


@every_shape
def test_intervals_of_a_higher_level_hold_those_of_a_lower(spread):
    levels = (0.1, 0.5, 0.8, 0.95)
    ends = [(spread.quantile((1 - level) / 2), spread.quantile((1 + level) / 2)) for level in levels]
    for (low, high), (wider_low, wider_high) in itertools.pairwise(ends):
        assert wider_low <= low <= high <= wider_high


def test_a_quantile_needs_a_probability():
    for spread in SHAPES.values():
        for probability in (-0.1, 1.1, math.nan):
            with pytest.raises(InputError):
                spread.quantile(probability)


def test_the_outermost_quantiles_are_the_ends_of_the_support():
    for spread in SHAPES.values():
        assert (spread.quantile(0), spread.quantile(1)) == pytest.approx(spread.support())


def test_the_same_ends_at_a_higher_level_are_a_narrower_distribution():
    sure, unsure = (between(1, 2, level=level).settled("lognormal") for level in (0.95, 0.5))
    assert unsure.quantile(0.1) < sure.quantile(0.1) < sure.quantile(0.9) < unsure.quantile(0.9)


def test_support_of_every_shape():
    assert SHAPES["lognormal"].support() == (0.0, math.inf)
    assert SHAPES["lognormal above 1"].support() == (1.0, math.inf)
    assert SHAPES["logitnormal"].support() == (0.0, 1.0)
    assert SHAPES["normal"].support() == (-math.inf, math.inf)
    assert SHAPES["triangular"].support() == (1, 4)
    assert SHAPES["beta, stretched"].support() == (10, 30)
    assert SHAPES["samples"].support() == (2.1, 5.0)


def test_a_shape_that_was_named_is_kept_by_the_field():
    named = between(0.3, 0.4, shape="normal")
    assert named.settled("logitnormal").shape == "normal"
    assert between(0.3, 0.4).settled("logitnormal").shape == "logitnormal"


def test_the_normal_quantile():
    assert normal_quantile(0.5) == 0
    assert normal_quantile(0.9) == pytest.approx(1.2815515655446004)
    assert normal_quantile(0.1) == pytest.approx(-normal_quantile(0.9))


def test_the_middle_of_a_number_is_the_number():
    assert middle(2.5) == 2.5
    assert middle(triangular(0, 1, 2)) == 1.0


def test_base_class_of_ranges_has_no_quantiles():
    for name, arguments in (("median", ()), ("quantile", (0.5,)), ("scaled", (1.0, "")), ("support", ())):
        with pytest.raises(TypeError, match="Range"):
            getattr(Range("W"), name)(*arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: between(3, 1), r"`low` must be below `high`; got 3 to 1"),
        (lambda: between(1, 1), r"`low` must be below `high`"),
        (lambda: between(1, math.inf), r"high must be a finite number; got inf"),
        (lambda: between(math.nan, 1), r"low must be a finite number; got nan"),
        (lambda: between(True, 2), r"low must be a finite number; got True"),
        (lambda: between("1", 2), r"low must be a finite number; got '1'"),
        (lambda: between(1, 10**400), r"high must be a finite number"),
        (lambda: between(1, 2, level=1), r"level must be a fraction between 0 and 1; got 1"),
        (lambda: between(1, 2, level=0), r"level must be a fraction between 0 and 1; got 0"),
        (lambda: between(1, 2, level=80), r"level must be a fraction between 0 and 1; got 80"),
        (lambda: between(1, 2, shape="lognormall"), r"unknown shape 'lognormall'; did you mean 'lognormal'"),
        (lambda: triangular(1, 5, 4), r"low <= mode <= high; got 1, 5, 4"),
        (lambda: triangular(1, 1, 1), r"low <= mode <= high"),
        (lambda: triangular(1, math.nan, 4), r"mode must be a finite number"),
        (lambda: beta(0, 1), r"alpha and beta must be positive; got 0 and 1"),
        (lambda: beta(1, -1), r"alpha and beta must be positive"),
        (lambda: beta(1, 1, 2, 1), r"`low` must be below `high`; got 2 to 1"),
        (lambda: samples([]), r"at least one value"),
        (lambda: samples([1, math.inf]), r"values must be a finite number; got inf"),
        (lambda: samples(["1"]), r"values must be a finite number; got '1'"),
        (lambda: between(0, 1).settled("lognormal"), r"must be above 0; got 0"),
        (lambda: between(0.9, 1.2).settled("lognormal", 1.0), r"must be above 1; got 0.9"),
        (lambda: between(0, 0.5).settled("logitnormal"), r"between 0 and 1; got 0 to 0.5"),
        (lambda: between(0.5, 1).settled("logitnormal"), r"between 0 and 1; got 0.5 to 1"),
    ],
)  # fmt: skip
def test_invalid_ranges_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_numbers_of_numpy_make_ranges(kind):
    one, two, three = kind(1), kind(2), kind(3)
    assert between(one, two).low == 1
    assert triangular(one, two, three).mode == 2
    assert samples(np.array([1, 2, 3], dtype=kind)).median() == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([1.0, np.nan]), "values must be a finite number; got nan"),
        (np.array([True, False]), "values must be a finite number; got True"),
        (np.array([[1.0, 2.0]]), r"values must be a finite number; got \[1.0, 2.0\]"),
        (np.array(5.0), r"`values` must be a list of numbers; got array\(5.\)"),
        ([1.0, True], "values must be a finite number; got True"),
    ],
    ids=["nan", "truth values", "two dimensions", "no dimension", "mixed"],
)
def test_samples_must_be_a_list_of_finite_numbers(values, message):
    with pytest.raises(InputError, match=message):
        samples(values)


def test_a_million_samples_are_checked_without_a_python_call_per_value(monkeypatch):
    monkeypatch.setattr(ranges, "_finite", lambda *_: pytest.fail("checks one value at a time"))
    values = np.linspace(1, 2, 1_000_000)
    assert samples(values) == samples(values.tolist())


def test_the_repr_of_many_samples_is_short():
    assert repr(samples([1.0, 2.0], "W")) == "Samples(unit='W', values=(1.0, 2.0))"
    assert len(repr(samples(range(1000)))) < 100
    with pytest.raises(InputError, match=r"at most 1; got Samples.* \.\.\. 1,000 values"):
        cm.Scenario(
            architecture="llama-3.1-8b", recipe=cm.Pretraining(tokens="1T"), cluster=cm.Cluster("H100", 8),
            mfu=samples(range(1000)),
        )  # fmt: skip
