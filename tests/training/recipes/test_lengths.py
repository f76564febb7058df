"""Length distributions: constants and samples by hand, and properties for any lengths."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.foundation.ranges import between, samples
from costmodel.training.recipes.lengths import LengthDistribution

MOST = 4096


def shape(lengths, most=MOST):
    """The length distribution of a recipe."""
    return cm.LoRA(examples=10, lengths=lengths, sequence_length=most).length_distribution


def test_equal_lengths_need_no_padding():
    equal = LengthDistribution(512.0, 2048)
    assert (equal.mean, equal.attended, equal.longest) == (512, 512, 512)
    assert [equal.padded(batch) for batch in (1, 2, 64)] == [512, 512, 512]
    assert LengthDistribution(512.0, 128).mean == 128


def test_length_sample_by_hand():
    """Half of the examples have 100 tokens, half 300: three of four pairs contain a long one."""
    two = shape([100] * 500 + [300] * 500)
    assert two.mean == pytest.approx(200, rel=2e-3)
    assert two.padded(2) == pytest.approx(0.25 * 100 + 0.75 * 300, rel=2e-3)
    assert two.padded(8) == pytest.approx(300 - 200 / 2**8, rel=2e-3)
    assert two.attended == pytest.approx(
        (100**2 + 300**2) / (100 + 300), rel=2e-3
    )  # the mean token is in a sequence of 250
    assert two.longest == 300


def test_long_sample_is_averaged_in_512_parts():
    pairs = shape(list(range(1, 1025)))
    assert pairs.quantiles[:2] == (1.5, 3.5) and pairs.longest == 1023.5


@pytest.mark.parametrize("values", [[100, 200, 5000], [1, 1000], [10, 20, 30, 4000]])
def test_length_sample_keeps_its_mean(values):
    cut = [min(length, MOST) for length in values]
    assert shape(values).mean == pytest.approx(sum(cut) / len(cut), rel=0.01)


def test_lognormal_lengths_by_hand():
    """80 % are between 200 and 1500: the median is near the geometric mean, the mean is above it."""
    distribution = shape("200 to 1500", 10**6)
    spread = math.log(1499 / 199) / 2 / 1.2815516  # shifted by the minimum of one token
    median = 1 + math.sqrt(199 * 1499)
    assert distribution.quantiles[len(distribution.quantiles) // 2] == pytest.approx(median, rel=0.01)
    assert distribution.mean == pytest.approx(1 + (median - 1) * math.exp(spread**2 / 2), rel=0.01)
    assert sum(200 < length < 1500 for length in distribution.quantiles) / len(distribution.quantiles) == pytest.approx(
        0.8, abs=0.01
    )


@pytest.mark.parametrize(
    "same",
    ["lognormal 200 to 1500", "200 to 1500", "200 to 1500 token", between(200, 1500), between(200, 1500, unit="token")],
)
def test_accepted_spellings_of_a_distribution(same):
    assert shape(same).quantiles == shape("lognormal 200 to 1500").quantiles


def test_accepted_spellings_of_a_sample_and_a_number():
    assert shape([100, 200, 700]).quantiles == shape(samples([100, 200, 700])).quantiles
    assert shape("700").quantiles == shape("700 token").quantiles == shape(700).quantiles == (700.0,)
    assert shape("0.7k").quantiles == (700.0,)


@pytest.mark.parametrize("value", [0, -5, "none", float("nan"), math.inf, "200 to inf", True, [], [0, -1], "1 to 0"])
def test_invalid_lengths_are_rejected(value):
    with pytest.raises(cm.InputError, match="lengths"):
        shape(value)


any_lengths = st.one_of(
    st.floats(1, 1e5),
    st.tuples(st.floats(1.5, 5000), st.floats(1.2, 50)).map(lambda length: between(length[0], length[0] * length[1])),
    st.lists(st.integers(1, 20_000), min_size=2, max_size=50).map(samples),
)


@settings(max_examples=60, deadline=None)
@given(any_lengths, st.integers(1, 200), st.integers(8, 8192))
def test_longest_of_padding_group_and_attended_length(lengths, batch, most):
    distribution = shape(lengths, most)
    slack = 1 + 1e-9
    assert 1 <= distribution.mean <= most * slack and distribution.longest <= most
    assert distribution.mean <= distribution.padded(batch) * slack
    assert distribution.padded(batch) <= distribution.padded(batch + 1) * slack <= distribution.longest * slack**2
    assert distribution.padded(1) == pytest.approx(distribution.mean)
    assert distribution.mean <= distribution.attended * slack <= distribution.longest * slack**2


@settings(max_examples=30, deadline=None)
@given(any_lengths, st.integers(8, 4096))
def test_padded_length_never_decreases_with_truncation_length(lengths, most):
    early, late = shape(lengths, most), shape(lengths, 2 * most)
    assert early.mean <= late.mean * (1 + 1e-12) and early.longest <= late.longest
    assert early.padded(8) <= late.padded(8) * (1 + 1e-12)
